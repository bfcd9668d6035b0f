using System.Buffers.Binary;

namespace Masquerade.Auth.Eapol;

/// <summary>
/// A view of an EAPOL-Key frame with the descriptor of IEEE 802.11-2020 clause 12.7.2 and a MIC of 16 octets. The view says nothing about the MIC being right.
/// </summary>
public readonly ref struct EapolKeyFrame
{
    /// <summary>The key descriptor type of IEEE 802.11 (2); others, such as WPA's 254 and RC4's 1, are refused.</summary>
    public const byte DescriptorType = 2;

    /// <summary>Where the MIC begins, in octets from the beginning of the PDU.</summary>
    public const int MicOffset = EapolFrame.HeaderLength + 77;

    /// <summary>Octets of the MIC.</summary>
    public const int MicLength = 16;

    /// <summary>Octets of a nonce.</summary>
    public const int NonceLength = 32;

    /// <summary>Octets of the EAPOL-Key IV.</summary>
    public const int IvLength = 16;

    /// <summary>Where the key data begins, in octets from the beginning of the PDU: the length of a frame without key data.</summary>
    public const int KeyDataOffset = EapolFrame.HeaderLength + 95;

    internal const int ReplayCounterOffset = EapolFrame.HeaderLength + 5;
    internal const int NonceOffset = EapolFrame.HeaderLength + 13;
    internal const int IvOffset = EapolFrame.HeaderLength + 45;
    internal const int ReceiveCounterOffset = EapolFrame.HeaderLength + 61;

    private readonly ReadOnlySpan<byte> _pdu;

    private EapolKeyFrame(ReadOnlySpan<byte> pdu) => _pdu = pdu;

    /// <summary>The EAPOL version.</summary>
    public byte Version => _pdu[0];

    /// <summary>The flags, without the descriptor version.</summary>
    public KeyInformation Information => (KeyInformation)(RawInformation & ~0x7);

    /// <summary>
    /// Which algorithms make the MIC and encrypt the key data: 0 is what the key management suite says, 1 HMAC-MD5 and RC4, 2 HMAC-SHA-1 and AES key wrap, 3 AES-CMAC and
    /// AES key wrap.
    /// </summary>
    public byte DescriptorVersion => (byte)(RawInformation & 0x7);

    /// <summary>Octets of the key that is being agreed.</summary>
    public ushort KeyLength => BinaryPrimitives.ReadUInt16BigEndian(_pdu[(EapolFrame.HeaderLength + 3)..]);

    /// <summary>The authenticator's count of frames; an answer repeats it.</summary>
    public ulong ReplayCounter => BinaryPrimitives.ReadUInt64BigEndian(_pdu[ReplayCounterOffset..]);

    /// <summary>The sender's nonce, or zeros.</summary>
    public ReadOnlySpan<byte> Nonce => _pdu.Slice(NonceOffset, NonceLength);

    /// <summary>The EAPOL-Key IV: zeros, unless the key data is encrypted by RC4.</summary>
    public ReadOnlySpan<byte> Iv => _pdu.Slice(IvOffset, IvLength);

    /// <summary>Key RSC: the sender's counter of protected frames at the time when the key is installed; 8 octets, whose order is that of the cipher.</summary>
    public ReadOnlySpan<byte> ReceiveCounter => _pdu.Slice(ReceiveCounterOffset, 8);

    /// <summary>The MIC, or zeros.</summary>
    public ReadOnlySpan<byte> Mic => _pdu.Slice(MicOffset, MicLength);

    /// <summary>The key data as it is on the wire; <see cref="KeyDataReader"/> reads it once it is in the clear.</summary>
    public ReadOnlySpan<byte> KeyData => _pdu[KeyDataOffset..];

    /// <summary>The whole PDU without padding. The MIC is computed over it with the MIC field zero (<see cref="CopyWithoutMic"/>).</summary>
    public ReadOnlySpan<byte> Pdu => _pdu;

    private ushort RawInformation => BinaryPrimitives.ReadUInt16BigEndian(_pdu[(EapolFrame.HeaderLength + 1)..]);

    /// <summary>Makes a view of octets that begin with an EAPOL header; false says that they are no such frame.</summary>
    public static bool TryParse(ReadOnlySpan<byte> octets, out EapolKeyFrame key, out EapolFault fault)
    {
        key = default;
        return EapolFrame.TryParse(octets, out var frame, out fault) && TryParse(frame, out key, out fault);
    }

    /// <summary>Makes a view of an EAPOL frame; false says that it is not of this kind.</summary>
    public static bool TryParse(EapolFrame frame, out EapolKeyFrame key, out EapolFault fault)
    {
        key = default;
        if (frame.Pdu.IsEmpty || frame.Type != EapolType.Key)
        {
            fault = EapolFault.NotKey;
            return false;
        }

        if (frame.Pdu.Length < KeyDataOffset)
        {
            fault = EapolFault.TooShort;
            return false;
        }

        if (frame.Body[0] != DescriptorType)
        {
            fault = EapolFault.Descriptor;
            return false;
        }

        // Exactly: octets behind the key data would be under the MIC and of no meaning.
        if (BinaryPrimitives.ReadUInt16BigEndian(frame.Pdu[(KeyDataOffset - 2)..]) != frame.Pdu.Length - KeyDataOffset)
        {
            fault = EapolFault.KeyDataLength;
            return false;
        }

        fault = EapolFault.None;
        key = new EapolKeyFrame(frame.Pdu);
        return true;
    }

    /// <summary>Copies the PDU with a MIC of zeros: what a MIC is computed over.</summary>
    /// <param name="destination">At least as long as <see cref="Pdu"/>.</param>
    /// <returns>Octets copied.</returns>
    public int CopyWithoutMic(Span<byte> destination)
    {
        _pdu.CopyTo(destination);
        destination.Slice(MicOffset, MicLength).Clear();
        return _pdu.Length;
    }

    /// <summary>
    /// Writes a frame whose MIC is zeros; false if the destination is too short, a nonce, IV or counter has a wrong length, or the key data does not fit. The caller
    /// computes the MIC over what was written and puts it in its place (<see cref="MicOf"/>).
    /// </summary>
    /// <param name="destination">Where to.</param>
    /// <param name="fields">What is in it.</param>
    /// <param name="written">Octets of the PDU; 0 if it was not written.</param>
    public static bool TryWrite(Span<byte> destination, in EapolKeyFields fields, out int written)
    {
        written = 0;
        var length = KeyDataOffset + fields.KeyData.Length;
        if (length - EapolFrame.HeaderLength > ushort.MaxValue || destination.Length < length || fields.DescriptorVersion > 7 ||
            !IsLength(fields.Nonce, NonceLength) || !IsLength(fields.Iv, IvLength) || !IsLength(fields.ReceiveCounter, 8))
        {
            return false;
        }

        var pdu = destination[..length];
        pdu[..KeyDataOffset].Clear();
        EapolFrame.WriteHeader(pdu, fields.Version, EapolType.Key, length - EapolFrame.HeaderLength);
        var body = pdu[EapolFrame.HeaderLength..];
        body[0] = DescriptorType;
        BinaryPrimitives.WriteUInt16BigEndian(body[1..], (ushort)(((ushort)fields.Information & ~0x7) | fields.DescriptorVersion));
        BinaryPrimitives.WriteUInt16BigEndian(body[3..], fields.KeyLength);
        BinaryPrimitives.WriteUInt64BigEndian(pdu[ReplayCounterOffset..], fields.ReplayCounter);
        fields.Nonce.CopyTo(pdu[NonceOffset..]);
        fields.Iv.CopyTo(pdu[IvOffset..]);
        fields.ReceiveCounter.CopyTo(pdu[ReceiveCounterOffset..]);
        BinaryPrimitives.WriteUInt16BigEndian(pdu[(KeyDataOffset - 2)..], (ushort)fields.KeyData.Length);
        fields.KeyData.CopyTo(pdu[KeyDataOffset..]);
        written = length;
        return true;
    }

    /// <summary>The place of the MIC in a PDU that was written or parsed: at least <see cref="KeyDataOffset"/> octets.</summary>
    public static Span<byte> MicOf(Span<byte> pdu) => pdu.Slice(MicOffset, MicLength);

    private static bool IsLength(ReadOnlySpan<byte> value, int length) => value.IsEmpty || value.Length == length;
}
