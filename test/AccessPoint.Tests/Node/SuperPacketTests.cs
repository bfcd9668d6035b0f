using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using static Masquerade.AccessPoint.Tests.Node.FragmentCases;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>Super-packets that the device cannot cut for the next link.</summary>
public sealed class SuperPacketTests
{
    /// <summary>A super-packet of datagrams that are longer than the next link carries and may be cut: each becomes fragments of its own, in order, in both directions.</summary>
    [Theory, Trait("Rfc", "4787 REQ-13"), Trait("Req", "N-05")]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void Datagrams_of_a_super_packet_that_are_too_long_are_cut_each_by_itself(bool hasChecksum, bool isPartial)
    {
        const int Size = 1_400;
        var (client, server) = Endpoints(v6: false);
        var pair = new RoamingPair(uplinkMtu: 1_300, clientMtu: 700);
        pair.Wait(1);
        var masquerade = pair.Open(client, server);
        var payload = Payload((3 * Size) + 100, 1);
        var offload = new OffloadInfo(isPartial, 34, 6, GsoType: 5, GsoSize: Size, 42);
        var sent = Super(client, server);
        pair.FromClient(sent, offload: offload);
        Assert.All(pair.AtServer, p => Assert.InRange(p.Length, 28, 1_300));
        Expect(masquerade, server, [.. pair.AtServer]);

        var frame = new byte[14 + sent.Length];
        EthernetHeader.Write(frame, MacAddress.Parse("02:aa:00:00:00:01"), RoamingPair.Router, EtherType.IPv4);
        Super(server, masquerade).CopyTo(frame, 14);
        pair.Node(0).OnUplinkFrame(frame, offload, pair.Now);
        Assert.All(AtClient(pair), p => Assert.InRange(p.Length, 28, 700));
        Expect(server, client, [.. AtClient(pair)]);
        Assert.Equal(0, pair.Node(0).Drops.Total);

        byte[] Super(TransportEndpoint from, TransportEndpoint to)
        {
            var packet = MayBeCut(RoamingPair.Datagram(from, to, payload));
            if (!hasChecksum)
            {
                packet.AsSpan(26, 2).Clear();
            }

            return packet;
        }

        void Expect(TransportEndpoint from, TransportEndpoint to, List<byte[]> pieces)
        {
            var whole = Pieces.Reassemble(pieces).ToList();
            Assert.Equal([Size, Size, Size, 100], whole.Select(p => p.Length - 28));
            Assert.Equal(4, whole.Select(p => (p[4] << 8) | p[5]).Distinct().Count());
            for (var i = 0; i < whole.Count; i++)
            {
                var wanted = RoamingPair.Datagram(from, to, payload.AsSpan(i * Size, Math.Min(Size, payload.Length - (i * Size))));
                if (!hasChecksum)
                {
                    wanted.AsSpan(26, 2).Clear();
                }

                AssertSame(wanted, whole[i], hops: 1);
            }
        }
    }
}
