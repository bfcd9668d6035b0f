using System.Buffers.Binary;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>What holds at rest holds with the client elsewhere, and with the HAM's addresses at a node that took them over: mappings, filters, resets and limits, through whole nodes.</summary>
[Trait("Req", "A-15")]
public sealed class PhaseTests
{
    [Theory, Trait("Rfc", "4787 REQ-1"), Trait("Rfc", "4787 REQ-11"), Trait("Req", "N-01"), Trait("Req", "N-02")]
    [InlineData(false, Phase.AtRest)]
    [InlineData(false, Phase.Roamed)]
    [InlineData(false, Phase.TakenOver)]
    [InlineData(true, Phase.AtRest)]
    [InlineData(true, Phase.Roamed)]
    [InlineData(true, Phase.TakenOver)]
    public void A_client_s_endpoint_is_the_same_to_every_server_and_lets_in_whom_it_has_spoken_to(bool v6, Phase phase)
    {
        var (client, server) = FragmentCases.Endpoints(v6);
        var stranger = server with { Port = 4_711 };
        var pair = new RoamingPair();
        var masquerade = pair.Open(client, server);
        pair.GoTo(phase);
        pair.FromServer(RoamingPair.Datagram(stranger, masquerade, [1]));
        Assert.Empty(pair.AtClient);
        Assert.Equal(1, pair.Fam.Drops[DropReason.FilteredServer]);
        pair.FromClient(RoamingPair.Datagram(client, stranger, [2]));
        Assert.Equal(new FlowTuple(masquerade, stranger, TransportProtocol.Udp), RoamingPair.Read(Assert.Single(pair.AtServer)).Tuple);
        pair.FromServer(RoamingPair.Datagram(stranger, masquerade, [3]));
        pair.FromServer(RoamingPair.Datagram(server, masquerade, [4]));
        Assert.Equal([stranger, server], pair.AtClient.Select(p => RoamingPair.Read(p.Packet).Tuple.Source));
        Assert.All(pair.AtClient, p => Assert.Equal((pair.At, client), (p.Node, RoamingPair.Read(p.Packet).Tuple.Destination)));
    }

    [Theory, Trait("Rfc", "7857 section 2.2"), Trait("Rfc", "5382 REQ-5"), Trait("Req", "N-03"), Trait("Req", "N-11")]
    [InlineData(false, Phase.AtRest)]
    [InlineData(false, Phase.Roamed)]
    [InlineData(false, Phase.TakenOver)]
    [InlineData(true, Phase.AtRest)]
    [InlineData(true, Phase.Roamed)]
    [InlineData(true, Phase.TakenOver)]
    public void A_reset_is_believed_if_the_client_takes_it_and_the_session_rests_for_four_minutes(bool v6, Phase phase)
    {
        var (client, server) = FragmentCases.Endpoints(v6);
        var pair = new RoamingPair();
        var masquerade = pair.Open(Segment(client, server, TcpFlags.Syn, 1_000, 0));
        pair.FromServer(Segment(server, masquerade, TcpFlags.Syn | TcpFlags.Ack, 5_000, 1_001));
        pair.FromClient(Segment(client, server, TcpFlags.Ack, 1_001, 5_001));
        pair.GoTo(phase);

        // By what it says where it is now it is known there what it takes.
        pair.FromClient(Segment(client, server, TcpFlags.Ack, 1_001, 5_001));
        pair.AtClient.Clear();
        pair.FromServer(Segment(server, masquerade, TcpFlags.Rst, 90_000_000, 0));
        Assert.Equal(ConnectionState.Established, State());
        pair.FromServer(Segment(server, masquerade, TcpFlags.Rst, 5_001, 0));
        Assert.Equal(2, pair.AtClient.Count);
        Assert.Equal(ConnectionState.Reset, State());
        Minutes(3.9);
        Assert.Equal(ConnectionState.Reset, State());
        Minutes(0.2);
        Assert.Equal(0, pair.Fam.Fam.ConnectionCount);
        pair.FromServer(Segment(server, masquerade, TcpFlags.Ack, 5_001, 1_001));
        Assert.Equal(2, pair.AtClient.Count);

        ConnectionState State() => Assert.Single(pair.Fam.Fam.DescribeConnections(10)).State;

        void Minutes(double minutes)
        {
            for (var i = 0; i < minutes * 10; i++)
            {
                pair.Wait(6_000);
            }
        }
    }

    [Theory, Trait("Rfc", "6888 REQ-4"), Trait("Rfc", "6888 REQ-11"), Trait("Req", "N-10")]
    [InlineData(Phase.AtRest)]
    [InlineData(Phase.Roamed)]
    [InlineData(Phase.TakenOver)]
    public void A_client_at_its_limit_gets_no_more_and_keeps_what_it_has(Phase phase)
    {
        var (client, server) = FragmentCases.Endpoints(v6: false);
        var pair = new RoamingPair(change: model => model with { Fam = model.Fam with { UdpMappingsPerClient = 5 } });
        var all = Enumerable.Range(0, 5).Select(i => (Client: client with { Port = (ushort)(2_000 + i) }, Masquerade: pair.Open(client with { Port = (ushort)(2_000 + i) }, server))).ToList();
        pair.GoTo(phase);
        pair.FromClient(RoamingPair.Datagram(client, server, [1]));
        Assert.Empty(pair.AtServer);
        Assert.Equal(1, pair.Fam.Drops[DropReason.ClientQuota]);
        var told = RoamingPair.Read(Assert.Single(pair.AtClient).Packet);
        Assert.Equal(new FlowTuple(client, server, TransportProtocol.Udp), told.EmbeddedTuple);
        pair.AtClient.Clear();
        foreach (var (from, masquerade) in all)
        {
            pair.FromClient(RoamingPair.Datagram(from, server, [2]));
            Assert.Equal(masquerade, RoamingPair.Read(pair.AtServer[^1]).Tuple.Source);
            pair.FromServer(RoamingPair.Datagram(server, masquerade, [3]));
            Assert.Equal(from, RoamingPair.Read(pair.AtClient[^1].Packet).Tuple.Destination);
        }

        Assert.Equal((5, 5), (pair.AtServer.Count, pair.AtClient.Count));
    }

    private static byte[] Segment(TransportEndpoint from, TransportEndpoint to, TcpFlags flags, uint sequence, uint acknowledgment)
    {
        var packet = RoamingPair.Packet(Frames.Build(default, default, TransportProtocol.Tcp, from, to, [], flags));
        var tcp = packet.AsSpan(packet.Length - TcpHeader.MinimumLength);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], sequence);
        BinaryPrimitives.WriteUInt32BigEndian(tcp[8..], acknowledgment);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[14..], 1_000);
        tcp.Slice(TcpHeader.ChecksumOffset, 2).Clear();
        var sum = InternetChecksum.PseudoHeaderSum(from.Address, to.Address, IpProtocolNumber.Tcp, tcp.Length);
        BinaryPrimitives.WriteUInt16BigEndian(tcp[TcpHeader.ChecksumOffset..], InternetChecksum.Finish(InternetChecksum.Sum(tcp, sum)));
        return packet;
    }
}
