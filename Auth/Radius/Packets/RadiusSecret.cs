using System.Security.Cryptography;
using System.Text;

namespace Masquerade.Auth.Radius;

/// <summary>What a RADIUS client and its server share. It is never printed.</summary>
public sealed class RadiusSecret : IDisposable
{
    private readonly byte[] _octets;

    /// <summary>A copy of a secret.</summary>
    /// <param name="octets">1 to 255 octets. RFC 2865 section 3 asks for at least 16, at best random.</param>
    /// <exception cref="ArgumentException">It is empty or too long.</exception>
    public RadiusSecret(ReadOnlySpan<byte> octets)
    {
        if (octets.Length is 0 or > 255)
        {
            throw new ArgumentException("a RADIUS secret has 1 to 255 octets", nameof(octets));
        }

        _octets = octets.ToArray();
    }

    /// <summary>A secret from text.</summary>
    /// <exception cref="ArgumentException">It is empty or too long.</exception>
    public RadiusSecret(string text)
        : this(Encoding.UTF8.GetBytes(text))
    {
    }

    /// <summary>What RADIUS over TLS uses, where TLS protects and this does not matter (RFC 6614 section 2.3).</summary>
    public static RadiusSecret RadSec => new("radsec"u8);

    /// <summary>Whether it is shorter than RFC 2865 section 3 asks for: worth a warning.</summary>
    public bool IsWeak => _octets.Length < 16;

    internal ReadOnlySpan<byte> Octets => _octets;

    /// <summary>Forgets it.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_octets);

    /// <summary>Says nothing.</summary>
    public override string ToString() => "(hidden)";
}
