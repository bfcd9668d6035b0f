using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Engines.Tests.Golden;

/// <summary>
/// A client that has opened a connection of every protocol and family at the first node and moved on to the second: the first is HAM only, the second FAM only. A third
/// node is both.
/// </summary>
internal sealed class GoldenPath
{
    private static readonly IpAddress[] HamAddresses = [Site.Own, IpAddress.Parse("fd00:10:1:1::10")];
    private static readonly IpAddress[] FamAddresses = [IpAddress.Parse("10.1.2.10"), IpAddress.Parse("fd00:10:1:2::10")];
    private static readonly IpAddress ClientV6 = IpAddress.Parse("fd00:77::10");
    private static readonly IpAddress ServerV6 = IpAddress.Parse("2001:db8::9");

    private readonly Site _ham = new(addresses: HamAddresses);
    private readonly Site _fam = new(addresses: FamAddresses);
    private readonly Site _both = new(addresses: HamAddresses);
    private readonly List<(Site Node, bool FromClient, GoldenTask Task)> _tasks = [];
    private readonly List<Connection> _connections = [];

    public GoldenPath()
    {
        _ham.Arrive(1);
        _both.Arrive(1);
        _fam.Fam.OnAssociated(Site.Client, _fam.Now);
        var offers = _fam.Last<Arrive>().Offers;
        foreach (var protocol in new[] { TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Icmp })
        {
            foreach (var v6 in new[] { false, true })
            {
                var client = new TransportEndpoint(v6 ? ClientV6 : Site.ClientAddress, 4_321);
                var server = new TransportEndpoint(v6 ? ServerV6 : Site.Server.Address, protocol == TransportProtocol.Icmp ? (ushort)0 : (ushort)7_000);
                _connections.Add(new Connection(
                    protocol,
                    client,
                    server,
                    Open(_ham, protocol, client, server),
                    offers.First(o => o.Protocol == protocol && o.Endpoint.Address.IsIPv4 != v6).Endpoint,
                    Open(_both, protocol, client, server)));
            }
        }

        _fam.Answer(2, complete: true, previous: Site.Other, [.. _connections.Select(Record)]);
        _ham.Tell(new FamChange
        {
            Id = 900,
            Client = Site.Client,
            Epoch = new Epoch(2),
            NewFam = Site.Other,
            PreviousFam = Site.Self,
            PreviousFamPeer = new TransportEndpoint(Site.Own, 4_747),
            Token = 77,
            Routes = [.. _connections.Select(c => new FamRoute(new MappingId(c.Protocol, c.Masquerade), Site.Self, c.Masquerade, c.FamEndpoint))],
        });
    }

    public IReadOnlyList<GoldenTask> Tasks(int count)
    {
        foreach (var c in _connections)
        {
            Add(_fam, fromClient: true, c, c.Client, c.Masquerade);
            Add(_ham, fromClient: false, c, c.Masquerade, c.FamEndpoint);
            Add(_fam, fromClient: false, c, c.FamEndpoint, c.Client);
            Add(_both, fromClient: true, c, c.Client, c.MasqueradeOfBoth);
            Add(_both, fromClient: false, c, c.MasqueradeOfBoth, c.Client);
        }

        return [.. _tasks.Select(t => t.Task)];

        void Add(Site node, bool fromClient, Connection c, TransportEndpoint from, TransportEndpoint to)
        {
            _tasks.Add((node, fromClient, new GoldenTask(fromClient ? "source" : "destination", c.Protocol, from, to, c.Server, 1, count)));
            _tasks.Add((node, fromClient, new GoldenTask(fromClient ? "error-outbound" : "error-inbound", c.Protocol, from, to, c.Server, 1, count)));
        }
    }

    /// <summary>Gives a packet to the node of a task; returns what it sent for it.</summary>
    public byte[] Send(int task, byte[] packet)
    {
        var (node, fromClient, what) = _tasks[task];
        var verdict = fromClient ? node.Out(packet, out packet) : node.In(packet);
        var expected = fromClient || what.To.Address != Site.ClientAddress && what.To.Address != ClientV6 ? VerdictKind.ForwardUplink : VerdictKind.ForwardClient;
        Assert.True(verdict.Kind == expected, $"{what}: {verdict}");
        return packet;
    }

    private static TransportEndpoint Open(Site node, TransportProtocol protocol, TransportEndpoint client, TransportEndpoint server)
    {
        var v6 = !client.Address.IsIPv4;
        var at = v6 ? Ipv6Header.Length : Ipv4Header.MinimumLength;
        var packet = new byte[at + TcpHeader.MinimumLength];
        var transport = packet.AsSpan(at);
        switch (protocol)
        {
            case TransportProtocol.Tcp:
                UdpHeader.Write(transport, client.Port, server.Port);
                transport[4..].Clear();
                transport[12] = 0x50;
                transport[13] = (byte)TcpFlags.Syn;
                break;
            case TransportProtocol.Udp:
                UdpHeader.Write(transport, client.Port, server.Port);
                break;
            default:
                transport[0] = v6 ? Icmpv6Type.Echo : IcmpType.Echo;
                transport[4] = (byte)(client.Port >> 8);
                transport[5] = (byte)client.Port;
                break;
        }

        if (v6)
        {
            Ipv6Header.Write(packet, transport.Length, protocol == TransportProtocol.Icmp ? IpProtocolNumber.Icmpv6 : (byte)protocol, client.Address, server.Address);
        }
        else
        {
            Ipv4Header.Write(packet, packet.Length, (byte)protocol, client.Address, server.Address);
        }

        Assert.Equal(VerdictKind.ForwardUplink, node.Out(packet, out _).Kind);
        return node.Seen();
    }

    private static MappingRecord Record(Connection c) => new()
    {
        Mapping = new MappingId(c.Protocol, c.Masquerade),
        ClientEndpoint = c.Client,
        Ham = Site.Other,
        AnchorEpoch = new Epoch(1),
        Revision = 1,
        FamEndpoint = c.FamEndpoint,
        Connections = [new ConnectionRecord(c.Server, ConnectionState.Established, 0)],
    };

    private sealed record Connection(
        TransportProtocol Protocol, TransportEndpoint Client, TransportEndpoint Server, TransportEndpoint Masquerade, TransportEndpoint FamEndpoint, TransportEndpoint MasqueradeOfBoth);
}
