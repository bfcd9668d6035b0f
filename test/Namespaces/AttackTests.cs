using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Lab;
using Masquerade.Lab.FreeRadius;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Masquerade.Lab.Users;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// The table of docs/security.md against real kernels: bob, with valid credentials of his own, attacks alice. Both have an ordinary supplicant; the access point's ports are isolated from each
/// other, as access points do with clients (ap_isolate), so that everything between them goes through the agent. What counts is what comes to alice, and to the server.
/// </summary>
[Trait("Req", "A-24")]
[Trait("Req", "A-26")]
public sealed class AttackTests(ITestOutputHelper output) : IDisposable
{
    private const string Mark = "this is an attack";
    private const int Alice = 0;
    private const int Bob = 1;
    private static readonly MacAddress s_gateway = MacAddress.Parse("02:6d:71:00:00:01");
    private static readonly MacAddress s_alice = MacAddress.Parse(LabTopology.ClientMac(Alice));
    private static readonly MacAddress s_bob = MacAddress.Parse(LabTopology.ClientMac(Bob));
    private readonly string _alicesPassword = Convert.ToHexString(RandomNumberGenerator.GetBytes(8));
    private readonly string _bobsPassword = Convert.ToHexString(RandomNumberGenerator.GetBytes(8));
    private FreeRadiusProcess? _radius;

    public void Dispose() => _radius?.Dispose();

    /// <summary>Everything that an insider at the same access point can send with his own MAC address.</summary>
    [Fact]
    public void An_insider_at_the_same_access_point_reaches_nobody_but_by_what_policies_allow()
    {
        using var site = Site();
        using var alice = Enter(site, Alice, "alice", _alicesPassword, at: 0);
        using var bob = Enter(site, Bob, "bob", _bobsPassword, at: 0);
        Isolate(site);
        var alices = site.Open("alice", Alice, ipv6: false);
        var bobs = site.Open("bob", Bob, ipv6: false);
        using var victim = new RawFrames(site.Topology.Clients[Alice], "eth0", Mark);
        using var sink = new RawFrames(site.Topology.Server, "eth0", Mark);
        using var attacker = new RawFrames(site.Topology.Clients[Bob], "eth0", Mark);
        var (aliceAt, bobAt, gatewayAt) = (LabTopology.ClientAddress(Alice), LabTopology.ClientAddress(Bob), LabTopology.GatewayAddress);

        // The sniffers see: what bob may send comes to the server.
        attacker.Send(Udp(s_gateway, s_bob, bobAt, 7_000, LabTopology.ServerAddress, 7_000));
        site.WaitFor(() => sink.Got.Count > 0, "what is allowed does not come to the server");
        sink.Clear();

        // Gateway bouncing, with his own address and with hers; broadcast reflection; straight to her MAC address.
        attacker.Send(
            Udp(s_gateway, s_bob, bobAt, 7_000, aliceAt, 7_000), Udp(s_gateway, s_bob, aliceAt, 7_000, aliceAt, 7_001), Udp(s_gateway, s_bob, gatewayAt, 7_000, aliceAt, 7_001),
            Udp(MacAddress.Broadcast, s_bob, bobAt, 7_000, aliceAt, 7_000), Udp(MacAddress.Parse("01:00:5e:00:00:fb"), s_bob, bobAt, 5_353, aliceAt, 5_353),
            Udp(MacAddress.Broadcast, s_bob, bobAt, 7_000, IPAddress.Broadcast, 7_000), Udp(s_alice, s_bob, bobAt, 7_000, aliceAt, 7_000), Udp(s_gateway, s_bob, aliceAt, 7_000, LabTopology.ServerAddress, 7_000));

        // ARP poisoning: to her, to everybody, to the gateway; her address and the gateway's.
        foreach (var address in new[] { gatewayAt, aliceAt })
        {
            attacker.Send(Arp(s_alice, address, aliceAt), Arp(MacAddress.Broadcast, address, address), Arp(s_gateway, address, gatewayAt));
        }

        // A DHCP server and a router of his own; EAPOL for her.
        attacker.Send(
            Udp(s_gateway, s_bob, bobAt, 67, aliceAt, 68), Udp(MacAddress.Broadcast, s_bob, bobAt, 67, IPAddress.Broadcast, 68), Udp(s_alice, s_bob, bobAt, 67, aliceAt, 68),
            RouterAdvertisement(MacAddress.Parse("33:33:00:00:00:01"), IPAddress.Parse("ff02::1")), RouterAdvertisement(s_gateway, LabTopology.ClientAddress6(Alice)),
            Eapol(s_alice, 0), Eapol(s_alice, 3), Eapol(MacAddress.Parse("01:80:c2:00:00:03"), 2 + 64), Eapol(MacAddress.Broadcast, 0));
        site.Progress("under attack", TimeSpan.FromSeconds(10), alices);
        Thread.Sleep(500);
        Assert.Empty(victim.Got);
        Assert.Empty(sink.Got);
        Assert.True(Dropped(site, "SpoofedSource") >= 4 && Dropped(site, "RogueServer") >= 2, "what was refused was not counted");
        Assert.DoesNotContain(LabTopology.ClientMac(Bob), Neighbours(site, Alice), StringComparison.Ordinal);
        site.Progress("the attacker goes on as a client", TimeSpan.FromSeconds(10), bobs, alices);
    }

    [Fact]
    public void Ten_thousand_packets_from_others_addresses_deliver_nothing()
    {
        using var site = Site();
        using var bob = Enter(site, Bob, "bob", _bobsPassword, at: 0);
        var bobs = site.Open("bob", Bob, ipv6: false);
        using var sink = new RawFrames(site.Topology.Server, "eth0", Mark);
        using var attacker = new RawFrames(site.Topology.Clients[Bob], "eth0", Mark);
        var random = new Random((int)Seed.Number(output));
        for (var sent = 100; sent <= 10_000; sent += 100)
        {
            attacker.Send(Enumerable.Range(0, 100).Select(i =>
            {
                var source = i % 2 == 0 ? $"192.168.77.{random.Next(103, 255)}" : $"{random.Next(1, 223)}.{random.Next(256)}.{random.Next(256)}.{random.Next(1, 255)}";
                return Udp(s_gateway, s_bob, IPAddress.Parse(source), random.Next(1_024, 65_536), LabTopology.ServerAddress, 7_000);
            }));

            // Those from addresses that can be nobody's, such as 127.0.0.1, are dropped before it is asked whose they are; and what the kernel has no room for nobody asks about.
            site.WaitFor(() => Dropped(site, "SpoofedSource") + Dropped(site, "Martian") + Lost(site) >= sent, $"not all of {sent} were refused");
        }

        Assert.True(Dropped(site, "SpoofedSource") > 5_000, "most frames did not come to the access point");

        attacker.Send(Udp(s_gateway, s_bob, LabTopology.ClientAddress(Bob), 7_000, LabTopology.ServerAddress, 7_001));
        site.WaitFor(() => sink.Got.Count > 0, "what is allowed does not come to the server");
        Assert.Equal(7_001, BinaryPrimitives.ReadUInt16BigEndian(Assert.Single(sink.Got).AsSpan(36)));
        site.Progress("afterwards", TimeSpan.FromSeconds(10), bobs);
    }

    /// <summary>MacStealer, and port stealing across access points: bob comes to another access point with alice's MAC address and his own credentials. She keeps her place, her connections and her packets.</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void Who_comes_with_anothers_address_and_his_own_credentials_gets_nothing_of_it()
    {
        using var site = Site();
        using var alice = Enter(site, Alice, "alice", _alicesPassword, at: 0);
        var alices = site.Open("alice", Alice, ipv6: false);
        Tool.Run("ip", ["-n", site.Topology.Clients[Bob].Name, "link", "set", "eth0", "address", LabTopology.ClientMac(Alice)]);
        site.Move(Bob, 1);
        using var thief = new WpaSupplicant(output.Lines(), site.Topology.Clients[Bob], Bob, "TTLS", "bob", _bobsPassword, Path.Combine(_radius!.Directory, "ca.pem"));
        using var sink = new RawFrames(site.Topology.Server, "eth0", Mark);
        using var attacker = new RawFrames(site.Topology.Clients[Bob], "eth0", Mark);
        site.WaitFor(() => Refusals(site) > 0, "nobody is told that the address was claimed", TimeSpan.FromSeconds(30));
        attacker.Send(Enumerable.Range(0, 200).Select(i => Udp(s_gateway, s_alice, LabTopology.ClientAddress(Alice), 7_000 + i, LabTopology.ServerAddress, 7_000)));
        site.Progress("beside a thief of her address", TimeSpan.FromSeconds(10), alices);
        Thread.Sleep(500);
        Assert.Empty(sink.Got);
        Assert.Equal("alice", UserOf(site, Alice));
        Assert.Equal("ap1", site.Ask($"/v1/clients/{LabTopology.ClientMac(Alice)}").GetProperty("at").GetString());
        site.Progress("afterwards", TimeSpan.FromSeconds(10), alices);
    }

    private static long Refusals(LabSite site) => site.Ask("/v1/status").GetProperty("claimsRefused").GetInt64();

    private static long Dropped(LabSite site, string reason) => site.Status(0).GetProperty("drops").TryGetProperty(reason, out var count) ? count.GetInt64() : 0;

    private static long Lost(LabSite site) => site.Status(0).GetProperty("devices").GetProperty("client").GetProperty("kernelDrops").GetInt64();

    private static string Neighbours(LabSite site, int client) => Tool.Run("ip", ["-n", site.Topology.Clients[client].Name, "neigh"]);

    private static string? UserOf(LabSite site, int client) =>
        site.Ask($"/v1/clients/{LabTopology.ClientMac(client)}").TryGetProperty("user", out var user) && user.ValueKind == JsonValueKind.Object ? user.GetProperty("name").GetString() : null;

    /// <summary>Clients hear the access point and not each other.</summary>
    private static void Isolate(LabSite site)
    {
        foreach (var port in new[] { "c1", "c2" })
        {
            Tool.Run("bridge", ["-n", site.Topology.Air.Name, "link", "set", "dev", port, "isolated", "on"]);
        }
    }

    private static byte[] Udp(MacAddress to, MacAddress from, IPAddress source, int sourcePort, IPAddress destination, int port)
    {
        var payload = Encoding.ASCII.GetBytes(Mark);
        var frame = new byte[14 + 20 + 8 + payload.Length];
        EthernetHeader.Write(frame, to, from, EtherType.IPv4);
        var (a, b) = (Address(source), Address(destination));
        Ipv4Header.Write(frame.AsSpan(14), frame.Length - 14, IpProtocolNumber.Udp, a, b);
        var datagram = frame.AsSpan(34);
        BinaryPrimitives.WriteUInt16BigEndian(datagram, (ushort)sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[2..], (ushort)port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram[4..], (ushort)datagram.Length);
        payload.CopyTo(datagram[8..]);
        var sum = InternetChecksum.Finish(InternetChecksum.Sum(datagram, InternetChecksum.PseudoHeaderSum(a, b, IpProtocolNumber.Udp, datagram.Length)));
        BinaryPrimitives.WriteUInt16BigEndian(datagram[6..], sum == 0 ? ushort.MaxValue : sum);
        return frame;
    }

    /// <summary>An ARP answer of bob, with the mark behind it.</summary>
    private static byte[] Arp(MacAddress to, IPAddress claimed, IPAddress target)
    {
        var frame = new byte[42 + Mark.Length];
        EthernetHeader.Write(frame, to, s_bob, EtherType.Arp);
        new byte[] { 0, 1, 8, 0, 6, 4, 0, 2 }.CopyTo(frame, 14);
        s_bob.WriteTo(frame.AsSpan(22));
        Address(claimed).WriteTo(frame.AsSpan(28));
        to.WriteTo(frame.AsSpan(32));
        Address(target).WriteTo(frame.AsSpan(38));
        Encoding.ASCII.GetBytes(Mark).CopyTo(frame, 42);
        return frame;
    }

    /// <summary>A router advertisement of bob (RFC 4861 section 4.2) with the mark in an option that nobody knows.</summary>
    private static byte[] RouterAdvertisement(MacAddress to, IPAddress destination)
    {
        var message = new byte[16 + 24];
        (message[0], message[4], message[6], message[7]) = (134, 64, 7, 8);
        (message[16], message[17]) = (253, 3);
        Encoding.ASCII.GetBytes(Mark).CopyTo(message, 18);
        var frame = new byte[14 + 40 + message.Length];
        EthernetHeader.Write(frame, to, s_bob, EtherType.IPv6);
        var (a, b) = (Address(IPAddress.Parse("fe80::6d:71ff:fe0c:2")), Address(destination));
        Ipv6Header.Write(frame.AsSpan(14), message.Length, 58, a, b);
        frame[21] = 255;
        var sum = InternetChecksum.Finish(InternetChecksum.Sum(message, InternetChecksum.PseudoHeaderSum(a, b, 58, message.Length)));
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), sum);
        message.CopyTo(frame, 54);
        return frame;
    }

    private static byte[] Eapol(MacAddress to, byte type)
    {
        var frame = new byte[18 + Mark.Length];
        EthernetHeader.Write(frame, to, s_bob, EtherType.Eapol);
        (frame[14], frame[15], frame[17]) = (2, type, (byte)Mark.Length);
        Encoding.ASCII.GetBytes(Mark).CopyTo(frame, 18);
        return frame;
    }

    private static IpAddress Address(IPAddress address) => IpAddress.FromBytes(address.GetAddressBytes());

    private WpaSupplicant Enter(LabSite site, int client, string user, string password, int at)
    {
        site.Move(client, at);
        var supplicant = new WpaSupplicant(output.Lines(), site.Topology.Clients[client], client, "TTLS", user, password, Path.Combine(_radius!.Directory, "ca.pem"));
        site.WaitFor(() => string.Equals(UserOf(site, client), user, StringComparison.Ordinal), $"{user} does not get in", TimeSpan.FromSeconds(30));
        return supplicant;
    }

    /// <summary>Users may speak to servers and not to each other.</summary>
    private LabSite Site() => new(
        _ => new DemoOptions
        {
            Users = new LabUsers(_radius!.AuthEndPoint, _radius.AccountingEndPoint, _radius.Secret)
            {
                Agent = new Dictionary<string, string>(StringComparer.Ordinal) { ["quietPeriodMilliseconds"] = "1000", ["askAgainMilliseconds"] = "500" },
                Policies = """{ "policies": { "staff": ["deny both any to 192.168.77.0/24,fd00:77::/64", "allow out any"] }, "default": "staff" }""",
            },
        },
        topology => _radius = new FreeRadiusProcess(new FreeRadiusOptions
        {
            Prefix = ["ip", "netns", "exec", topology.Coordinator.Name],
            AuthPort = 1812,
            AccountingPort = 1813,
            TlsPort = 2083,
            Users = [new FreeRadiusUser("alice", _alicesPassword), new FreeRadiusUser("bob", _bobsPassword)],
        }));
}
