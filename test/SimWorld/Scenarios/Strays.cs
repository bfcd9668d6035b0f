using Masquerade.Core.Flow;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Scenarios;

/// <summary>
/// What nobody has asked for: strangers that try ports, forged resets and ICMP errors, packets that pretend to be from somewhere else, floods of fragments without a beginning, and
/// clients that do the same. None of it may reach anybody, hurt a flow, or vanish without a reason.
/// </summary>
internal static class Strays
{
    private static readonly byte[] Nothing = new byte[24];

    public static void Schedule(SimNetwork network)
    {
        if (!network.Settings.Strays)
        {
            return;
        }

        Faults.Repeat(network, 60, () => FromOutside(network));
        Faults.Repeat(network, 120, () => FromClient(network));
        Faults.Repeat(network, 1_000, () => Flood(network));
    }

    private static void FromOutside(SimNetwork network)
    {
        var random = network.Random;
        var faces = network.Flows.Where(f => !f.Seen.IsNone && f.Target is null).ToList();
        var flow = faces.Count == 0 ? null : faces[random.NextInt(faces.Count)];
        var anywhere = Anywhere(network);
        var stranger = new TransportEndpoint(OddPackets.Stranger(!anywhere.Address.IsIPv4, (uint)random.NextInt(60)), (ushort)(1_024 + random.NextInt(60_000)));
        switch (random.NextInt(8))
        {
            case 0:
                network.FromOutside(WireFormat.Packet(TransportProtocol.Udp, stranger, anywhere, fromClient: false, Nothing));
                break;
            case 1:
                network.FromOutside(WireFormat.Packet(TransportProtocol.Tcp, stranger, anywhere, fromClient: false, default, new Segment(WireFormat.Syn, (uint)random.NextUInt64(), 0)));
                break;
            case 2:
                network.FromOutside(WireFormat.Packet(TransportProtocol.Icmp, stranger, anywhere with { Port = 0 }, fromClient: true, Nothing));
                break;
            case 3:
                // The sender pretends to be an access point, or whom it writes to.
                network.FromOutside(WireFormat.Packet(TransportProtocol.Udp, random.Chance(0.5) ? anywhere : Anywhere(network, anywhere.Address.IsIPv4), anywhere, fromClient: false, Nothing));
                break;
            case 4 when flow is { Protocol: TransportProtocol.Tcp }:
                network.FromOutside(WireFormat.Packet(TransportProtocol.Tcp, flow.Server, flow.Seen, fromClient: false, default, new Segment(WireFormat.Rst, (uint)random.NextUInt64(), 0), flow.Id));
                break;
            case 5 when flow is not null:
                // Of a packet to somebody with whom the client does not speak.
                var never = new TransportEndpoint(OddPackets.Stranger(!flow.Seen.Address.IsIPv4, 61), 9);
                var quoted = WireFormat.Packet(flow.Protocol, flow.Seen, never, fromClient: true, Nothing);
                network.FromOutside(OddPackets.Error(OddPackets.Router(!flow.Seen.Address.IsIPv4), quoted, random));
                break;
            case 6 when flow is { Protocol: TransportProtocol.Udp }:
                // Without a hop left.
                network.FromOutside(Aged(WireFormat.Packet(TransportProtocol.Udp, flow.Server, flow.Seen, fromClient: false, Nothing), random.NextInt(2)));
                break;
            default:
                network.FromOutside(WireFormat.Packet(TransportProtocol.Udp, stranger, flow is not null && flow.Seen.Address.IsIPv4 == anywhere.Address.IsIPv4 ? flow.Seen : anywhere, fromClient: false, Nothing));
                break;
        }
    }

    private static void FromClient(SimNetwork network)
    {
        var random = network.Random;
        var client = network.Clients[random.NextInt(network.Clients.Count)];
        var ipv6 = random.Chance(0.4);
        var own = new TransportEndpoint(ipv6 ? client.V6 : client.V4, (ushort)(50_000 + random.NextInt(10)));
        var server = new TransportEndpoint(ipv6 ? new IpAddress(0x2001_0DB8_0000_0000, 0x100) : IpAddress.FromV4(0xCB00_710A), 7_000);
        switch (random.NextInt(5))
        {
            case 0:
                // Whatever a client calls itself, to the outside it has an address of an access point.
                var strange = new TransportEndpoint(OddPackets.Strange(ipv6), 9);
                network.FromClient(client, WireFormat.Packet(TransportProtocol.Udp, strange, new TransportEndpoint(OddPackets.Stranger(ipv6, 3), 9), fromClient: true, Nothing));
                break;
            case 1:
                network.FromClient(client, Aged(WireFormat.Packet(TransportProtocol.Udp, own, new TransportEndpoint(OddPackets.Stranger(ipv6, 62), 9), fromClient: true, Nothing), random.NextInt(2)));
                break;
            case 2:
                network.FromClient(client, WireFormat.Packet(TransportProtocol.Udp, own, own, fromClient: true, Nothing));
                break;
            case 3:
                network.FromClient(client, WireFormat.Packet(TransportProtocol.Tcp, own, server, fromClient: true, default, new Segment(WireFormat.Rst, (uint)random.NextUInt64(), 0)));
                break;
            default:
                var group = new TransportEndpoint(ipv6 ? new IpAddress(0xFF02_0000_0000_0000, 0xFB) : IpAddress.FromV4(0xE000_00FB), 5_353);
                network.FromClient(client, WireFormat.Packet(TransportProtocol.Udp, own, group, fromClient: true, Nothing));
                break;
        }
    }

    /// <summary>Fragments without a beginning, from one stranger or one client.</summary>
    private static void Flood(SimNetwork network)
    {
        var random = network.Random;
        var client = network.Clients[random.NextInt(network.Clients.Count)];
        var isClient = random.Chance(0.5);
        for (var i = 0; i < 40; i++)
        {
            var to = isClient ? new TransportEndpoint(OddPackets.Stranger(ipv6: false, 63), 9) : Anywhere(network, isV4: true);
            var source = isClient ? new TransportEndpoint(client.V4, 9) : new TransportEndpoint(OddPackets.Stranger(ipv6: false, 5), 9);
            var pieces = FragmentFormat.Cut(WireFormat.Packet(TransportProtocol.Udp, source, to, fromClient: isClient, new byte[200]), 0x8000 + (uint)i, random);
            if (isClient)
            {
                network.FromClient(client, pieces[^1]);
            }
            else
            {
                network.FromOutside(pieces[^1]);
            }
        }
    }

    private static byte[] Aged(byte[] packet, int hops)
    {
        packet[packet[0] >> 4 == 6 ? 7 : 8] = (byte)hops;
        WireFormat.SumHeader(packet);
        return packet;
    }

    /// <summary>A port of an access point.</summary>
    private static TransportEndpoint Anywhere(SimNetwork network, bool? isV4 = null)
    {
        var all = network.AccessPoints.SelectMany(a => a.Node.HeldAddresses).Where(a => isV4 is null || a.IsIPv4 == isV4).ToList();
        return all.Count == 0
            ? new TransportEndpoint(OddPackets.Stranger(isV4 == false, 1), 9)
            : new TransportEndpoint(all[network.Random.NextInt(all.Count)], (ushort)(1_024 + network.Random.NextInt(60_000)));
    }
}
