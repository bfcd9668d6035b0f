using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.FastTransition;

/// <summary>
/// The form of a <see cref="PmkR0"/> at rest: its name (16) ‖ cipher suite (4) ‖ what <see cref="SealedKey"/> has, of version 2. Name, cipher, MAC address and session are associated data,
/// so neither can be put in place of a session key, nor of another one's.
/// </summary>
public static class SealedPmkR0
{
    /// <summary>Octets of it.</summary>
    public const int Length = PlainLength + SealedKey.Length;

    internal const byte Version = 2;
    internal const int PlainLength = PmkR0.NameLength + 4;

    /// <summary>Whether this is the key that a client names; nothing is opened for that.</summary>
    /// <param name="sealedKey">As it was sealed.</param>
    /// <param name="name">PMKR0Name.</param>
    public static bool IsNamed(ReadOnlySpan<byte> sealedKey, ReadOnlySpan<byte> name) => sealedKey.Length == Length && sealedKey[..PmkR0.NameLength].SequenceEqual(name);

    internal static void WritePlain(PmkR0 key, Span<byte> destination)
    {
        key.Name.CopyTo(destination);
        BinaryPrimitives.WriteUInt32BigEndian(destination[PmkR0.NameLength..], key.Cipher);
    }

    internal static bool TryMake(ReadOnlySpan<byte> plain, ReadOnlySpan<byte> opened, SessionId session, MacAddress client, [NotNullWhen(true)] out PmkR0? key) =>
        PmkR0.TryFrom(opened, plain[..PmkR0.NameLength], session, client, BinaryPrimitives.ReadUInt32BigEndian(plain[PmkR0.NameLength..]), out key);
}
