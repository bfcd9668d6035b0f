using System.Buffers.Binary;
using System.Net;

namespace Masquerade.Core.Flow;

/// <summary>
/// An IPv4 or IPv6 address as 128 bits. IPv4 addresses are kept IPv4-mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2),
/// so that one key layout and one engine serve both families.
/// </summary>
/// <param name="High">The first eight octets in network order.</param>
/// <param name="Low">The last eight octets in network order.</param>
public readonly record struct IpAddress(ulong High, ulong Low) : IComparable<IpAddress>
{
    private const ulong MappedPrefix = 0x0000_FFFF_0000_0000;

    /// <summary>All zero bits: "no address".</summary>
    public static readonly IpAddress None;

    /// <summary>Whether this is an IPv4 address.</summary>
    public bool IsIPv4 => High == 0 && (Low & 0xFFFF_FFFF_0000_0000) == MappedPrefix;

    /// <summary>Whether this is "no address".</summary>
    public bool IsNone => (High | Low) == 0;

    /// <summary>The IPv4 address as a host-order number; meaningful only if <see cref="IsIPv4"/>.</summary>
    public uint V4 => (uint)Low;

    /// <summary>Whether this is a multicast address, or the IPv4 limited broadcast address.</summary>
    public bool IsMulticastOrBroadcast => IsIPv4 ? V4 >= 0xE000_0000 && (V4 < 0xF000_0000 || V4 == 0xFFFF_FFFF) : (High >> 56) == 0xFF;

    /// <summary>Whether this is an IPv6 link-local unicast address (fe80::/10) or an IPv4 one (169.254/16, RFC 3927).</summary>
    public bool IsLinkLocal => IsIPv4 ? (V4 >> 16) == 0xA9FE : (High >> 54) == 0x3FA;

    /// <summary>An IPv4 address from its host-order number.</summary>
    public static IpAddress FromV4(uint address) => new(0, MappedPrefix | address);

    /// <summary>Reads a 4-octet or 16-octet address in network order; any other length gives <see cref="None"/>.</summary>
    public static IpAddress FromBytes(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        4 => FromV4(BinaryPrimitives.ReadUInt32BigEndian(bytes)),
        16 => new IpAddress(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..])),
        _ => None,
    };

    /// <summary>Parses the usual text forms of both families.</summary>
    /// <exception cref="FormatException">The text is not an address.</exception>
    public static IpAddress Parse(string text) =>
        TryParse(text, out var address) ? address : throw new FormatException($"'{text}' is not an IP address");

    /// <summary>Parses the usual text forms of both families; IPv4 only as four decimal parts.</summary>
    public static bool TryParse(string? text, out IpAddress address)
    {
        address = None;
        if (text is null || text.Contains('%', StringComparison.Ordinal) || !IPAddress.TryParse(text, out var parsed))
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[16];
        if (!parsed.TryWriteBytes(bytes, out var written) || (written == 4 && text.AsSpan().Count('.') != 3))
        {
            return false;
        }

        address = FromBytes(bytes[..written]);
        return true;
    }

    /// <summary>Writes the address in its own family's length (4 or 16 octets) and returns that length.</summary>
    public int WriteTo(Span<byte> destination)
    {
        if (IsIPv4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination, V4);
            return 4;
        }

        BinaryPrimitives.WriteUInt64BigEndian(destination, High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], Low);
        return 16;
    }

    /// <inheritdoc/>
    public int CompareTo(IpAddress other) => High != other.High ? High.CompareTo(other.High) : Low.CompareTo(other.Low);

    /// <inheritdoc/>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[16];
        return IsNone ? "none" : new IPAddress(bytes[..WriteTo(bytes)]).ToString();
    }
}
