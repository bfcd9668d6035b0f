using Masquerade.Core.Flow;

namespace Masquerade.Core.Checksum;

/// <summary>
/// The effect that changing some 16-bit words has on an Internet checksum (RFC 1624, equation 3): HC' = ~(~HC + Σ(~m + m')). It is computed once per mapping
/// and applied per packet. A delta of unchanged words is the identity and is not folded in: in ones' complement -0 is not neutral.
/// </summary>
public readonly struct ChecksumDelta : IEquatable<ChecksumDelta>
{
    // Σ(~m + m'), folded to 16 bits; 0 only for "nothing changes". A change whose sum folds to 0xFFFF (words that only trade places) is the identity as well.
    private readonly ushort _sum;

    private ChecksumDelta(uint sum)
    {
        while (sum > 0xFFFF)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        _sum = sum == 0xFFFF ? (ushort)0 : (ushort)sum;
    }

    /// <summary>The sum as it stands in a packet: what is added to words of headers that are read as they are in memory (RFC 1071 section 2(B)).</summary>
    public ushort InMemory => BitConverter.IsLittleEndian ? System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(_sum) : _sum;

    /// <summary>Whether applying this changes nothing.</summary>
    public bool IsIdentity => _sum == 0;

    /// <summary>The delta of one word.</summary>
    public static ChecksumDelta Between(ushort from, ushort to) => new(Word(from, to));

    /// <summary>The delta of an address; both of one family.</summary>
    public static ChecksumDelta Between(IpAddress from, IpAddress to)
    {
        uint sum = 0;
        for (var shift = 0; shift < 64; shift += 16)
        {
            sum += Word((ushort)(from.High >> shift), (ushort)(to.High >> shift));
            sum += Word((ushort)(from.Low >> shift), (ushort)(to.Low >> shift));
        }

        return new ChecksumDelta(sum);
    }

    /// <summary>Both changes together.</summary>
    public static ChecksumDelta operator +(ChecksumDelta left, ChecksumDelta right) => new((uint)left._sum + right._sum);

    /// <summary>The checksum after the change, from the one before (host order).</summary>
    public ushort ApplyTo(ushort checksum) => _sum == 0 ? checksum : (ushort)(Add((ushort)(checksum ^ 0xFFFF)) ^ 0xFFFF);

    /// <summary>The change of an unfinished checksum, which is a sum that has not been complemented (only the pseudo-header's, see <c>OffloadInfo.ChecksumPartial</c>).</summary>
    public ushort ApplyToPartial(ushort sum) => _sum == 0 ? sum : Add(sum);

    /// <inheritdoc/>
    public bool Equals(ChecksumDelta other) => _sum == other._sum;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ChecksumDelta other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _sum;

    /// <summary>Equality of effect.</summary>
    public static bool operator ==(ChecksumDelta left, ChecksumDelta right) => left.Equals(right);

    /// <summary>Inequality of effect.</summary>
    public static bool operator !=(ChecksumDelta left, ChecksumDelta right) => !left.Equals(right);

    private static uint Word(ushort from, ushort to) => from == to ? 0 : (uint)(from ^ 0xFFFF) + to;

    private ushort Add(ushort sum)
    {
        var total = (uint)sum + _sum;
        return (ushort)((total & 0xFFFF) + (total >> 16));
    }
}
