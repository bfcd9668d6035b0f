using System.Collections.Concurrent;
using Masquerade.Core.Checksum;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Bench.Forwarder;

/// <summary>What one writes first: a concurrent dictionary by 5-tuple, a packet at a time, both checksums from scratch.</summary>
internal sealed class NaiveForwarder : IForwarder
{
    private readonly ConcurrentDictionary<FlowTuple, (TransportEndpoint To, MacAddress Mac)> _outbound = new();
    private readonly ConcurrentDictionary<FlowTuple, (TransportEndpoint To, int Client)> _inbound = new();

    public NaiveForwarder(Traffic traffic)
    {
        for (var i = 0; i < traffic.Count; i++)
        {
            var route = Traffic.Route(i);
            _outbound[route.Tuple] = (route.Masquerade, Traffic.Mac(Traffic.ClientOf(i)));
            _inbound[new FlowTuple(route.Tuple.Destination, route.Fam, route.Tuple.Protocol)] = (route.Tuple.Source, Traffic.ClientOf(i));
        }
    }

    public string Name => "naive C#";

    public bool MayAllocate => true;

    public int Run(Span<byte> memory, Span<FastPacket> packets, bool isInbound)
    {
        var done = 0;
        foreach (ref var packet in packets)
        {
            var octets = memory.Slice(packet.Offset, packet.Length);
            if (PacketParser.Parse(octets, out var summary) != DropReason.None || summary.Ttl <= 1 || summary.Length > Traffic.Mtu)
            {
                continue;
            }

            if (isInbound && _inbound.TryGetValue(summary.Tuple, out var back))
            {
                Write(octets, summary, summary.Tuple with { Destination = back.To });
                done++;
            }
            else if (!isInbound && _outbound.TryGetValue(summary.Tuple, out var forth) && forth.Mac.Value == packet.Source)
            {
                Write(octets, summary, summary.Tuple with { Source = forth.To });
                done++;
            }
        }

        return done;
    }

    private static void Write(Span<byte> packet, in PacketSummary summary, in FlowTuple tuple)
    {
        var transport = packet[summary.TransportOffset..summary.Length];
        tuple.Source.Address.WriteTo(packet[12..]);
        tuple.Destination.Address.WriteTo(packet[16..]);
        (transport[0], transport[1], transport[2], transport[3]) = ((byte)(tuple.Source.Port >> 8), (byte)tuple.Source.Port, (byte)(tuple.Destination.Port >> 8), (byte)tuple.Destination.Port);
        packet[8]--;
        packet[10..12].Clear();
        Put(packet[10..], InternetChecksum.Compute(packet[..summary.TransportOffset]));
        var field = transport[(summary.Kind == PacketKind.Tcp ? TcpHeader.ChecksumOffset : UdpHeader.ChecksumOffset)..];
        field[..2].Clear();
        Put(field, InternetChecksum.Finish(InternetChecksum.Sum(transport, InternetChecksum.PseudoHeaderSum(tuple.Source.Address, tuple.Destination.Address, (byte)tuple.Protocol, transport.Length))));
    }

    private static void Put(Span<byte> field, ushort value) => (field[0], field[1]) = ((byte)(value >> 8), (byte)value);
}
