using Masquerade.AccessPoint.Users;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Testing;
using Xunit.Abstractions;
using static Masquerade.AccessPoint.Tests.Users.UserBench;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>
/// The table of docs/security.md for clients with protected links: alice is the victim, bob an insider with valid credentials and a protected link of his own at the same access point. Each test
/// looks at what reaches the victim or the network.
/// </summary>
[Trait("Req", "A-24")]
[Trait("Req", "A-26")]
public sealed class AttackTests : IDisposable
{
    private readonly ITestOutputHelper _output;
    private readonly UserBench _bench = new();
    private readonly PlayedClient _alice = new(Client);
    private readonly PlayedClient _bob = new(Other, 2);

    public AttackTests(ITestOutputHelper output)
    {
        _output = output;
        LetIn(_alice, "alice");
        LetIn(_bob, "bob");
    }

    public void Dispose()
    {
        _alice.Dispose();
        _bob.Dispose();
    }

    /// <summary>AirSnitch, uplink port stealing: frames with the victim's MAC address, to send in its name.</summary>
    [Fact]
    public void Frames_with_the_victims_address_reach_nobody()
    {
        _bench.Output.Uplink.Clear();
        for (var i = 0; i < 100; i++)
        {
            _bench.Node.OnClientFrame(_bench.Packet(Client, 41_000 + i), OffloadInfo.None, _bench.Now);
            var own = _bob.Protect(_bench.Packet(Other, 41_000 + i));
            Client.WriteTo(own.AsSpan(6));
            _bench.Node.OnClientFrame(own, OffloadInfo.None, _bench.Now);
            _bob.SendProtected(_bench, _bench.Packet(Client, 42_000 + i));
        }

        Assert.Empty(_bench.Output.Uplink);
        Assert.Equal(100, _bench.Node.Drops[DropReason.NotProtected]);
        Assert.Equal(200, _bench.Node.Drops[DropReason.LinkForged]);
        Assert.True(_alice.Speak(_bench));
    }

    /// <summary>AirSnitch, downlink port stealing: whoever sent last with an address gets what is for it.</summary>
    [Fact]
    public void What_is_for_the_victim_goes_on_to_it_under_its_key_whoever_sends_with_its_address()
    {
        Assert.True(_alice.Speak(_bench));
        var masquerade = _bench.LastSource();
        for (var i = 0; i < 20; i++)
        {
            _bench.Node.OnClientFrame(_bench.Packet(Client, 41_000 + i), OffloadInfo.None, _bench.Now);
            _bench.Eapol(Client, 2);
            Assert.True(_bench.Answer(masquerade));
            _alice.Inside.Clear();
            _alice.Pump(_bench);
            Assert.Equal("world"u8, _alice.Inside.Single().AsSpan(^5));
        }

        Assert.Empty(_alice.Clear);
    }

    /// <summary>MacStealer and port stealing by way of another access point: there the address proves nothing, and nothing moves.</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void At_another_access_point_the_victims_address_moves_nothing()
    {
        var next = new UserBench(change: m => m with { Node = new NodeId("ap2") });
        using var thief = new PlayedClient(Client, 2);
        thief.Join(next);
        next.Node.OnAssociated(Client, next.Now);
        next.Tell(Client, _alice.SessionFor("ap2", isProtected: true, user: "alice"));
        for (var i = 0; i < 50; i++)
        {
            thief.Pump(next);
            next.Wait(100);
            next.Speak(Client);
        }

        // He has credentials of his own; the coordinator knows whose the address is, and says no.
        var request = thief.Eap.Last(e => e[1] == 0 && e[4] == 1);
        next.Eapol(Client, 0, 2, request[5], 0, 7, 1, (byte)'b', (byte)'o');
        var asked = next.Take<EapFromClient>().Last();
        next.Hear(new EapToClient { Id = asked.Id, Client = Client, Exchange = asked.Exchange, Outcome = EapOutcome.Reject, Eap = new Octets([4, 2, 0, 4]) });
        Assert.False(next.Speak(Client));
        Assert.Empty(next.Take<Arrive>());
        Assert.Empty(next.Take<UserSessionUsed>());
        Assert.Contains(next.Output.Events, e => e is HandshakeFailed);
        Assert.True(_alice.Speak(_bench));
    }

    /// <summary>AirSnitch, broadcast reflection: a packet for the victim in a frame for everybody, which the access point is to send out again.</summary>
    [Fact]
    public void A_packet_in_a_frame_for_everybody_is_not_sent_out_again()
    {
        foreach (var to in new[] { MacAddress.Broadcast, MacAddress.Parse("01:00:5e:00:00:fb"), Client })
        {
            var frame = Frames.Build(to, Other, TransportProtocol.Udp, TransportEndpoint.Parse("192.168.77.102:7"), TransportEndpoint.Parse("192.168.77.101:7"), "attack"u8);
            _bob.SendProtected(_bench, frame);
            _bench.Node.OnClientFrame(frame, OffloadInfo.None, _bench.Now);
        }

        NothingFor(_alice);
        Assert.Empty(_bench.Output.Uplink.Where(f => f.AsSpan().IndexOf("attack"u8) >= 0).ToArray());
    }

    /// <summary>AirSnitch, shared group key: who has it sends to all under it. There is none: what one client gets under its key another cannot read or make.</summary>
    [Fact]
    public void No_client_has_a_key_under_which_another_one_reads()
    {
        var forged = _bob.Protect(Frames.Build(Client, Other, TransportProtocol.Udp, TransportEndpoint.Parse("192.168.77.102:7"), TransportEndpoint.Parse("192.168.77.101:7"), "attack"u8));
        foreach (var (to, from) in new[] { (Client, AccessPointModel.DefaultGatewayMac), (MacAddress.Broadcast, AccessPointModel.DefaultGatewayMac), (MacAddress.Broadcast, Other) })
        {
            to.WriteTo(forged);
            from.WriteTo(forged.AsSpan(6));
            _bench.Output.Client.Add(forged.ToArray());
        }

        _alice.Inside.Clear();
        _alice.Pump(_bench);
        Assert.Empty(_alice.Inside);
    }

    /// <summary>ARP and NDP poisoning, and the own MAC address with the victim's IP address (gateway bouncing).</summary>
    [Fact]
    public void Claims_of_others_addresses_change_nothing_and_are_told()
    {
        Assert.True(_alice.Speak(_bench));
        Assert.True(_bob.Speak(_bench));
        _bench.Output.Client.Clear();
        var arp = new byte[42];
        EthernetHeader.Write(arp, MacAddress.Broadcast, Other, EtherType.Arp);
        new byte[] { 0, 1, 8, 0, 6, 4, 0, 2 }.CopyTo(arp, 14);
        Other.WriteTo(arp.AsSpan(22));
        IpAddress.Parse("192.168.77.101").WriteTo(arp.AsSpan(28));
        Client.WriteTo(arp.AsSpan(32));
        IpAddress.Parse("192.168.77.1").WriteTo(arp.AsSpan(38));
        _bob.SendProtected(_bench, arp);
        IpAddress.Parse("192.168.77.1").WriteTo(arp.AsSpan(28));
        Client.WriteTo(arp);
        _bob.SendProtected(_bench, arp);
        AccessPointModel.DefaultGatewayMac.WriteTo(arp);
        _bob.SendProtected(_bench, arp);
        NothingFor(_alice);

        _bench.Output.Uplink.Clear();
        _bob.SendProtected(_bench, _bench.Packet(Other, 40_001, source: "192.168.77.101"));
        _bob.SendProtected(_bench, _bench.Packet(Other, 40_001, source: "192.168.77.1"));
        Assert.Empty(_bench.Output.Uplink);
        Assert.True(_bench.Node.Drops[DropReason.SpoofedSource] >= 3);
        Assert.Contains(new AddressClaimRefused(Other, "bob", IpAddress.Parse("192.168.77.101")), _bench.Output.Events);
        Assert.True(_alice.Speak(_bench));
        Assert.True(_bench.Answer(_bench.LastSource()));
    }

    [Fact]
    public void A_client_is_no_DHCP_server_and_no_router()
    {
        _bob.SendProtected(_bench, Frames.Build(AccessPointModel.DefaultGatewayMac, Other, TransportProtocol.Udp, TransportEndpoint.Parse("192.168.77.102:67"), TransportEndpoint.Parse("192.168.77.101:68"), new byte[300]));
        _bob.SendProtected(_bench, Frames.Build(MacAddress.Broadcast, Other, TransportProtocol.Udp, TransportEndpoint.Parse("192.168.77.102:67"), TransportEndpoint.Parse("255.255.255.255:68"), new byte[300]));
        Assert.Equal(1, _bench.Node.Drops[DropReason.RogueServer]);
        NothingFor(_alice);
    }

    /// <summary>CVE-2020-26139: EAPOL for another client.</summary>
    [Fact]
    public void EAPOL_goes_to_nobody_else()
    {
        foreach (var body in new byte[][] { [], new byte[95], [4, 1, 0, 4] })
        {
            var frame = new byte[18 + body.Length];
            EthernetHeader.Write(frame, Client, Other, EtherType.Eapol);
            (frame[14], frame[15], frame[17]) = (2, body.Length switch { 0 => (byte)2, 4 => (byte)0, _ => (byte)3 }, (byte)body.Length);
            body.CopyTo(frame, 18);
            _bench.Node.OnClientFrame(frame, OffloadInfo.None, _bench.Now);
        }

        NothingFor(_alice);
    }

    /// <summary>10,000 packets with sources that are not the sender's: other clients', nobody's, the gateway's, from outside.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Ten_thousand_spoofed_sources_deliver_nothing(bool isProtected)
    {
        var random = new Random((int)Seed.Number(_output));
        var bench = isProtected ? _bench : new UserBench();
        if (!isProtected)
        {
            bench.Authenticate(Other, Session("bob", 2));
            bench.Admit(Other);
        }

        Assert.True(isProtected ? _bob.Speak(bench) : bench.Speak(Other));
        bench.Output.Uplink.Clear();
        bench.Output.Client.Clear();
        for (var i = 0; i < 10_000; i++)
        {
            var source = (i % 3) switch
            {
                0 => $"192.168.77.{random.Next(103, 255)}",
                1 => $"{random.Next(1, 223)}.{random.Next(256)}.{random.Next(256)}.{random.Next(1, 255)}",
                _ => $"2001:db8:{random.Next(1, 65_536):x}::{random.Next(1, 65_536):x}",
            };
            var frame = source.Contains(':', StringComparison.Ordinal)
                ? Frames.Build(AccessPointModel.DefaultGatewayMac, Other, TransportProtocol.Udp, new TransportEndpoint(IpAddress.Parse(source), 40_000), TransportEndpoint.Parse("[2001:db8::9]:80"), "attack"u8)
                : bench.Packet(Other, 40_000, source);
            if (isProtected)
            {
                _bob.SendProtected(bench, frame);
            }
            else
            {
                bench.Node.OnClientFrame(frame, OffloadInfo.None, bench.Now);
            }
        }

        Assert.Empty(bench.Output.Uplink);
        Assert.Empty(bench.Output.Client);
        Assert.True(bench.Node.Drops[DropReason.SpoofedSource] > 9_000);
        Assert.True(isProtected ? _bob.Speak(bench) : bench.Speak(Other));
    }

    /// <summary>Who changes his address is heard under the new one when he has been quiet under the old one, or when a DHCP server has given it to him; nobody else's is to be had.</summary>
    [Fact]
    public void An_address_is_kept_while_it_is_used_and_may_be_changed_afterwards()
    {
        Assert.True(_alice.Speak(_bench));
        Assert.True(_bob.Speak(_bench));
        Assert.False(SpeakFrom("192.168.77.150"));
        _bench.Wait(61_000);
        Assert.False(SpeakFrom("192.168.77.101"));
        Assert.True(SpeakFrom("192.168.77.150"));
        Assert.False(SpeakFrom("192.168.77.102"));

        bool SpeakFrom(string source)
        {
            _bench.Output.Uplink.Clear();
            _bob.SendProtected(_bench, _bench.Packet(Other, 40_000, source));
            return _bench.Output.Uplink.Count > 0;
        }
    }

    private void NothingFor(PlayedClient client)
    {
        client.Inside.Clear();
        client.Clear.Clear();
        client.Eap.Clear();
        client.Pump(_bench);
        Assert.Empty(client.Inside);
        Assert.Empty(client.Clear);
        Assert.Empty(client.Eap);
    }

    private void LetIn(PlayedClient client, string user)
    {
        client.Join(_bench);
        _bench.Authenticate(client.Mac, client.SessionFor("ap1", user: user));
        client.Pump(_bench);
        _bench.Admit(client.Mac);
        _bench.Output.Client.Clear();
    }
}
