using System.Buffers.Binary;
using System.Net;
using System.Text.Json;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Lab.Net;
using Masquerade.Lab.Traffic;
using Masquerade.Lab.Users;
using Xunit.Abstractions;
using static Masquerade.Namespaces.Tests.AttackFrames;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// The table of docs/security.md against a client with a protected link and real kernels: alice has <c>masq client</c>, bob valid credentials of his own and a plain cable to the same bridge, so
/// nothing but the protection is between them. What counts is what comes out of her TAP interface, and to the server.
/// </summary>
[Trait("Req", "A-24")]
[Trait("Req", "A-25")]
public sealed class ProtectedAttackTests(ITestOutputHelper output)
{
    private const int Alice = 0;
    private const int Bob = 1;
    private const byte Start = 1;
    private const byte Logoff = 2;
    private const byte Key = 3;
    private static readonly MacAddress s_gateway = MacAddress.Parse("02:6d:71:00:00:01");
    private static readonly MacAddress s_group = MacAddress.Parse("01:80:c2:00:00:03");
    private static readonly MacAddress s_alice = MacAddress.Parse(LabTopology.ClientMac(Alice));
    private static readonly MacAddress s_bob = MacAddress.Parse(LabTopology.ClientMac(Bob));

    [Fact]
    public void Whose_link_is_protected_is_reached_by_no_frame_of_anothers_and_robbed_of_none()
    {
        using var users = new UserSite(output, u => u with
        {
            Policies = """{ "policies": { "staff": ["deny both any to 192.168.77.0/24,fd00:77::/64", "allow out any"] }, "default": "staff" }""",
        });
        var site = users.Lab;
        using var fromAlice = new RawFrames(site.Topology.Air, "c1", string.Empty);
        using var toAlice = new RawFrames(site.Topology.Clients[Alice], "eth0", string.Empty);
        site.Move(Alice, 0);
        var alice = users.Protect(Alice, "alice");
        users.WaitForUser(Alice, "alice", "ap1", "handshake");
        var alices = site.Open("alice", Alice, ipv6: false);
        using var victim = new RawFrames(site.Topology.Clients[Alice], MasqClient.Tap, Mark);
        using var sink = new RawFrames(site.Topology.Server, "eth0", Mark);
        Talk(site, victim, sink);
        var (up, down) = (fromAlice.Got, toAlice.Got);
        AtTheSameAccessPoint(users, up, down, sink, alices);
        AtAnother(users, Recorded(up), sink, alices);
        Assert.Empty(victim.Got);
        Assert.Empty(sink.Got);
        Assert.Single(alice.Told("authenticated"));
        Assert.Equal(("alice", "handshake", "ap1"), users.UserOf(Alice));
        alice.Interrupt();
        var drops = alice.Told("status")[^1].GetProperty("drops");
        Assert.True(Of("protection.Replayed") + Of("protection.Late") >= Recorded(down).Length && Of("protection.Forged") > 0, drops.ToString());
        output.WriteLine($"dropped at the access point: {site.Status(0).GetProperty("drops")}; at the client: {drops}");

        long Of(string reason) => drops.TryGetProperty(reason, out var count) ? count.GetInt64() : 0;
    }

    /// <summary>The sniffers see: what alice may say comes to the server, and what she may hear out of her TAP interface.</summary>
    private static void Talk(LabSite site, RawFrames victim, RawFrames sink)
    {
        victim.Send(Udp(s_gateway, s_alice, LabTopology.ClientAddress(Alice), 7_100, LabTopology.ServerAddress, 7_100));
        site.WaitFor(() => sink.Got.Count > 0, "what alice says does not come to the server");
        var asked = sink.Got[0];
        sink.Send(Udp(MacAddress.FromBytes(asked.AsSpan(6)), MacAddress.FromBytes(asked), LabTopology.ServerAddress, 7_100, new IPAddress(asked.AsSpan(26, 4)), BinaryPrimitives.ReadUInt16BigEndian(asked.AsSpan(34))));

        // The server's kernel, which knows of nobody at that port, has said so before.
        site.WaitFor(() => victim.Got.Any(f => f[23] == IpProtocolNumber.Udp), "what is allowed does not come out of the protected link");
        victim.Clear();
        sink.Clear();
    }

    /// <summary>Bob is on the bridge that alice is on, as himself, and sends what he likes.</summary>
    private static void AtTheSameAccessPoint(UserSite users, IReadOnlyList<byte[]> up, IReadOnlyList<byte[]> down, RawFrames sink, PingPong alices)
    {
        var (site, aliceAt, bobAt) = (users.Lab, LabTopology.ClientAddress(Alice), LabTopology.ClientAddress(Bob));
        site.Move(Bob, 0);
        using var bob = users.Radius.StartWpaSupplicant(site.Topology.Clients[Bob], Bob, "bob", "TTLS");
        users.WaitForUser(Bob, "bob", "ap1");
        var bobs = site.Open("bob", Bob, ipv6: false);
        using var attacker = new RawFrames(site.Topology.Clients[Bob], "eth0", Mark);

        // The sniffers see: what bob may send comes to the server.
        attacker.Send(Udp(s_gateway, s_bob, bobAt, 7_000, LabTopology.ServerAddress, 7_000));
        site.WaitFor(() => sink.Got.Count > 0, "what is allowed does not come to the server");
        sink.Clear();

        // Uplink theft: her MAC and IP address in the clear, what she has sent before, and that altered.
        var spoken = Recorded(up);
        Assert.True(spoken.Length > 10 && Recorded(down).Length > 10, "nothing was recorded");
        attacker.Send([.. Enumerable.Range(0, 50).Select(i => Udp(s_gateway, s_alice, aliceAt, 7_000 + i, LabTopology.ServerAddress, 7_000)), .. spoken, .. spoken.Select(Altered)]);
        site.WaitFor(() => users.Dropped(0, "NotProtected") >= 50 && users.Dropped(0, "LinkReplayed") >= spoken.Length && users.Dropped(0, "LinkForged") > 0, "what was stolen was not counted");
        site.Progress("while frames are sent in her name", TimeSpan.FromSeconds(10), alices);

        // Stripped protection: in the clear to her, from the gateway's MAC address and his own; and what she has got before, and that altered.
        var heard = Recorded(down);
        attacker.Send([
            Udp(s_alice, s_gateway, LabTopology.ServerAddress, 7_000, aliceAt, 7_000), Udp(s_alice, s_bob, bobAt, 7_000, aliceAt, 7_000), Udp(MacAddress.Broadcast, s_gateway, LabTopology.GatewayAddress, 7_000, IPAddress.Broadcast, 7_000),
            Arp(s_alice, s_bob, LabTopology.GatewayAddress, aliceAt), RouterAdvertisement(s_alice, s_gateway, LabTopology.ClientAddress6(Alice)), .. heard, .. heard.Select(Altered),
        ]);

        // Gateway bouncing, and a packet for her in a frame for everybody; again, because the bridge has to learn first where the gateway really is.
        var policy = users.Dropped(0, "Policy");
        byte[][] bounced =
        [
            Udp(s_gateway, s_bob, bobAt, 7_000, aliceAt, 7_000), Udp(s_gateway, s_bob, aliceAt, 7_000, aliceAt, 7_001), Udp(s_gateway, s_bob, LabTopology.GatewayAddress, 7_000, aliceAt, 7_001),
            Udp(MacAddress.Broadcast, s_bob, bobAt, 7_000, aliceAt, 7_000), Udp(MacAddress.Parse("01:00:5e:00:00:fb"), s_bob, bobAt, 5_353, aliceAt, 5_353),
        ];
        site.WaitFor(
            () =>
            {
                attacker.Send(bounced);
                return users.Dropped(0, "Policy") > policy && users.Dropped(0, "SpoofedSource") >= 2;
            },
            "what was bounced was not counted");

        // EAPOL in her name: Logoff, noise for a key frame, her own messages 2 and 4; and the access point's messages 1 and 3 to her again.
        var renewed = Links(site, 0, "handshakesProven");
        attacker.Send([.. Enumerable.Repeat(Eapol(s_group, s_alice, Logoff), 20), .. Enumerable.Repeat(Eapol(s_group, s_alice, Key), 20), .. Keys(up), .. Keys(up), .. Keys(down), .. Keys(down)]);
        site.WaitFor(() => Links(site, 0, "logoffsIgnored") >= 20 && Links(site, 0, "keyFrameDrops") >= 20, "forged EAPOL was not counted");
        Assert.Equal(renewed, Links(site, 0, "handshakesProven"));
        site.Progress("under forged EAPOL", TimeSpan.FromSeconds(10), alices);

        // A Start makes new keys, and costs nothing.
        attacker.Send(Eapol(s_group, s_alice, Start));
        site.WaitFor(() => Links(site, 0, "handshakesProven") > renewed, "a Start makes no new keys");
        site.Progress("after a forged Start", TimeSpan.FromSeconds(10), alices, bobs);
    }

    /// <summary>Bob comes to another access point with alice's MAC address: with her recorded frames and with his own credentials. Nothing moves.</summary>
    private static void AtAnother(UserSite users, byte[][] spoken, RawFrames sink, PingPong alices)
    {
        var site = users.Lab;
        Tool.Run("ip", ["-n", site.Topology.Clients[Bob].Name, "link", "set", "eth0", "address", LabTopology.ClientMac(Alice)]);
        site.Move(Bob, 1);
        using var attacker = new RawFrames(site.Topology.Clients[Bob], "eth0", Mark);
        var refused = Refusals(site);
        attacker.Send([.. spoken, Udp(s_gateway, s_alice, LabTopology.ClientAddress(Alice), 7_000, LabTopology.ServerAddress, 7_000)]);
        site.WaitFor(() => users.Dropped(1, "NotAuthenticated") > 0, "a stranger's frames were not counted");
        site.Progress("while another access point is asked for her place", TimeSpan.FromSeconds(10), alices);
        users.Supplicate(site.Topology.Clients[Bob], Bob, "bob", "TTLS");
        site.WaitFor(() => Refusals(site) > refused, "nobody is told that the address was claimed", TimeSpan.FromSeconds(30));
        attacker.Send(Enumerable.Range(0, 50).Select(i => Udp(s_gateway, s_alice, LabTopology.ClientAddress(Alice), 7_000 + i, LabTopology.ServerAddress, 7_000)));
        site.Progress("beside a thief of her address", TimeSpan.FromSeconds(10), alices);
        Assert.Equal((0, 0), ((int)Links(site, 1, "handshakesProven"), sink.Got.Count));
    }

    /// <summary>The first protected frames of a record.</summary>
    private static byte[][] Recorded(IEnumerable<byte[]> frames) => [.. frames.Where(f => BinaryPrimitives.ReadUInt16BigEndian(f.AsSpan(12)) == EtherType.Macsec).Take(100)];

    private static byte[][] Keys(IEnumerable<byte[]> frames) => [.. frames.Where(f => BinaryPrimitives.ReadUInt16BigEndian(f.AsSpan(12)) == EtherType.Eapol && f[15] == Key).Take(8)];

    /// <summary>The same with another octet at the end, and a packet number that has not been used.</summary>
    private static byte[] Altered(byte[] frame)
    {
        var altered = frame.ToArray();
        altered[^1] ^= 1;
        altered[17] = 1;
        return altered;
    }

    private static long Refusals(LabSite site) => site.Ask("/v1/status").GetProperty("claimsRefused").GetInt64();

    private static long Links(LabSite site, int at, string what)
    {
        var said = site.Status(at).GetProperty("links").GetProperty(what);
        return said.ValueKind == JsonValueKind.Object ? said.EnumerateObject().Sum(p => p.Value.GetInt64()) : said.GetInt64();
    }
}
