using System.Security.Cryptography;

namespace Masquerade.Auth.Keys;

/// <summary>
/// Octets of a key: one copy, pinned so that the garbage collector leaves no other behind, and zeroed when disposed of. It never becomes text.
/// </summary>
internal sealed class SecretBytes : IDisposable
{
    private readonly byte[] _bytes;
    private bool _disposed;

    /// <summary>Takes a copy; the caller zeroes its own.</summary>
    public SecretBytes(ReadOnlySpan<byte> bytes)
    {
        _bytes = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
        bytes.CopyTo(_bytes);
    }

    /// <summary>The octets, as long as nobody has disposed of them.</summary>
    /// <exception cref="ObjectDisposedException">They are zeroed: a key of zeros must not be taken for one (KRACK).</exception>
    public ReadOnlySpan<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _bytes;
        }
    }

    /// <summary>Whether octets may be a key: this long, and not all zero.</summary>
    public static bool IsKey(ReadOnlySpan<byte> bytes, int length) => bytes.Length == length && bytes.ContainsAnyExcept((byte)0);

    /// <summary>Whether both are the same, in a time that does not depend on where they differ.</summary>
    public bool Matches(ReadOnlySpan<byte> other) => CryptographicOperations.FixedTimeEquals(Span, other);

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        CryptographicOperations.ZeroMemory(_bytes);
    }

    /// <inheritdoc/>
    public override string ToString() => "(secret)";
}
