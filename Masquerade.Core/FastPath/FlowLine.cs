using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;

namespace Masquerade.Core.FastPath;

/// <summary>
/// All that a packet of an established connection needs, in either direction, and all that it leaves behind: one cache line. Octets of headers are kept as they stand there; checksum deltas are ones' complement sums, which do not
/// mind in which order the octets of a word are (RFC 1071 section 2(B)). The program of the C twin and that in the kernel know this layout.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct FlowLine
{
    /// <summary>What a decremented time to live changes in its word: 1 less in its upper octet, which is the word's first one.</summary>
    private static ushort Hop => BitConverter.IsLittleEndian ? (ushort)0xFFFE : (ushort)0xFEFF;

    /// <summary>The client's address and the server's, as an outbound packet has them.</summary>
    [FieldOffset(0)]
    public ulong Addresses;

    /// <summary>The client's port and the server's.</summary>
    [FieldOffset(8)]
    public uint Ports;

    [FieldOffset(12)]
    public uint FamAddress;

    [FieldOffset(16)]
    public uint MasqueradeAddress;

    [FieldOffset(20)]
    public ushort MasqueradePort;

    [FieldOffset(22)]
    public ushort FamPort;

    /// <summary>The address and the hop, outbound: what the IPv4 header's checksum takes.</summary>
    [FieldOffset(24)]
    public ushort HeaderDeltaOut;

    /// <summary>The address and the port, outbound: what the transport's checksum takes.</summary>
    [FieldOffset(26)]
    public ushort TransportDeltaOut;

    [FieldOffset(28)]
    public ushort HeaderDeltaIn;

    [FieldOffset(30)]
    public ushort TransportDeltaIn;

    /// <summary>The transport protocol in the lowest octet, the client's number above.</summary>
    [FieldOffset(32)]
    public uint ClientAndProtocol;

    /// <summary>The client's generation when the line was written; it holds as long as the client has that. 0: the line is not in use.</summary>
    [FieldOffset(36)]
    public uint Generation;

    /// <summary>TCP: the last acknowledgment of the client and of the server, as they stand in the header.</summary>
    [FieldOffset(40)]
    public uint ClientAcknowledgment;

    [FieldOffset(44)]
    public uint ServerAcknowledgment;

    [FieldOffset(48)]
    public ushort ClientWindow;

    [FieldOffset(50)]
    public ushort ServerWindow;

    /// <summary>When the last packet went, in ticks of the cache.</summary>
    [FieldOffset(52)]
    public ushort LastOut;

    [FieldOffset(54)]
    public ushort LastIn;

    /// <summary>Packets since the line was last read out.</summary>
    [FieldOffset(56)]
    public uint PacketsOut;

    [FieldOffset(60)]
    public uint PacketsIn;

    /// <summary>The line of a connection that nothing has passed yet.</summary>
    public static FlowLine Of(in FlowRoute route, uint client, uint generation)
    {
        var outbound = FlowKey.Of(route.Tuple);
        Span<byte> octets = stackalloc byte[12];
        route.Masquerade.Address.WriteTo(octets);
        route.Fam.Address.WriteTo(octets[4..]);
        BinaryPrimitives.WriteUInt16BigEndian(octets[8..], route.Masquerade.Port);
        BinaryPrimitives.WriteUInt16BigEndian(octets[10..], route.Fam.Port);
        var (addressOut, addressIn) = (Delta(route.Tuple.Source.Address, route.Masquerade.Address), Delta(route.Fam.Address, route.Tuple.Source.Address));
        return new FlowLine
        {
            Addresses = outbound.Addresses,
            Ports = outbound.Ports,
            MasqueradeAddress = MemoryMarshal.Read<uint>(octets),
            FamAddress = MemoryMarshal.Read<uint>(octets[4..]),
            MasqueradePort = MemoryMarshal.Read<ushort>(octets[8..]),
            FamPort = MemoryMarshal.Read<ushort>(octets[10..]),
            HeaderDeltaOut = Fold((uint)addressOut + Hop),
            TransportDeltaOut = Identity(Fold((uint)addressOut + Delta(route.Tuple.Source.Port, route.Masquerade.Port))),
            HeaderDeltaIn = Fold((uint)addressIn + Hop),
            TransportDeltaIn = Identity(Fold((uint)addressIn + Delta(route.Fam.Port, route.Tuple.Source.Port))),
            ClientAndProtocol = (client << 8) | (byte)route.Tuple.Protocol,
            Generation = generation,
        };
    }

    /// <summary>A delta of address and hop without the hop: what an unfinished checksum takes, which has only the pseudo-header.</summary>
    public static ushort WithoutHop(ushort headerDelta) => Identity(Fold((uint)headerDelta + (ushort)~Hop));

    /// <summary>A ones' complement sum of 16 bits.</summary>
    public static ushort Fold(uint sum)
    {
        sum = (sum & 0xFFFF) + (sum >> 16);
        return (ushort)(sum + (sum >> 16));
    }

    /// <summary>All ones change nothing, but for the one sum that is zero, which they would turn into themselves.</summary>
    private static ushort Identity(ushort delta) => delta == 0xFFFF ? (ushort)0 : delta;

    private static ushort Delta(IpAddress from, IpAddress to) => Fold((uint)Delta((ushort)(from.V4 >> 16), (ushort)(to.V4 >> 16)) + Delta((ushort)from.V4, (ushort)to.V4));

    /// <summary>RFC 1624 equation 3, of two words in host order; the sum is given back as the words stand in a packet.</summary>
    private static ushort Delta(ushort from, ushort to)
    {
        if (from == to)
        {
            return 0;
        }

        var sum = Fold((uint)(ushort)~from + to);
        return BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(sum) : sum;
    }
}

/// <summary>A connection that may pass without being looked at.</summary>
/// <param name="Tuple">The 5-tuple of the client's packets.</param>
/// <param name="Masquerade">What their source becomes.</param>
/// <param name="Fam">Where the server's packets come to here.</param>
public readonly record struct FlowRoute(FlowTuple Tuple, TransportEndpoint Masquerade, TransportEndpoint Fam);
