using System.Diagnostics;
using Masquerade.Core.Checksum;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Bench.Forwarder;

/// <summary>
/// Packets of 64 octets, one of each connection and direction, half of them TCP and half UDP, in an order by chance. They are copied into a slab of 1,024, as a device would put them into its ring, and only what is done to them there is timed;
/// what comes out is compared with what came out first.
/// </summary>
internal sealed class Traffic
{
    public const int Clients = 1_000;
    public const int Mtu = 1_500;
    private const int Slot = 64;
    private const int Slab = 1_024;

    private readonly byte[][] _packets;
    private readonly byte[]?[] _expected = new byte[]?[2];
    private readonly int[] _order;
    private readonly byte[] _slab = GC.AllocateArray<byte>(Slab * Slot, pinned: true);
    private readonly FastPacket[] _batch = new FastPacket[Slab];

    public Traffic(int count, SeededRandom random)
    {
        Count = count;
        _order = [.. Enumerable.Range(0, count)];
        for (var i = count - 1; i > 0; i--)
        {
            var j = random.NextInt(i + 1);
            (_order[i], _order[j]) = (_order[j], _order[i]);
        }

        _packets = [new byte[count * Slot], new byte[count * Slot]];
        for (var i = 0; i < count; i++)
        {
            var route = Route(i);
            Write(_packets[0].AsSpan(i * Slot, Slot), route.Tuple);
            Write(_packets[1].AsSpan(i * Slot, Slot), new FlowTuple(route.Tuple.Destination, route.Fam, route.Tuple.Protocol));
        }
    }

    public int Count { get; }

    /// <summary>Packets whose octets were compared.</summary>
    public long Checks { get; private set; }

    public static MacAddress Mac(int client) => new(0x02C0_0000_0000UL + (ulong)client);

    public static int ClientOf(int connection) => connection % Clients;

    /// <summary>A connection, some of them anchored elsewhere.</summary>
    public static FlowRoute Route(int connection)
    {
        var (client, n) = (ClientOf(connection), connection / Clients);
        var local = new TransportEndpoint(IpAddress.FromV4(0x0A80_0001 + (uint)client), (ushort)(1_024 + n));
        var server = new TransportEndpoint(IpAddress.FromV4(0xCB00_7100 + ((uint)connection * 7 & 255)), (ushort)(443 + (connection & 3)));
        var masquerade = new TransportEndpoint(IpAddress.FromV4(0x0A01_0100 + ((uint)connection >> 15)), (ushort)(1_024 + (connection & 0x7FFF)));
        var fam = connection % 5 == 0 ? masquerade with { Address = IpAddress.FromV4(0x0A02_0100 + ((uint)connection >> 15)) } : masquerade;
        return new FlowRoute(new FlowTuple(local, server, (connection * 0x9E37 >> 4 & 1) == 0 ? TransportProtocol.Tcp : TransportProtocol.Udp), masquerade, fam);
    }

    /// <summary>The keys of all packets of one direction, in order.</summary>
    public FlowKey[] Keys() => [.. _order.Select(i => FlowKey.Of(Route(i).Tuple))];

    /// <summary>What one packet takes, in nanoseconds, in a pass over all of them.</summary>
    public double Pass(IForwarder forwarder, bool isInbound)
    {
        var (packets, elapsed, passed) = (_packets[isInbound ? 1 : 0], 0L, 0);
        ref var expected = ref _expected[isInbound ? 1 : 0];
        var isFirst = expected is null;
        expected ??= new byte[packets.Length];
        for (var at = 0; at < Count; at += Slab)
        {
            var batch = _batch.AsSpan(0, Math.Min(Slab, Count - at));
            for (var i = 0; i < batch.Length; i++)
            {
                packets.AsSpan(_order[at + i] * Slot, Slot).CopyTo(_slab.AsSpan(i * Slot));
                batch[i] = new FastPacket { Offset = i * Slot, Length = Slot, Source = Mac(ClientOf(_order[at + i])).Value };
            }

            var allocated = GC.GetAllocatedBytesForCurrentThread();
            var began = Stopwatch.GetTimestamp();
            passed += forwarder.Run(_slab, batch, isInbound);
            elapsed += Stopwatch.GetTimestamp() - began;
            if (GC.GetAllocatedBytesForCurrentThread() != allocated && !isFirst && !forwarder.MayAllocate)
            {
                throw new BenchException($"{forwarder.Name} allocates");
            }

            var written = _slab.AsSpan(0, batch.Length * Slot);
            var before = expected.AsSpan(at * Slot, batch.Length * Slot);
            if (isFirst)
            {
                written.CopyTo(before);
            }
            else if (!written.SequenceEqual(before))
            {
                throw new BenchException($"{forwarder.Name} writes other octets than the first did");
            }

            Checks += batch.Length;
        }

        return passed == Count ? Stopwatch.GetElapsedTime(0, elapsed).TotalNanoseconds / Count : throw new BenchException($"{forwarder.Name} has rewritten {passed:#,0} of {Count:#,0} packets");
    }

    private static void Write(Span<byte> packet, in FlowTuple tuple)
    {
        Ipv4Header.Write(packet, Slot, (byte)tuple.Protocol, tuple.Source.Address, tuple.Destination.Address);
        packet[6] = 0x40;
        packet[10..12].Clear();
        Put(packet[10..], InternetChecksum.Compute(packet[..Ipv4Header.MinimumLength]));
        var transport = packet[Ipv4Header.MinimumLength..];
        UdpHeader.Write(transport, tuple.Source.Port, tuple.Destination.Port);
        if (tuple.Protocol == TransportProtocol.Tcp)
        {
            transport[4..].Clear();
            (transport[12], transport[13], transport[14]) = (0x50, (byte)TcpFlags.Ack, 0x20);
        }

        var field = transport[(tuple.Protocol == TransportProtocol.Tcp ? TcpHeader.ChecksumOffset : UdpHeader.ChecksumOffset)..];
        field[..2].Clear();
        Put(field, InternetChecksum.Finish(InternetChecksum.Sum(transport, InternetChecksum.PseudoHeaderSum(tuple.Source.Address, tuple.Destination.Address, (byte)tuple.Protocol, transport.Length))));
    }

    private static void Put(Span<byte> field, ushort value) => (field[0], field[1]) = ((byte)(value >> 8), (byte)value);
}
