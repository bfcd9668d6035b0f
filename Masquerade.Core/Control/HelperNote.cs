namespace Masquerade.Core.Control;

/// <summary>
/// What an application helper at a FAM knows of a connection and the next FAM needs to go on with it. Only FAMs read it; everybody else keeps it with the connection as it is.
/// </summary>
public sealed class HelperNote : IEquatable<HelperNote>
{
    /// <summary>The most octets of a note.</summary>
    public const int MaxLength = 640;

    private readonly byte[] _octets;

    /// <summary>Makes a note of some octets, at most <see cref="MaxLength"/>; they are copied.</summary>
    /// <exception cref="ArgumentException">There are too many.</exception>
    public HelperNote(ReadOnlySpan<byte> octets)
    {
        if (octets.Length > MaxLength)
        {
            throw new ArgumentException($"a note has at most {MaxLength} octets", nameof(octets));
        }

        _octets = octets.ToArray();
    }

    /// <summary>The octets.</summary>
    public ReadOnlySpan<byte> Octets => _octets;

    /// <summary>How much room it takes in a message, in connections.</summary>
    public int Weight => (_octets.Length + 3 + MessageSize.Connection - 1) / MessageSize.Connection;

    /// <inheritdoc/>
    public bool Equals(HelperNote? other) => other is not null && Octets.SequenceEqual(other.Octets);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as HelperNote);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = _octets.Length;
        foreach (var octet in _octets)
        {
            hash = unchecked((hash * 31) + octet);
        }

        return hash;
    }
}
