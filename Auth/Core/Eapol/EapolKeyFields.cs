namespace Masquerade.Auth.Eapol;

/// <summary>What <see cref="EapolKeyFrame.TryWrite"/> writes (IEEE 802.11-2020 clause 12.7.2). Spans that are left empty are written as zeros.</summary>
public readonly ref struct EapolKeyFields
{
    /// <summary>Fields with their defaults.</summary>
    public EapolKeyFields()
    {
    }

    /// <summary>The EAPOL version, 1 to 3.</summary>
    public byte Version { get; init; } = EapolFrame.DefaultVersion;

    /// <summary>The flags; the lowest three bits are not looked at.</summary>
    public KeyInformation Information { get; init; }

    /// <summary>The key descriptor version, 0 to 7; see <see cref="EapolKeyFrame.DescriptorVersion"/>.</summary>
    public byte DescriptorVersion { get; init; }

    /// <summary>Octets of the key that is being agreed.</summary>
    public ushort KeyLength { get; init; }

    /// <summary>The authenticator's count of frames, or the one that is answered.</summary>
    public ulong ReplayCounter { get; init; }

    /// <summary>The sender's nonce: 32 octets, or empty.</summary>
    public ReadOnlySpan<byte> Nonce { get; init; }

    /// <summary>The EAPOL-Key IV: 16 octets, or empty.</summary>
    public ReadOnlySpan<byte> Iv { get; init; }

    /// <summary>Key RSC: 8 octets, or empty.</summary>
    public ReadOnlySpan<byte> ReceiveCounter { get; init; }

    /// <summary>The key data as it goes onto the wire: encrypted, if the flags say so.</summary>
    public ReadOnlySpan<byte> KeyData { get; init; }
}
