using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>
/// A view of an Ethernet II header over the caller's buffer (IEEE 802.3 clause 3). VLAN tags are not looked into: the type of a tagged frame is that of its tag.
/// </summary>
public readonly ref struct EthernetHeader
{
    /// <summary>Octets of the header: destination, source, type.</summary>
    public const int Length = 14;

    private readonly ReadOnlySpan<byte> _frame;

    private EthernetHeader(ReadOnlySpan<byte> frame) => _frame = frame;

    /// <summary>The receiver.</summary>
    public MacAddress Destination => MacAddress.FromBytes(_frame);

    /// <summary>The sender.</summary>
    public MacAddress Source => MacAddress.FromBytes(_frame[6..]);

    /// <summary>What follows; one of <see cref="EtherType"/>.</summary>
    public ushort Type => BinaryPrimitives.ReadUInt16BigEndian(_frame[12..]);

    /// <summary>The octets after the header, padding included.</summary>
    public ReadOnlySpan<byte> Payload => _frame[Length..];

    /// <summary>Makes a view; false if the frame is too short.</summary>
    public static bool TryParse(ReadOnlySpan<byte> frame, out EthernetHeader header)
    {
        header = new EthernetHeader(frame);
        return frame.Length >= Length;
    }

    /// <summary>Writes a header into the first 14 octets.</summary>
    public static void Write(Span<byte> frame, MacAddress destination, MacAddress source, ushort type)
    {
        destination.WriteTo(frame);
        source.WriteTo(frame[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], type);
    }

    /// <summary>Writes a header in front of an IP packet that is already there; the type follows from the packet's version.</summary>
    public static void WriteForIp(Span<byte> frame, MacAddress destination, MacAddress source) =>
        Write(frame, destination, source, frame[Length] >> 4 == 4 ? EtherType.IPv4 : EtherType.IPv6);
}
