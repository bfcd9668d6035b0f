using Masquerade.Core.Flow;

namespace Masquerade.Core.Fragments;

/// <summary>
/// Identifications for packets that are, or may be, fragments after translation (RFC 6864 section 5.3.1, RFC 7857 section 10). A counter through a keyed permutation: of this node's none
/// comes twice before all have come once, whatever the destination, and the next cannot be guessed from the last (RFC 7739).
/// </summary>
public sealed class IdentificationSource(SeededRandom random)
{
    private readonly uint _key = (uint)random.NextUInt64();
    private uint _nextV4 = (uint)random.NextUInt64();
    private uint _nextV6 = (uint)random.NextUInt64();

    /// <summary>The next one for a packet of a family.</summary>
    public uint Next(bool ipv6) => ipv6 ? Permute(_nextV6++, 16) : Permute(_nextV4++ & 0xFFFF, 8);

    /// <summary>A Feistel network of four rounds over two halves of <paramref name="half"/> bits: a permutation, whatever the round function does.</summary>
    private uint Permute(uint value, int half)
    {
        var mask = (1u << half) - 1;
        var (left, right) = (value >> half, value & mask);
        for (uint round = 0; round < 4; round++)
        {
            var mixed = FlowHash.Of(new MacAddress(right | ((ulong)round << 32)), _key);
            (left, right) = (right, left ^ (mixed & mask));
        }

        return (left << half) | right;
    }
}
