namespace Masquerade.Core.Control;

/// <summary>Octets that a message carries and only its last reader understands. They may be a key, so they are never written out: <see cref="ToString"/> says how many there are.</summary>
public sealed class Octets : IEquatable<Octets>
{
    private readonly byte[] _octets;

    /// <summary>Makes a copy of some octets.</summary>
    public Octets(ReadOnlySpan<byte> octets) => _octets = octets.ToArray();

    /// <summary>No octets.</summary>
    public static Octets Empty { get; } = new([]);

    /// <summary>The octets.</summary>
    public ReadOnlySpan<byte> Span => _octets;

    /// <summary>How many there are.</summary>
    public int Length => _octets.Length;

    /// <summary>Zeroes them: they were a key that nobody needs any more. Whoever has been given a message owns what is in it.</summary>
    public void Zero() => System.Security.Cryptography.CryptographicOperations.ZeroMemory(_octets);

    /// <inheritdoc/>
    public bool Equals(Octets? other) => other is not null && System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(_octets, other._octets);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Octets);

    /// <inheritdoc/>
    public override int GetHashCode() => _octets.Length < 4 ? _octets.Length : BitConverter.ToInt32(_octets);

    /// <inheritdoc/>
    public override string ToString() => $"({_octets.Length} octets)";
}
