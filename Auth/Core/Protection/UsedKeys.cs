using System.Security.Cryptography;

namespace Masquerade.Auth.Protection;

/// <summary>Remembers which keys a link has had, by their SHA-256, so that none of the last 64 comes back with counters that begin anew.</summary>
internal sealed class UsedKeys
{
    private const int Remembered = 64;

    private readonly byte[] _prints = new byte[Remembered * SHA256.HashSizeInBytes];
    private int _count;

    public bool Contains(ReadOnlySpan<byte> key)
    {
        Span<byte> print = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(key, print);
        var found = false;
        for (var i = 0; i < Math.Min(_count, Remembered); i++)
        {
            found |= CryptographicOperations.FixedTimeEquals(Print(i), print);
        }

        return found;
    }

    public void Add(ReadOnlySpan<byte> key) => SHA256.HashData(key, Print(_count++ % Remembered));

    private Span<byte> Print(int index) => _prints.AsSpan(index * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes);
}
