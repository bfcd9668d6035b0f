using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Core.Wire;

/// <summary>Neighbour Discovery options (RFC 4861 section 4.6).</summary>
public static class NdOptionType
{
    /// <summary>The sender's link-layer address.</summary>
    public const byte SourceLinkLayer = 1;

    /// <summary>The target's link-layer address.</summary>
    public const byte TargetLinkLayer = 2;

    /// <summary>A prefix of the link.</summary>
    public const byte Prefix = 3;

    /// <summary>The link's MTU.</summary>
    public const byte Mtu = 5;
}

/// <summary>What hosts may do with an advertised prefix (RFC 4861 section 4.6.2).</summary>
[Flags]
public enum NdPrefixFlags : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Make themselves an address from it (RFC 4862).</summary>
    Autonomous = 0x40,

    /// <summary>Reach its addresses without a router.</summary>
    OnLink = 0x80,
}

/// <summary>An advertised prefix (RFC 4861 section 4.6.2).</summary>
/// <param name="Address">The prefix; bits behind the length mean nothing.</param>
/// <param name="Length">How many leading bits count, 0 to 128.</param>
/// <param name="Flags">What it may be used for.</param>
/// <param name="ValidLifetime">Seconds that addresses made from it may be used; all ones for ever.</param>
/// <param name="PreferredLifetime">Seconds that they may be used for new connections; all ones for ever.</param>
public readonly record struct NdPrefix(IpAddress Address, byte Length, NdPrefixFlags Flags, uint ValidLifetime, uint PreferredLifetime);

/// <summary>One option of a message, over the caller's buffer.</summary>
public readonly ref struct NdOption
{
    private readonly ReadOnlySpan<byte> _option;

    internal NdOption(ReadOnlySpan<byte> option) => _option = option;

    /// <summary>Which option; <see cref="NdOptionType"/> or one that is not understood and skipped.</summary>
    public byte Type => _option[0];

    /// <summary>Octets of the option, a multiple of 8.</summary>
    public int Length => _option.Length;

    /// <summary>Reads the Ethernet address of a link-layer address option (RFC 2464 section 6); false if it is none.</summary>
    public bool TryGetLinkLayer(out MacAddress mac)
    {
        var isOne = Type is NdOptionType.SourceLinkLayer or NdOptionType.TargetLinkLayer && Length == 8;
        mac = isOne ? MacAddress.FromBytes(_option[2..]) : MacAddress.None;
        return isOne;
    }

    /// <summary>Reads an MTU option, in octets; false if it is none.</summary>
    public bool TryGetMtu(out uint mtu)
    {
        var isOne = Type == NdOptionType.Mtu && Length == 8;
        mtu = isOne ? BinaryPrimitives.ReadUInt32BigEndian(_option[4..]) : 0;
        return isOne;
    }

    /// <summary>Reads a prefix option; false if it is none, or says more than 128 bits.</summary>
    public bool TryGetPrefix(out NdPrefix prefix)
    {
        var isOne = Type == NdOptionType.Prefix && Length == 32 && _option[2] <= 128;
        prefix = !isOne ? default : new NdPrefix(
            IpAddress.FromBytes(_option.Slice(16, 16)),
            _option[2],
            (NdPrefixFlags)_option[3],
            BinaryPrimitives.ReadUInt32BigEndian(_option[4..]),
            BinaryPrimitives.ReadUInt32BigEndian(_option[8..]));
        return isOne;
    }
}

/// <summary>Walks the options of a message, over the caller's buffer.</summary>
public ref struct NdOptions
{
    private ReadOnlySpan<byte> _rest;

    internal NdOptions(ReadOnlySpan<byte> options) => _rest = options;

    /// <summary>Whether what is left is a row of whole options. One of length zero makes the whole message invalid (RFC 4861 section 4.6).</summary>
    internal readonly bool AreWellFormed
    {
        get
        {
            var walk = this;
            while (walk.TryNext(out _))
            {
                // Only the end matters.
            }

            return walk._rest.IsEmpty;
        }
    }

    /// <summary>Takes the next option; false at the end.</summary>
    public bool TryNext(out NdOption option)
    {
        option = default;
        if (_rest.Length < 2 || _rest[1] == 0 || _rest[1] * 8 > _rest.Length)
        {
            return false;
        }

        option = new NdOption(_rest[..(_rest[1] * 8)]);
        _rest = _rest[option.Length..];
        return true;
    }
}
