using Masquerade.Core.Flow;
using static Masquerade.AccessPoint.Tests.Node.FragmentCases;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>The clients' subnets are subnets on the uplink side as well: the same numbers, other hosts (RFC 4787 REQ-7).</summary>
[Trait("Rfc", "4787 REQ-7")]
public sealed class OverlapTests
{
    private static readonly MacAddress OtherClient = MacAddress.Parse("02:00:00:00:00:22");

    /// <summary>
    /// Clients, servers and the node itself have addresses of one subnet: a server has the address of another client, and a client that of the node's own masquerade address. Everybody gets
    /// what is meant for them, whole or in fragments, before and after a walk.
    /// </summary>
    [Theory]
    [InlineData(false, false, false)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    [InlineData(false, true, true)]
    [InlineData(true, false, false)]
    [InlineData(true, true, false)]
    [InlineData(true, true, true)]
    public void The_same_addresses_inside_and_outside_are_different_hosts(bool v6, bool roamed, bool fragmented)
    {
        string[] subnets = v6 ? ["fd00:10:1:1::/64", "fd00:10:1:2::/64"] : ["10.1.1.0/24", "10.1.2.0/24"];
        var pair = new RoamingPair(change: model => model with
        {
            Clients = model.Clients with { GatewayAddresses = [IpAddress.Parse(v6 ? "fd00:10:1:1::99" : "10.1.1.99"), IpAddress.Parse("fe80::1")], Prefixes = [.. subnets.Select(IpPrefix.Parse)] },

            // Everything goes by the router, which stands for the hosts of these subnets that are no nodes.
            Uplink = model.Uplink with { OnLink = [] },
        });
        pair.Wait(1);
        pair.Arrive(OtherClient, 0);
        TransportEndpoint At(string v4Host, string v6Host, int port) => TransportEndpoint.Parse(v6 ? $"[fd00:10:1:1::{v6Host}]:{port}" : $"10.1.1.{v4Host}:{port}");

        // The first client has the node's own address, and speaks from the port that the other one's server has.
        var (client, other) = (At("10", "10", 7_000), At("77", "77", 7_001));
        Assert.Equal(RoamingPair.Address(0, v6), client.Address);
        var (server, twin) = (other with { Port = 80 }, At("10", "20", 80) with { Address = At("20", "20", 1).Address });
        var masquerade = pair.Open(client, server);
        var otherMasquerade = pair.Open(other, twin, OtherClient);
        Assert.Equal((RoamingPair.Address(0, v6), RoamingPair.Address(0, v6)), (masquerade.Address, otherMasquerade.Address));
        if (roamed)
        {
            pair.Roam();
            pair.Wait(100);
        }

        for (var round = 0; round < 3; round++)
        {
            Exchange(client, server, masquerade, RoamingPair.Client, pair.At);
            Exchange(other, twin, otherMasquerade, OtherClient, 0);
        }

        Assert.Equal(0, pair.Node(0).Drops.Total + pair.Node(1).Drops.Total);

        void Exchange(TransportEndpoint from, TransportEndpoint to, TransportEndpoint seen, MacAddress mac, int side)
        {
            pair.AtServer.Clear();
            pair.AtClient.Clear();
            var payload = Payload(fragmented ? 3_000 : 300, 1);
            foreach (var piece in Cut(RoamingPair.Datagram(from, to, payload), 3))
            {
                pair.FromClient(piece, mac, side);
            }

            AssertSame(RoamingPair.Datagram(seen, to, payload), Assert.Single(Pieces.Reassemble(pair.AtServer)), hops: 1);
            foreach (var piece in Cut(RoamingPair.Datagram(to, seen, payload), 4))
            {
                pair.FromServer(piece);
            }

            Assert.All(pair.AtClient, p => Assert.Equal((side, mac), (p.Node, p.Client)));
            AssertSame(RoamingPair.Datagram(to, from, payload), Assert.Single(Pieces.Reassemble(AtClient(pair))), hops: null);
        }

        List<byte[]> Cut(byte[] packet, ushort identification) => fragmented ? Pieces.Cut(packet, 1_208, identification) : [packet];
    }
}
