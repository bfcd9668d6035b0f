using System.Buffers.Binary;
using System.Net;
using Masquerade.Core.Flow;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Testing;
using Xunit.Abstractions;
using static Masquerade.Namespaces.Tests.AttackFrames;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// The table of docs/security.md against real kernels: bob, with valid credentials of his own, attacks alice. Both have an ordinary supplicant; the access point's ports are isolated from each
/// other, as access points do with clients (ap_isolate), so that everything between them goes through the agent. What counts is what comes to alice, and to the server.
/// </summary>
[Trait("Req", "A-24")]
[Trait("Req", "A-26")]
public sealed class AttackTests(ITestOutputHelper output)
{
    private const int Alice = 0;
    private const int Bob = 1;
    private static readonly MacAddress s_gateway = MacAddress.Parse("02:6d:71:00:00:01");
    private static readonly MacAddress s_alice = MacAddress.Parse(LabTopology.ClientMac(Alice));
    private static readonly MacAddress s_bob = MacAddress.Parse(LabTopology.ClientMac(Bob));

    /// <summary>Everything that an insider at the same access point can send with his own MAC address.</summary>
    [Fact]
    public void An_insider_at_the_same_access_point_reaches_nobody_but_by_what_policies_allow()
    {
        using var site = Site();
        Enter(site, Alice, "alice");
        Enter(site, Bob, "bob");
        Isolate(site);
        var alices = site.Lab.Open("alice", Alice, ipv6: false);
        var bobs = site.Lab.Open("bob", Bob, ipv6: false);
        using var victim = new RawFrames(site.Lab.Topology.Clients[Alice], "eth0", Mark);
        using var sink = new RawFrames(site.Lab.Topology.Server, "eth0", Mark);
        using var attacker = new RawFrames(site.Lab.Topology.Clients[Bob], "eth0", Mark);
        var (aliceAt, bobAt, gatewayAt) = (LabTopology.ClientAddress(Alice), LabTopology.ClientAddress(Bob), LabTopology.GatewayAddress);

        // The sniffers see: what bob may send comes to the server.
        attacker.Send(Udp(s_gateway, s_bob, bobAt, 7_000, LabTopology.ServerAddress, 7_000));
        site.Lab.WaitFor(() => sink.Got.Count > 0, "what is allowed does not come to the server");
        sink.Clear();

        // Gateway bouncing, with his own address and with hers; broadcast reflection; straight to her MAC address.
        attacker.Send(
            Udp(s_gateway, s_bob, bobAt, 7_000, aliceAt, 7_000), Udp(s_gateway, s_bob, aliceAt, 7_000, aliceAt, 7_001), Udp(s_gateway, s_bob, gatewayAt, 7_000, aliceAt, 7_001),
            Udp(MacAddress.Broadcast, s_bob, bobAt, 7_000, aliceAt, 7_000), Udp(MacAddress.Parse("01:00:5e:00:00:fb"), s_bob, bobAt, 5_353, aliceAt, 5_353),
            Udp(MacAddress.Broadcast, s_bob, bobAt, 7_000, IPAddress.Broadcast, 7_000), Udp(s_alice, s_bob, bobAt, 7_000, aliceAt, 7_000), Udp(s_gateway, s_bob, aliceAt, 7_000, LabTopology.ServerAddress, 7_000));

        // ARP poisoning: to her, to everybody, to the gateway; her address and the gateway's.
        foreach (var address in new[] { gatewayAt, aliceAt })
        {
            attacker.Send(Arp(s_alice, s_bob, address, aliceAt), Arp(MacAddress.Broadcast, s_bob, address, address), Arp(s_gateway, s_bob, address, gatewayAt));
        }

        // A DHCP server and a router of his own; EAPOL for her.
        attacker.Send(
            Udp(s_gateway, s_bob, bobAt, 67, aliceAt, 68), Udp(MacAddress.Broadcast, s_bob, bobAt, 67, IPAddress.Broadcast, 68), Udp(s_alice, s_bob, bobAt, 67, aliceAt, 68),
            RouterAdvertisement(MacAddress.Parse("33:33:00:00:00:01"), s_bob, IPAddress.Parse("ff02::1")), RouterAdvertisement(s_gateway, s_bob, LabTopology.ClientAddress6(Alice)),
            Eapol(s_alice, s_bob, 0), Eapol(s_alice, s_bob, 3), Eapol(MacAddress.Parse("01:80:c2:00:00:03"), s_bob, 2 + 64), Eapol(MacAddress.Broadcast, s_bob, 0));
        site.Lab.Progress("under attack", TimeSpan.FromSeconds(10), alices);
        Thread.Sleep(500);
        Assert.Empty(victim.Got);
        Assert.Empty(sink.Got);
        Assert.True(site.Dropped(0, "SpoofedSource") >= 4 && site.Dropped(0, "RogueServer") >= 2, "what was refused was not counted");
        Assert.DoesNotContain(LabTopology.ClientMac(Bob), Neighbours(site, Alice), StringComparison.Ordinal);
        site.Lab.Progress("the attacker goes on as a client", TimeSpan.FromSeconds(10), bobs, alices);
    }

    [Fact]
    public void Ten_thousand_packets_from_others_addresses_deliver_nothing()
    {
        using var site = Site();
        Enter(site, Bob, "bob");
        var bobs = site.Lab.Open("bob", Bob, ipv6: false);
        using var sink = new RawFrames(site.Lab.Topology.Server, "eth0", Mark);
        using var attacker = new RawFrames(site.Lab.Topology.Clients[Bob], "eth0", Mark);
        var random = new Random((int)Seed.Number(output));
        for (var sent = 100; sent <= 10_000; sent += 100)
        {
            attacker.Send(Enumerable.Range(0, 100).Select(i =>
            {
                var source = i % 2 == 0 ? $"192.168.77.{random.Next(103, 255)}" : $"{random.Next(1, 223)}.{random.Next(256)}.{random.Next(256)}.{random.Next(1, 255)}";
                return Udp(s_gateway, s_bob, IPAddress.Parse(source), random.Next(1_024, 65_536), LabTopology.ServerAddress, 7_000);
            }));

            // Those from addresses that can be nobody's, such as 127.0.0.1, are dropped before it is asked whose they are; and what the kernel has no room for nobody asks about.
            site.Lab.WaitFor(() => site.Dropped(0, "SpoofedSource") + site.Dropped(0, "Martian") + Lost(site) >= sent, $"not all of {sent} were refused");
        }

        Assert.True(site.Dropped(0, "SpoofedSource") > 5_000, "most frames did not come to the access point");

        attacker.Send(Udp(s_gateway, s_bob, LabTopology.ClientAddress(Bob), 7_000, LabTopology.ServerAddress, 7_001));
        site.Lab.WaitFor(() => sink.Got.Count > 0, "what is allowed does not come to the server");
        Assert.Equal(7_001, BinaryPrimitives.ReadUInt16BigEndian(Assert.Single(sink.Got).AsSpan(36)));
        site.Lab.Progress("afterwards", TimeSpan.FromSeconds(10), bobs);
    }

    /// <summary>MacStealer, and port stealing across access points: bob comes to another access point with alice's MAC address and his own credentials. She keeps her place, her connections and her packets.</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void Who_comes_with_anothers_address_and_his_own_credentials_gets_nothing_of_it()
    {
        using var site = Site();
        Enter(site, Alice, "alice");
        var alices = site.Lab.Open("alice", Alice, ipv6: false);
        Tool.Run("ip", ["-n", site.Lab.Topology.Clients[Bob].Name, "link", "set", "eth0", "address", LabTopology.ClientMac(Alice)]);
        site.Lab.Move(Bob, 1);
        site.Supplicate(site.Lab.Topology.Clients[Bob], Bob, "bob", "TTLS");
        using var sink = new RawFrames(site.Lab.Topology.Server, "eth0", Mark);
        using var attacker = new RawFrames(site.Lab.Topology.Clients[Bob], "eth0", Mark);
        site.Lab.WaitFor(() => Refusals(site) > 0, "nobody is told that the address was claimed", TimeSpan.FromSeconds(30));
        attacker.Send(Enumerable.Range(0, 200).Select(i => Udp(s_gateway, s_alice, LabTopology.ClientAddress(Alice), 7_000 + i, LabTopology.ServerAddress, 7_000)));
        site.Lab.Progress("beside a thief of her address", TimeSpan.FromSeconds(10), alices);
        Thread.Sleep(500);
        Assert.Empty(sink.Got);
        Assert.Equal("alice", site.UserOf(Alice)?.Name);
        Assert.Equal("ap1", site.Lab.Ask($"/v1/clients/{LabTopology.ClientMac(Alice)}").GetProperty("at").GetString());
        site.Lab.Progress("afterwards", TimeSpan.FromSeconds(10), alices);
    }

    private static long Refusals(UserSite site) => site.Lab.Ask("/v1/status").GetProperty("claimsRefused").GetInt64();

    private static long Lost(UserSite site) => site.Lab.Status(0).GetProperty("devices").GetProperty("client").GetProperty("kernelDrops").GetInt64();

    private static string Neighbours(UserSite site, int client) => Tool.Run("ip", ["-n", site.Lab.Topology.Clients[client].Name, "neigh"]);

    /// <summary>Clients hear the access point and not each other.</summary>
    private static void Isolate(UserSite site)
    {
        foreach (var port in new[] { "c1", "c2" })
        {
            Tool.Run("bridge", ["-n", site.Lab.Topology.Air.Name, "link", "set", "dev", port, "isolated", "on"]);
        }
    }

    private static void Enter(UserSite site, int client, string user)
    {
        site.Lab.Move(client, 0);
        site.LetIn(client, user, "ap1", "TTLS");
    }

    /// <summary>Users may speak to servers and not to each other.</summary>
    private UserSite Site() => new(output, users => users with
    {
        Policies = """{ "policies": { "staff": ["deny both any to 192.168.77.0/24,fd00:77::/64", "allow out any"] }, "default": "staff" }""",
    });
}
