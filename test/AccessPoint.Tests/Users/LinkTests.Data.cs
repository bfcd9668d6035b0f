using Masquerade.AccessPoint.Users;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Protection;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Testing;
using Xunit.Abstractions;
using static Masquerade.AccessPoint.Tests.Users.UserBench;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>What passes over a protected link, and when its keys change or go.</summary>
public sealed partial class LinkTests
{
    [Fact]
    public void What_goes_to_everybody_comes_to_each_protected_client_under_its_own_key()
    {
        var bench = WithIPv6();
        using var other = new PlayedClient(Other, 2);
        LetIn(bench, _client);
        LetIn(bench, other);
        bench.Output.Client.Clear();
        bench.Wait(250_000);
        var advertisements = bench.Output.Client.Where(f => f[12] == 0x88 && f[13] == 0xE5).ToArray();
        Assert.Equal([Client, Other], advertisements.Select(f => MacAddress.FromBytes(f)).Order());
        var all = bench.Output.Client.ToArray();
        _client.Inside.Clear();
        other.Inside.Clear();
        bench.Output.Client.Clear();
        bench.Output.Client.AddRange(all);
        _client.Pump(bench);
        bench.Output.Client.AddRange(all);
        other.Pump(bench);
        foreach (var inside in new[] { _client.Inside.Single(), other.Inside.Single() })
        {
            // A router advertisement, with an MTU that leaves room for the protection.
            Assert.Equal(134, inside[54]);
            Assert.Contains(inside.AsSpan(70).ToArray().Chunk(8), o => o is [5, 1, ..] && ((o[6] << 8) | o[7]) == 1_468);
        }
    }

    /// <summary>Where all links are protected there is nobody whom an advertisement in the clear would be for; where nobody is let in there is nobody at all.</summary>
    [Fact]
    public void Advertisements_go_out_in_the_clear_only_to_those_whose_links_are()
    {
        var bench = WithIPv6();
        Assert.Equal((0, 0), Advertised(bench));
        LetIn(bench, _client);
        Assert.Equal((0, 1), Advertised(bench));
        bench.Authenticate(Other, Session("alice", 2));
        bench.Admit(Other);
        Assert.Equal((1, 1), Advertised(bench));
    }

    /// <summary>Whose link is protected already, but waits for what he may do, is not counted for one of those who are let in.</summary>
    [Fact]
    public void Who_is_in_the_clear_hears_what_is_for_all_while_protected_clients_wait_for_their_policy()
    {
        var bench = WithIPv6();
        bench.Authenticate(Other, Session("alice", 2));
        bench.Admit(Other);
        _client.Join(bench);
        bench.Authenticate(Client, _client.SessionFor("ap1") with { Policy = Name("policy that nobody tells") });
        _client.Pump(bench);
        Assert.Equal((1, 1), (bench.Node.AdmittedClients, bench.Node.ProtectedClients));
        Assert.Equal(1, Advertised(bench).Clear);
    }

    /// <summary>A checksum that a device was to make is made once, however many copies go out.</summary>
    [Fact]
    public void Each_copy_for_everybody_has_the_right_checksum()
    {
        using var other = new PlayedClient(Other, 2);
        LetIn(_bench, _client);
        LetIn(_bench, other);
        var plain = MacAddress.Parse("02:00:00:00:00:13");
        _bench.Authenticate(plain, Session("carol", 3));
        _bench.Admit(plain);
        _bench.Output.Client.Clear();
        var frame = Frames.Build(MacAddress.Broadcast, AccessPointModel.DefaultGatewayMac, TransportProtocol.Udp, TransportEndpoint.Parse("192.168.77.1:67"), TransportEndpoint.Parse("255.255.255.255:68"), new byte[300]);

        // As the kernel leaves it to a device: the sum of the pseudo-header is in the field.
        var (right, pseudo) = (frame.AsSpan(40, 2).ToArray(), Masquerade.Core.Checksum.InternetChecksum.PseudoHeaderSum(IpAddress.Parse("192.168.77.1"), IpAddress.Parse("255.255.255.255"), 17, frame.Length - 34));
        var folded = (ushort)~Masquerade.Core.Checksum.InternetChecksum.Finish(pseudo);
        (frame[40], frame[41]) = ((byte)(folded >> 8), (byte)folded);
        _bench.Node.ClientLink.SendInPlace(frame, new OffloadInfo(true, 34, 6, 0, 0, 0), MacAddress.Broadcast);
        var sent = _bench.Output.Client.ToArray();
        Assert.Equal(3, sent.Length);
        _client.Inside.Clear();
        _client.Pump(_bench);
        _bench.Output.Client.AddRange(sent);
        other.Pump(_bench);
        Assert.All([_client.Inside.Single(), other.Inside.Single(), sent.Single(f => f[13] == 0)], f => Assert.Equal(right, f[40..42]));
    }

    private static UserBench WithIPv6() => new(change: m => m with
    {
        Clients = m.Clients with { GatewayAddresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fe80::1")], Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("2001:db8:77::/64")] },
    });

    /// <summary>Advertisements in the clear, and protected frames, of the next few minutes.</summary>
    private static (int Clear, int Protected) Advertised(UserBench bench)
    {
        bench.Output.Client.Clear();
        bench.Wait(250_000);
        return (bench.Output.Client.Count(f => f[12] == 0x86 && f[54] == 134), bench.Output.Client.Count(f => f[12] == 0x88 && f[13] == 0xE5));
    }

    [Fact]
    public void Nothing_longer_than_the_link_carries_is_sent_and_the_server_hears_of_it()
    {
        LetIn();
        Assert.True(_client.Speak(_bench));
        var masquerade = _bench.LastSource();
        _client.Inside.Clear();
        var fits = FromServer(masquerade, 1_468 - 28);
        fits[20] |= 0x40;
        Fix(fits);
        _bench.Inbound(fits, OffloadInfo.None);
        Assert.Equal(1_514, _bench.Output.Client.Single(f => f[13] == 0xE5).Length);
        _client.Pump(_bench);
        Assert.Equal(1_482, _client.Inside.Single().Length);

        var tooBig = FromServer(masquerade, 1_469 - 28);
        tooBig[20] |= 0x40;
        Fix(tooBig);
        _bench.Output.Uplink.Clear();
        _bench.Inbound(tooBig, OffloadInfo.None);
        Assert.Empty(_bench.Output.Client);
        var error = _bench.Output.Uplink.Single().AsSpan(14);
        Assert.Equal((3, 4, 1_468), (error[20], error[21], (error[26] << 8) | error[27]));

        // Who lets it be cut gets it whole.
        _client.Inside.Clear();
        var cut = FromServer(masquerade, 1_472);
        cut[20] &= 0xBF;
        Fix(cut);
        _bench.Inbound(cut, OffloadInfo.None);
        _client.Pump(_bench);
        Assert.Equal(2, _client.Inside.Count);
        Assert.All(_client.Inside, f => Assert.InRange(f.Length, 34, 1_482));
    }

    [Fact]
    public void A_super_packet_becomes_packets_with_right_checksums()
    {
        LetIn();
        Assert.True(_client.Speak(_bench));
        var masquerade = _bench.LastSource();
        _client.Inside.Clear();
        var frame = FromServer(masquerade, 10_000);
        _bench.Inbound(frame, new OffloadInfo(false, 0, 0, 5, 1_400, 42));
        Assert.All(_bench.Output.Client, f => Assert.InRange(f.Length, 60, 1_514));
        _client.Pump(_bench);
        Assert.Equal(8, _client.Inside.Count);
        Assert.Equal(10_000, _client.Inside.Sum(f => f.Length - 42));
        Assert.All(_client.Inside, f => Assert.Equal(Server, Frames.Read(f).Source));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Keys_are_replaced_when_their_time_is_over_and_before_packet_numbers_end()
    {
        var bench = new UserBench(new UsersConfig { Enabled = true, KeyLifetime = TimeSpan.FromMinutes(10) });
        LetIn(bench, _client);
        for (var minute = 0; minute < 25; minute++)
        {
            bench.Wait(60_000);
            _client.Pump(bench);
            Assert.True(_client.Speak(bench));
        }

        Assert.Equal(3, _client.Rounds);

        using var other = new PlayedClient(Client, 3);
        bench = new UserBench(new UsersConfig { Enabled = true, Macsec = new MacsecConfig { NewKeyFrom = 100 } });
        LetIn(bench, other);
        for (var i = 0; i < 1_000; i++)
        {
            Assert.True(other.Speak(bench), $"frame {i}");
            other.Pump(bench);
            bench.Wait(100);
        }

        Assert.InRange(other.Rounds, 9, 12);
    }

    [Fact]
    public void Whose_link_is_gone_has_no_key_left_here()
    {
        LetIn();
        _bench.Node.OnDisassociated(Client, _bench.Now);
        Assert.Equal(0, _bench.Node.ProtectedClients);
        Assert.False(_client.Speak(_bench));
        _bench.Output.Client.Clear();
        _bench.Answer(new TransportEndpoint(IpAddress.Parse("10.1.1.10"), 40_000));
        Assert.Empty(_bench.Output.Client);
    }

    /// <summary>Frames that come protected find out who is there like any others: an access point that has forgotten everything gets its clients back without EAP.</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void An_access_point_that_has_forgotten_everything_asks_for_the_session_and_the_handshake()
    {
        LetIn();
        var again = new UserBench();
        Assert.False(_client.Speak(again));
        again.Tell(Client, _client.SessionFor("ap1", isProtected: true));
        _client.Pump(again);
        again.Admit(Client);
        Assert.True(_client.Speak(again));
        Assert.Equal(2, _client.Rounds);
        Assert.Empty(again.Take<EapFromClient>());
    }

    [Fact]
    public void Protected_frames_cost_no_allocation_either_way()
    {
        var bench = new UserBench();
        LetIn(bench, _client);
        Assert.True(_client.Speak(bench));
        var masquerade = bench.LastSource();
        var quiet = new QuietOutput();
        var frames = Enumerable.Range(0, 600).Select(_ => _client.Protect(bench.Packet(Client))).ToArray();
        var answer = FromServer(masquerade, 900);
        var copy = new byte[answer.Length];
        bench.Output.Forward = quiet;
        var next = 0;
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (var i = 0; i < 100; i++)
            {
                bench.Node.OnClientFrame(frames[next++], OffloadInfo.None, bench.Now);
                answer.CopyTo(copy, 0);
                bench.Node.OnUplinkFrame(copy, OffloadInfo.None, bench.Now);
            }
        }));
        Assert.Equal((500, 500), (quiet.Uplink, quiet.Client));
    }
}
