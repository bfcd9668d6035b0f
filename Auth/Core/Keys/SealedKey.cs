using System.Buffers.Binary;

namespace Masquerade.Auth.Keys;

/// <summary>
/// The form of a session key at rest: version (1) ‖ number of the site key (4) ‖ nonce (12) ‖ encrypted key (32) ‖ tag (16), AES-256-GCM, with MAC address ‖ session as associated data.
/// </summary>
public static class SealedKey
{
    /// <summary>Octets of it.</summary>
    public const int Length = CipherAt + SessionKey.Length + TagLength;

    internal const byte Version = 1;
    internal const int NonceAt = 5;
    internal const int NonceLength = 12;
    internal const int CipherAt = NonceAt + NonceLength;
    internal const int TagLength = 16;

    /// <summary>Which site key it is sealed under; false if it has not this form.</summary>
    public static bool TryReadKeyNumber(ReadOnlySpan<byte> sealedKey, out uint number) => TryReadKeyNumber(sealedKey, Version, out number);

    internal static bool TryReadKeyNumber(ReadOnlySpan<byte> sealedKey, byte version, out uint number)
    {
        number = 0;
        if (sealedKey.Length != Length || sealedKey[0] != version)
        {
            return false;
        }

        number = BinaryPrimitives.ReadUInt32BigEndian(sealedKey[1..]);
        return true;
    }
}
