using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Masquerade.Core.Flow;

namespace Masquerade.Core.FastPath;

/// <summary>
/// The 5-tuple of an IPv4 packet with the octets as they stand in its headers, so that nothing is turned round to compare them: the two addresses are one load, the two ports another.
/// </summary>
/// <param name="Addresses">Source and destination address, octets 12 to 19 of the header.</param>
/// <param name="Ports">Source and destination port, octets 0 to 3 of the transport header.</param>
/// <param name="Protocol">6 or 17; 0 for a packet that is in no line.</param>
[StructLayout(LayoutKind.Sequential, Size = 16)]
public readonly record struct FlowKey(ulong Addresses, uint Ports, uint Protocol)
{
    /// <summary>The key of packets of a tuple; both ends are IPv4.</summary>
    public static FlowKey Of(in FlowTuple tuple)
    {
        Span<byte> octets = stackalloc byte[12];
        tuple.Source.Address.WriteTo(octets);
        tuple.Destination.Address.WriteTo(octets[4..]);
        BinaryPrimitives.WriteUInt16BigEndian(octets[8..], tuple.Source.Port);
        BinaryPrimitives.WriteUInt16BigEndian(octets[10..], tuple.Destination.Port);
        return new FlowKey(MemoryMarshal.Read<ulong>(octets), MemoryMarshal.Read<uint>(octets[8..]), (byte)tuple.Protocol);
    }

    /// <summary>Equality without a branch for each part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool Is(in FlowKey other) => ((Addresses ^ other.Addresses) | (Ports ^ other.Ports) | (Protocol ^ other.Protocol)) == 0;

    /// <summary>
    /// The hash: one multiplication of 64 by 64 bits, folded, with two secrets. Neither a checksum nor a CRC: their collisions are the same whatever the secret, so anybody could fill one bucket.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong Hash(ulong secret, ulong secondSecret)
    {
        var high = Math.BigMul(Addresses ^ secret, (((ulong)Protocol << 32) | Ports) ^ secondSecret, out ulong low);
        return high ^ low;
    }
}
