using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>A view of an Ethernet II header over the caller's buffer (IEEE 802.3 clause 3).</summary>
public readonly ref struct EthernetHeader
{
    /// <summary>Octets of the header; VLAN tags are not looked into.</summary>
    public const int Length = 14;

    private readonly Span<byte> _frame;

    private EthernetHeader(Span<byte> frame) => _frame = frame;

    /// <summary>The receiver.</summary>
    public MacAddress Destination
    {
        get => MacAddress.FromBytes(_frame);
        set => value.WriteTo(_frame);
    }

    /// <summary>The sender.</summary>
    public MacAddress Source
    {
        get => MacAddress.FromBytes(_frame[6..]);
        set => value.WriteTo(_frame[6..]);
    }

    /// <summary>What follows; one of <see cref="EtherType"/>.</summary>
    public ushort Type
    {
        get => BinaryPrimitives.ReadUInt16BigEndian(_frame[12..]);
        set => BinaryPrimitives.WriteUInt16BigEndian(_frame[12..], value);
    }

    /// <summary>The octets after the header.</summary>
    public Span<byte> Payload => _frame[Length..];

    /// <summary>Makes a view; false if the frame is too short.</summary>
    public static bool TryParse(Span<byte> frame, out EthernetHeader header)
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
}
