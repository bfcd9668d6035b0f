using System.Security.Cryptography;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Keys;

namespace Masquerade.Auth.Handshake;

/// <summary>What both sides do with EAPOL-Key frames: the form for AKM 00-0F-AC:5 (descriptor version 3, AES-128-CMAC, AES key wrap; IEEE 802.11-2020 table 12-8).</summary>
public static class HandshakeFrame
{
    /// <summary>The longest frame that the handshake sends, in octets from the EAPOL header on. Buffers for answers are at least this long.</summary>
    public const int MaxLength = 256;

    /// <summary>The longest frame that is looked at: room for others' key data.</summary>
    internal const int MaxReceived = 1_024;

    internal const byte DescriptorVersion = 3;

    internal const KeyInformation Message1 = KeyInformation.Pairwise | KeyInformation.Ack;
    internal const KeyInformation Message2 = KeyInformation.Pairwise | KeyInformation.Mic;
    internal const KeyInformation Message3 = KeyInformation.Pairwise | KeyInformation.Install | KeyInformation.Ack | KeyInformation.Mic | KeyInformation.Secure |
        KeyInformation.EncryptedKeyData;

    internal const KeyInformation Message4 = KeyInformation.Pairwise | KeyInformation.Mic | KeyInformation.Secure;

    /// <summary>Makes a view of a frame that may belong to a handshake.</summary>
    internal static HandshakeDrop TryParse(ReadOnlySpan<byte> pdu, out EapolKeyFrame frame)
    {
        if (!EapolKeyFrame.TryParse(pdu, out frame, out _) || frame.Pdu.Length > MaxReceived)
        {
            return HandshakeDrop.Malformed;
        }

        return frame.DescriptorVersion == DescriptorVersion && frame.Information.HasFlag(KeyInformation.Pairwise) ? HandshakeDrop.None : HandshakeDrop.UnknownForm;
    }

    /// <summary>Whether the MIC is this key's, in a time that does not depend on where it differs.</summary>
    internal static bool IsAuthentic(EapolKeyFrame frame, LinkKeys keys)
    {
        Span<byte> copy = stackalloc byte[MaxReceived];
        var length = frame.CopyWithoutMic(copy);
        Span<byte> mic = stackalloc byte[AesCmac.Length];
        AesCmac.Compute(keys.Kck, copy[..length], mic);
        return CryptographicOperations.FixedTimeEquals(mic, frame.Mic);
    }

    /// <summary>Writes a frame, with a MIC if there are keys. Returns its length.</summary>
    internal static int Write(Span<byte> destination, in EapolKeyFields fields, LinkKeys? keys)
    {
        if (!EapolKeyFrame.TryWrite(destination, fields, out var length))
        {
            throw new ArgumentException($"a buffer of less than {MaxLength} octets", nameof(destination));
        }

        if (keys is not null)
        {
            Span<byte> mic = stackalloc byte[AesCmac.Length];
            AesCmac.Compute(keys.Kck, destination[..length], mic);
            mic.CopyTo(EapolKeyFrame.MicOf(destination[..length]));
        }

        return length;
    }
}
