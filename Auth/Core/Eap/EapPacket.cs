using System.Buffers.Binary;

namespace Masquerade.Auth.Eap;

/// <summary>
/// A view of an EAP packet over the caller's buffer (RFC 3748 section 4). Octets behind its length are padding of the link and not part of it; a length beyond what is
/// there is refused (section 4.1).
/// </summary>
public readonly ref struct EapPacket
{
    /// <summary>Octets of the header: code, identifier, length. A Success or Failure is no longer than that.</summary>
    public const int HeaderLength = 4;

    /// <summary>Octets before the data of an expanded type.</summary>
    public const int ExpandedHeaderLength = 12;

    /// <summary>The vendor of IETF's own types among the expanded ones.</summary>
    public const int IetfVendor = 0;

    private readonly ReadOnlySpan<byte> _octets;

    private EapPacket(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <summary>Which of the four it is.</summary>
    public EapCode Code => (EapCode)_octets[0];

    /// <summary>Ties a response to its request.</summary>
    public byte Identifier => _octets[1];

    /// <summary>The packet without padding.</summary>
    public ReadOnlySpan<byte> Octets => _octets;

    /// <summary>The type octet; <see cref="EapType.None"/> in a Success or Failure.</summary>
    public EapType Type => _octets.Length > HeaderLength ? (EapType)_octets[4] : EapType.None;

    /// <summary>
    /// The type, whichever of its two encodings was used (section 5.7): an expanded type of <see cref="IetfVendor"/> is the one with that number. A vendor's own is
    /// <see cref="EapType.Expanded"/>.
    /// </summary>
    public EapType Meaning => Type != EapType.Expanded || Vendor != IetfVendor ? Type : VendorType <= byte.MaxValue ? (EapType)VendorType : EapType.None;

    /// <summary>An expanded type's vendor, by its 24-bit enterprise number; <see cref="IetfVendor"/> for all others.</summary>
    public int Vendor => Type == EapType.Expanded ? (int)(BinaryPrimitives.ReadUInt32BigEndian(_octets[4..]) & 0xFF_FFFF) : IetfVendor;

    /// <summary>The type within its vendor's.</summary>
    public uint VendorType => Type == EapType.Expanded ? BinaryPrimitives.ReadUInt32BigEndian(_octets[8..]) : (uint)Type;

    /// <summary>What follows the type: for an identity its text, for a method the method's message.</summary>
    public ReadOnlySpan<byte> TypeData => Type switch
    {
        EapType.None => default,
        EapType.Expanded => _octets[ExpandedHeaderLength..],
        _ => _octets[(HeaderLength + 1)..],
    };

    /// <summary>Makes a view; false if it is not a packet of RFC 3748.</summary>
    public static bool TryParse(ReadOnlySpan<byte> octets, out EapPacket packet) => TryParse(octets, out packet, out _);

    /// <summary>Makes a view, or says why not.</summary>
    public static bool TryParse(ReadOnlySpan<byte> octets, out EapPacket packet, out EapFault fault)
    {
        packet = default;
        fault = Check(octets, out var length);
        if (fault != EapFault.None)
        {
            return false;
        }

        packet = new EapPacket(octets[..length]);
        return true;
    }

    /// <summary>Writes a request or response of a type that has a number of its own; false if it does not fit.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="code"><see cref="EapCode.Request"/> or <see cref="EapCode.Response"/>.</param>
    /// <param name="identifier">The request's identifier.</param>
    /// <param name="type">The type; not <see cref="EapType.Expanded"/> and not <see cref="EapType.None"/>.</param>
    /// <param name="data">What follows the type.</param>
    /// <param name="written">Octets written; 0 if nothing was.</param>
    public static bool TryWrite(Span<byte> destination, EapCode code, byte identifier, EapType type, ReadOnlySpan<byte> data, out int written)
    {
        written = 0;
        var length = HeaderLength + 1 + data.Length;
        if (length > ushort.MaxValue || destination.Length < length || code is not (EapCode.Request or EapCode.Response) || type is EapType.Expanded or EapType.None)
        {
            return false;
        }

        data.CopyTo(destination[(HeaderLength + 1)..]);
        WriteHeader(destination, code, identifier, length);
        destination[HeaderLength] = (byte)type;
        written = length;
        return true;
    }

    /// <summary>Writes a response that declines what was proposed and names what is wanted instead (section 5.3.1); none is said by a single 0.</summary>
    public static bool TryWriteNak(Span<byte> destination, byte identifier, ReadOnlySpan<byte> wanted, out int written) =>
        TryWrite(destination, EapCode.Response, identifier, EapType.Nak, wanted.IsEmpty ? [0] : wanted, out written);

    /// <summary>Writes a Success (section 4.2).</summary>
    /// <param name="destination">At least 4 octets.</param>
    /// <param name="identifier">The identifier of the last response.</param>
    public static void WriteSuccess(Span<byte> destination, byte identifier) => WriteHeader(destination, EapCode.Success, identifier, HeaderLength);

    /// <summary>Writes a Failure (section 4.2).</summary>
    /// <param name="destination">At least 4 octets.</param>
    /// <param name="identifier">The identifier of the last response.</param>
    public static void WriteFailure(Span<byte> destination, byte identifier) => WriteHeader(destination, EapCode.Failure, identifier, HeaderLength);

    private static EapFault Check(ReadOnlySpan<byte> octets, out int length)
    {
        length = 0;
        if (octets.Length < HeaderLength)
        {
            return EapFault.TooShort;
        }

        length = BinaryPrimitives.ReadUInt16BigEndian(octets[2..]);
        if (length > octets.Length)
        {
            return EapFault.Length;
        }

        switch ((EapCode)octets[0])
        {
            case EapCode.Request or EapCode.Response:
                if (length <= HeaderLength)
                {
                    return EapFault.Length;
                }

                return (EapType)octets[HeaderLength] == EapType.Expanded && length < ExpandedHeaderLength ? EapFault.ExpandedType : EapFault.None;

            case EapCode.Success or EapCode.Failure:
                return length == HeaderLength ? EapFault.None : EapFault.Length;

            default:
                return EapFault.Code;
        }
    }

    private static void WriteHeader(Span<byte> destination, EapCode code, byte identifier, int length)
    {
        destination[0] = (byte)code;
        destination[1] = identifier;
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)length);
    }
}
