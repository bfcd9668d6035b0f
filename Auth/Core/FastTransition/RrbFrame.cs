using System.Buffers.Binary;
using System.Security.Cryptography;
using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.FastTransition;

/// <summary>
/// A view of an RRB frame over the caller's buffer: Ethernet header with the OUI Extended EtherType (IEEE 802-2014 9.2.4), protocol identifier 00-13-74-00-01 and type, length of the fields in
/// clear, these, and what is sealed by AES-SIV under the key that both key holders have. Sender, fields in clear and type are authenticated.
/// </summary>
internal readonly ref struct RrbFrame
{
    /// <summary>The OUI Extended EtherType.</summary>
    public const ushort EtherType = 0x88B7;

    /// <summary>The longest frame that is looked at.</summary>
    public const int MaxLength = 1_514;

    private const int TypeAt = 14 + 5;
    private const int BodyAt = TypeAt + 1;
    private const int ClearAt = BodyAt + 2;

    // hostapd pads what is in clear so that Ethernet need not pad the frame, which would be taken for sealed.
    private const int LeastBody = 64;
    private const int FieldHeader = 4;

    private readonly ReadOnlySpan<byte> _frame;
    private readonly int _clearLength;

    private RrbFrame(ReadOnlySpan<byte> frame, int clearLength)
    {
        _frame = frame;
        _clearLength = clearLength;
    }

    private static ReadOnlySpan<byte> Protocol => [0x00, 0x13, 0x74, 0x00, 0x01];

    public MacAddress Destination => MacAddress.FromBytes(_frame);

    public MacAddress Source => MacAddress.FromBytes(_frame[6..]);

    public RrbType Type => (RrbType)_frame[TypeAt];

    /// <summary>The fields in clear.</summary>
    public ReadOnlySpan<byte> Clear => _frame.Slice(ClearAt, _clearLength);

    private ReadOnlySpan<byte> Sealed => _frame[(ClearAt + _clearLength)..];

    /// <summary>Makes a view; false if it is no such frame, or is cut off.</summary>
    public static bool TryParse(ReadOnlySpan<byte> frame, out RrbFrame result)
    {
        result = default;
        if (frame.Length is < ClearAt or > MaxLength || BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) != EtherType || !frame[14..].StartsWith(Protocol))
        {
            return false;
        }

        var clear = BinaryPrimitives.ReadUInt16LittleEndian(frame[BodyAt..]);
        if (clear > frame.Length - ClearAt - AesSiv.Overhead)
        {
            return false;
        }

        result = new RrbFrame(frame, clear);
        return true;
    }

    /// <summary>Opens what is sealed.</summary>
    /// <param name="key">32 octets.</param>
    /// <param name="fields">The sealed fields; they may hold a key.</param>
    public bool TryOpen(ReadOnlySpan<byte> key, out byte[] fields)
    {
        fields = new byte[Sealed.Length - AesSiv.Overhead];
        return AesSiv.TryOpen(key, Sealed, fields, _frame[6..12].ToArray(), Clear.ToArray(), [(byte)Type]);
    }

    /// <summary>Finds the first field of a type; false if it is not there, or the fields are cut off before it.</summary>
    public static bool TryFind(ReadOnlySpan<byte> fields, RrbField type, out ReadOnlySpan<byte> value)
    {
        while (fields.Length >= FieldHeader)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(fields[2..]);
            if (length > fields.Length - FieldHeader)
            {
                break;
            }

            if (BinaryPrimitives.ReadUInt16LittleEndian(fields) == (ushort)type)
            {
                value = fields.Slice(FieldHeader, length);
                return true;
            }

            fields = fields[(FieldHeader + length)..];
        }

        value = default;
        return false;
    }

    /// <summary>The same, of one length only.</summary>
    public static bool TryFind(ReadOnlySpan<byte> fields, RrbField type, int length, out ReadOnlySpan<byte> value) => TryFind(fields, type, out value) && value.Length == length;

    /// <summary>Appends a field.</summary>
    public static void Append(List<byte> fields, RrbField type, ReadOnlySpan<byte> value)
    {
        Span<byte> header = stackalloc byte[FieldHeader];
        BinaryPrimitives.WriteUInt16LittleEndian(header, (ushort)type);
        BinaryPrimitives.WriteUInt16LittleEndian(header[2..], (ushort)value.Length);
        fields.AddRange(header);
        fields.AddRange(value);
    }

    /// <summary>Makes a frame.</summary>
    /// <param name="destination">The receiver.</param>
    /// <param name="source">The sender; it is authenticated.</param>
    /// <param name="type">What it says.</param>
    /// <param name="clear">The fields in clear; padding is added.</param>
    /// <param name="secret">The fields to seal.</param>
    /// <param name="key">32 octets.</param>
    public static byte[] Write(MacAddress destination, MacAddress source, RrbType type, List<byte> clear, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> key)
    {
        var missing = LeastBody - (2 + clear.Count + secret.Length + AesSiv.Overhead);
        if (missing > 0)
        {
            Append(clear, RrbField.Padding, new byte[Math.Max(0, missing - FieldHeader)]);
        }

        var frame = new byte[ClearAt + clear.Count + secret.Length + AesSiv.Overhead];
        destination.WriteTo(frame);
        source.WriteTo(frame.AsSpan(6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), EtherType);
        Protocol.CopyTo(frame.AsSpan(14));
        frame[TypeAt] = (byte)type;
        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan(BodyAt), (ushort)clear.Count);
        var authenticated = clear.ToArray();
        authenticated.CopyTo(frame, ClearAt);
        AesSiv.Seal(key, secret, frame.AsSpan(ClearAt + clear.Count), frame[6..12], authenticated, [(byte)type]);
        return frame;
    }
}
