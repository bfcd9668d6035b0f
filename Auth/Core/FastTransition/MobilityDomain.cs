using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Masquerade.Auth.FastTransition;

/// <summary>Where fast transition keys hold: what goes into PMK-R0 besides the client (IEEE 802.11-2020 12.7.1.6.3).</summary>
public sealed class MobilityDomain
{
    /// <summary>The longest network name (IEEE 802.11-2020 9.4.2.2).</summary>
    public const int MaxNetwork = 32;

    /// <summary>The longest R0KH-ID (IEEE 802.11-2020 9.4.2.47).</summary>
    public const int MaxHolder = 48;

    private readonly byte[] _network;
    private readonly byte[] _holder;

    private MobilityDomain(ReadOnlySpan<byte> network, ushort identifier, ReadOnlySpan<byte> holder, uint cipher) =>
        (_network, Identifier, _holder, Cipher) = (network.ToArray(), identifier, holder.ToArray(), cipher);

    /// <summary>The network's name (SSID), 1 to 32 octets.</summary>
    public ReadOnlySpan<byte> Network => _network;

    /// <summary>MDID, as the number whose more significant octet comes first.</summary>
    public ushort Identifier { get; }

    /// <summary>R0KH-ID of the access point where the client authenticates, 1 to 48 octets.</summary>
    public ReadOnlySpan<byte> Holder => _holder;

    /// <summary>The pairwise cipher that the client has chosen there, as a suite selector (IEEE 802.11-2020 table 9-149) read as a number: 0x000FAC04 is CCMP-128.</summary>
    public uint Cipher { get; }

    /// <summary>Makes one; false if a length cannot be.</summary>
    public static bool TryMake(ReadOnlySpan<byte> network, ushort identifier, ReadOnlySpan<byte> holder, uint cipher, [NotNullWhen(true)] out MobilityDomain? domain)
    {
        domain = network.Length is >= 1 and <= MaxNetwork && holder.Length is >= 1 and <= MaxHolder ? new MobilityDomain(network, identifier, holder, cipher) : null;
        return domain is not null;
    }

    /// <summary>Writes the context of FT-R0 without the client; the octets written.</summary>
    internal int WriteTo(Span<byte> destination)
    {
        var at = 0;
        destination[at++] = (byte)_network.Length;
        _network.CopyTo(destination[at..]);
        at += _network.Length;
        BinaryPrimitives.WriteUInt16BigEndian(destination[at..], Identifier);
        at += 2;
        destination[at++] = (byte)_holder.Length;
        _holder.CopyTo(destination[at..]);
        return at + _holder.Length;
    }
}
