using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Masquerade.Core.Wire;

namespace Masquerade.Core.FastPath;

/// <summary>An IP packet in a batch.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FastPacket
{
    /// <summary>Where it begins in the batch's memory.</summary>
    public int Offset;

    /// <summary>How many octets it has there, with padding.</summary>
    public int Length;

    /// <summary>Outbound: the MAC address from which it came, as <see cref="Flow.MacAddress.Value"/> has it.</summary>
    public ulong Source;

    /// <summary>The payload octets of one segment if it is a GSO super-packet; 0 if not.</summary>
    public ushort SegmentPayload;

    /// <summary>Whether its transport checksum has only the pseudo-header so far (see <see cref="Engine.OffloadInfo.ChecksumPartial"/>).</summary>
    public bool IsChecksumPartial;

    /// <summary>The result: the number of its client if it has been rewritten, or <see cref="FlowForwarder.ForEngine"/>.</summary>
    public int Client;
}

/// <summary>
/// Rewrites packets of established connections, a batch at a time. What is anything else, or not quite as an ordinary packet is (options, fragments, SYN, FIN, RST, a time to live that ends, too large, a wrong checksum), it leaves
/// untouched for the engine, which knows what to do and counts it. For what it does itself, engine and forwarder leave the same octets.
/// </summary>
/// <param name="cache">The connections.</param>
/// <param name="uplinkMtu">The largest IP packet that the uplink carries, in octets.</param>
public sealed unsafe class FlowForwarder(FlowCache cache, int uplinkMtu)
{
    /// <summary>Packets that are looked at together; of a longer batch as many after each other.</summary>
    public const int MaxBatch = 32;

    /// <summary>The result for a packet that the engine must look at.</summary>
    public const int ForEngine = -1;

    private const int LeastHeader = Ipv4Header.MinimumLength;

    /// <summary>The DF bit alone, as the word stands in memory. What may be cut needs an identification of its own, and fragments have no ports.</summary>
    private static ushort Whole => BitConverter.IsLittleEndian ? (ushort)0x0040 : (ushort)0x4000;

    /// <summary>Client to server.</summary>
    /// <param name="memory">Where the packets are.</param>
    /// <param name="packets">The packets; their results are written.</param>
    /// <param name="tick">Now.</param>
    /// <returns>How many were rewritten.</returns>
    public int Outbound(Span<byte> memory, Span<FastPacket> packets, ushort tick) => Run<Outbound>(memory, packets, tick);

    /// <summary>Server to client.</summary>
    /// <param name="memory">Where the packets are.</param>
    /// <param name="packets">The packets; their results are written.</param>
    /// <param name="tick">Now.</param>
    /// <returns>How many were rewritten.</returns>
    public int Inbound(Span<byte> memory, Span<FastPacket> packets, ushort tick) => Run<Inbound>(memory, packets, tick);

    private int Run<T>(Span<byte> memory, Span<FastPacket> packets, ushort tick)
        where T : struct, IWay
    {
        var done = 0;
        for (; packets.Length > MaxBatch; packets = packets[MaxBatch..])
        {
            done += RunBatch<T>(memory, packets[..MaxBatch], tick);
        }

        return done + RunBatch<T>(memory, packets, tick);
    }

    [SkipLocalsInit]
    private int RunBatch<T>(Span<byte> memory, Span<FastPacket> packets, ushort tick)
        where T : struct, IWay
    {
        var keys = stackalloc FlowKey[MaxBatch];
        var numbers = stackalloc int[MaxBatch];
        Gather(memory, packets, keys);
        cache.Find<T>(keys, packets.Length, numbers);
        var done = RewriteFound<T>(memory, packets, numbers, tick);
        GC.KeepAlive(cache);
        return done;
    }

    // A loop that is a method of its own keeps its variables in registers.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Gather(Span<byte> memory, Span<FastPacket> packets, FlowKey* keys)
    {
        for (var i = 0; i < packets.Length; i++)
        {
            keys[i] = KeyOf(memory.Slice(packets[i].Offset, packets[i].Length));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private int RewriteFound<T>(Span<byte> memory, Span<FastPacket> packets, int* numbers, ushort tick)
        where T : struct, IWay
    {
        var lines = cache.Lines;
        var clients = cache.Clients;
        var done = 0;
        for (var i = 0; i < packets.Length; i++)
        {
            ref var packet = ref packets[i];
            packet.Client = ForEngine;
            if (numbers[i] < 0)
            {
                continue;
            }

            // Its octets have been looked at, so they are in the batch's memory.
            ref var line = ref lines[numbers[i]];
            ref var client = ref clients[line.ClientAndProtocol >> 8];
            ref var first = ref Unsafe.Add(ref MemoryMarshal.GetReference(memory), packet.Offset);
            if ((T.IsInbound || client.Mac == packet.Source) && Fits(ref first, packet, T.IsInbound ? client.Mtu : uplinkMtu))
            {
                Rewrite<T>(ref first, packet, ref line, tick);
                packet.Client = (int)(line.ClientAndProtocol >> 8);
                done++;
            }
        }

        return done;
    }

    /// <summary>The key of an ordinary packet, or one that no line has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static FlowKey KeyOf(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < LeastHeader + UdpHeader.HeaderLength)
        {
            return default;
        }

        ref var first = ref MemoryMarshal.GetReference(packet);
        var total = (int)BinaryPrimitives.ReverseEndianness(Read<ushort>(ref first, 2));
        var isOrdinary = first == 0x45 && total <= packet.Length && Read<ushort>(ref first, 6) == Whole && Unsafe.Add(ref first, 8) > 1 && IsSummed(ref first);
        uint protocol = Unsafe.Add(ref first, 9);
        isOrdinary &= protocol == IpProtocolNumber.Tcp ? IsTcpData(ref first, total, packet.Length) : protocol == IpProtocolNumber.Udp && IsDatagram(ref first, total);
        return isOrdinary ? new FlowKey(Read<ulong>(ref first, 12), Read<uint>(ref first, LeastHeader), protocol) : default;
    }

    /// <summary>The header's checksum fits: five words in any order of octets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsSummed(ref byte first)
    {
        var sum = (ulong)Read<uint>(ref first, 0) + Read<uint>(ref first, 4) + Read<uint>(ref first, 8) + Read<uint>(ref first, 12) + Read<uint>(ref first, 16);
        sum = (sum & 0xFFFF_FFFF) + (sum >> 32);
        sum = (sum & 0xFFFF) + (sum >> 16);
        sum = (sum & 0xFFFF) + (sum >> 16);
        return sum == 0xFFFF;
    }

    /// <summary>A whole header with ACK and nothing that begins or ends a connection.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsTcpData(ref byte first, int total, int captured)
    {
        if (captured < LeastHeader + TcpHeader.MinimumLength)
        {
            return false;
        }

        var header = (Unsafe.Add(ref first, LeastHeader + 12) >> 4) * 4;
        const TcpFlags Looked = TcpFlags.Syn | TcpFlags.Fin | TcpFlags.Rst | TcpFlags.Ack;
        return header >= TcpHeader.MinimumLength && LeastHeader + header <= total && ((TcpFlags)Unsafe.Add(ref first, LeastHeader + 13) & Looked) == TcpFlags.Ack;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsDatagram(ref byte first, int total)
    {
        var length = BinaryPrimitives.ReverseEndianness(Read<ushort>(ref first, LeastHeader + 4));
        return length >= UdpHeader.HeaderLength && length <= total - LeastHeader;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Fits(ref byte first, in FastPacket packet, int mtu)
    {
        int total = BinaryPrimitives.ReverseEndianness(Read<ushort>(ref first, 2));
        if (packet.SegmentPayload == 0)
        {
            return total <= mtu;
        }

        var header = Unsafe.Add(ref first, 9) == IpProtocolNumber.Tcp ? (Unsafe.Add(ref first, LeastHeader + 12) >> 4) * 4 : UdpHeader.HeaderLength;
        return LeastHeader + header + packet.SegmentPayload <= mtu;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Rewrite<T>(ref byte first, in FastPacket packet, ref FlowLine line, ushort tick)
        where T : struct, IWay
    {
        var headerDelta = T.IsInbound ? line.HeaderDeltaIn : line.HeaderDeltaOut;
        var transportDelta = T.IsInbound ? line.TransportDeltaIn : line.TransportDeltaOut;
        Unsafe.Add(ref first, 8)--;
        Sum(ref Unsafe.As<byte, ushort>(ref Unsafe.Add(ref first, 10)), headerDelta);
        if (T.IsInbound)
        {
            // The lower half in memory: the client's.
            Write(ref first, 16, BitConverter.IsLittleEndian ? (uint)line.Addresses : (uint)(line.Addresses >> 32));
            Write(ref first, LeastHeader + 2, BitConverter.IsLittleEndian ? (ushort)line.Ports : (ushort)(line.Ports >> 16));
            line.LastIn = tick;
            line.PacketsIn++;
        }
        else
        {
            Write(ref first, 12, line.MasqueradeAddress);
            Write(ref first, LeastHeader, line.MasqueradePort);
            line.LastOut = tick;
            line.PacketsOut++;
        }

        if (Unsafe.Add(ref first, 9) == IpProtocolNumber.Tcp)
        {
            ref var checksum = ref Unsafe.As<byte, ushort>(ref Unsafe.Add(ref first, LeastHeader + TcpHeader.ChecksumOffset));
            if (packet.IsChecksumPartial)
            {
                SumPartial(ref checksum, headerDelta);
            }
            else
            {
                Sum(ref checksum, transportDelta);
            }

            var (acknowledgment, window) = (Read<uint>(ref first, LeastHeader + 8), Read<ushort>(ref first, LeastHeader + 14));
            (T.IsInbound ? ref line.ServerAcknowledgment : ref line.ClientAcknowledgment) = acknowledgment;
            (T.IsInbound ? ref line.ServerWindow : ref line.ClientWindow) = window;
            return;
        }

        ref var udp = ref Unsafe.As<byte, ushort>(ref Unsafe.Add(ref first, LeastHeader + UdpHeader.ChecksumOffset));
        if (packet.IsChecksumPartial)
        {
            SumPartial(ref udp, headerDelta);
        }
        else if (udp != 0)
        {
            // Zero says that there is none; a sum that comes out as zero is sent as all ones (RFC 768).
            Sum(ref udp, transportDelta);
            udp = udp == 0 ? (ushort)0xFFFF : udp;
        }
    }

    /// <summary>RFC 1624 equation 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sum(ref ushort checksum, ushort delta)
    {
        var sum = (uint)(ushort)~checksum + delta;
        checksum = (ushort)~((sum & 0xFFFF) + (sum >> 16));
    }

    private static void SumPartial(ref ushort field, ushort headerDelta)
    {
        var sum = (uint)field + FlowLine.WithoutHop(headerDelta);
        field = (ushort)((sum & 0xFFFF) + (sum >> 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Read<T>(ref byte first, int offset)
        where T : unmanaged => Unsafe.ReadUnaligned<T>(ref Unsafe.Add(ref first, offset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<T>(ref byte first, int offset, T value)
        where T : unmanaged => Unsafe.WriteUnaligned(ref Unsafe.Add(ref first, offset), value);
}
