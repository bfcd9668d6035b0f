using System.Globalization;

namespace Masquerade.Core.Flow;

/// <summary>An address prefix of either family (RFC 4632, RFC 4291 section 2.3). Bits behind the length are zero.</summary>
public readonly record struct IpPrefix
{
    private readonly ulong _maskHigh;
    private readonly ulong _maskLow;

    /// <summary>Creates a prefix; bits of <paramref name="address"/> behind <paramref name="length"/> are cleared.</summary>
    /// <param name="address">Any address in the prefix.</param>
    /// <param name="length">0 to 32 for IPv4, 0 to 128 for IPv6.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length does not fit the family.</exception>
    public IpPrefix(IpAddress address, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, address.IsIPv4 ? 32 : 128);
        Length = length;

        // An IPv4-mapped address has 96 bits in front of the 32 that the length counts.
        var bits = address.IsIPv4 ? length + 96 : length;
        _maskHigh = bits >= 64 ? ulong.MaxValue : bits == 0 ? 0 : ulong.MaxValue << (64 - bits);
        _maskLow = bits <= 64 ? 0 : bits == 128 ? ulong.MaxValue : ulong.MaxValue << (128 - bits);
        Address = new IpAddress(address.High & _maskHigh, address.Low & _maskLow);
    }

    /// <summary>The first address of the prefix.</summary>
    public IpAddress Address { get; }

    /// <summary>How many leading bits count, in the family's own length.</summary>
    public int Length { get; }

    /// <summary>Whether this is an IPv4 prefix.</summary>
    public bool IsIPv4 => Address.IsIPv4;

    /// <summary>The last address: the directed broadcast address of an IPv4 subnet.</summary>
    public IpAddress Last => new(Address.High | ~_maskHigh, Address.Low | ~_maskLow);

    /// <summary>Whether an address of the same family lies in the prefix.</summary>
    public bool Contains(IpAddress address) =>
        (address.High & _maskHigh) == Address.High && (address.Low & _maskLow) == Address.Low && address.IsIPv4 == IsIPv4;

    /// <summary>Parses <c>192.0.2.0/24</c> or <c>2001:db8::/64</c>. Set bits behind the length are refused: they are nearly always a slip.</summary>
    public static bool TryParse(string? text, out IpPrefix prefix)
    {
        prefix = default;
        var slash = text?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        if (slash <= 0 || !IpAddress.TryParse(text![..slash], out var address)
            || !int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            || length > (address.IsIPv4 ? 32 : 128))
        {
            return false;
        }

        prefix = new IpPrefix(address, length);
        return prefix.Address == address;
    }

    /// <summary>Parses <c>192.0.2.0/24</c> or <c>2001:db8::/64</c>.</summary>
    /// <exception cref="FormatException">The text is not a prefix.</exception>
    public static IpPrefix Parse(string text) =>
        TryParse(text, out var prefix) ? prefix : throw new FormatException($"'{text}' is not address/length");

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address}/{Length}");
}
