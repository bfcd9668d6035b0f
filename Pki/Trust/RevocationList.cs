using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Masquerade.Pki.Trust;

/// <summary>
/// One authority's list of revoked certificates (RFC 5280 section 5), read and its signature verified. The runtime writes such lists but does not read them, and looks them up
/// only in its own stores; a node has its list in a file.
/// </summary>
public sealed class RevocationList
{
    private const string NumberExtension = "2.5.29.20";

    private readonly Dictionary<string, DateTimeOffset> _revoked;

    private RevocationList(string issuer, BigInteger number, DateTimeOffset made, DateTimeOffset? next, Dictionary<string, DateTimeOffset> revoked)
    {
        Issuer = issuer;
        Number = number;
        Made = made;
        Next = next;
        _revoked = revoked;
    }

    /// <summary>The thumbprint of the authority that signed it.</summary>
    public string Issuer { get; }

    /// <summary>Its number: of two lists of one authority the higher one is right.</summary>
    public BigInteger Number { get; }

    /// <summary>When it was signed.</summary>
    public DateTimeOffset Made { get; }

    /// <summary>When a newer one should be there.</summary>
    public DateTimeOffset? Next { get; }

    /// <summary>How many certificates it names.</summary>
    public int Count => _revoked.Count;

    /// <summary>When a certificate was revoked; null if it was not.</summary>
    /// <param name="serial">In lower-case hexadecimal, without leading zeros.</param>
    public DateTimeOffset? RevokedAt(string serial) => _revoked.TryGetValue(serial, out var at) ? at : null;

    /// <summary>The serial numbers, and when each was revoked.</summary>
    public IEnumerable<(string Serial, DateTimeOffset At)> Entries => _revoked.Select(e => (e.Key, e.Value));

    /// <summary>Reads a list in DER and finds the authority that signed it. False, and why, if that cannot be done.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> der, IReadOnlyList<X509Certificate2> authorities, out RevocationList? list, out string error)
    {
        list = null;
        try
        {
            var whole = new AsnReader(der, AsnEncodingRules.DER);
            var outer = whole.ReadSequence();
            whole.ThrowIfNotEmpty();
            var signed = outer.PeekEncodedValue();
            var body = outer.ReadSequence();
            var algorithm = outer.ReadSequence().ReadObjectIdentifier();
            var signature = outer.ReadBitString(out _);
            outer.ThrowIfNotEmpty();

            if (body.PeekTag().HasSameClassAndValue(Asn1Tag.Integer))
            {
                body.ReadInteger();
            }

            body.ReadSequence();
            var issuerName = body.ReadEncodedValue();
            var issuer = authorities.FirstOrDefault(a => a.SubjectName.RawData.AsSpan().SequenceEqual(issuerName.Span) && IsSignedBy(a, signed.Span, algorithm, signature));
            if (issuer is null)
            {
                error = "not signed by an authority of this site";
                return false;
            }

            var made = ReadTime(body);
            DateTimeOffset? next = body.HasData && IsTime(body.PeekTag()) ? ReadTime(body) : null;
            var revoked = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);
            if (body.HasData && body.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence))
            {
                var entries = body.ReadSequence();
                while (entries.HasData)
                {
                    var entry = entries.ReadSequence();
                    revoked[CertificateDetails.Serial(entry.ReadIntegerBytes().Span)] = ReadTime(entry);
                }
            }

            list = new RevocationList(issuer.Thumbprint, ReadNumber(body), made, next, revoked);
            error = string.Empty;
            return true;
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            error = $"not a revocation list: {e.Message}";
            return false;
        }
    }

    private static bool IsSignedBy(X509Certificate2 authority, ReadOnlySpan<byte> signed, string algorithm, ReadOnlySpan<byte> signature)
    {
        // RFC 5758 section 3.2.
        HashAlgorithmName? hash = algorithm switch
        {
            "1.2.840.10045.4.3.2" => HashAlgorithmName.SHA256,
            "1.2.840.10045.4.3.3" => HashAlgorithmName.SHA384,
            "1.2.840.10045.4.3.4" => HashAlgorithmName.SHA512,
            _ => null,
        };
        using var key = authority.GetECDsaPublicKey();
        return key is not null && hash is { } name && key.VerifyData(signed, signature, name, DSASignatureFormat.Rfc3279DerSequence);
    }

    private static BigInteger ReadNumber(AsnReader body)
    {
        if (!body.HasData)
        {
            return BigInteger.Zero;
        }

        var extensions = body.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 0, isConstructed: true)).ReadSequence();
        while (extensions.HasData)
        {
            var extension = extensions.ReadSequence();
            var kind = extension.ReadObjectIdentifier();
            if (extension.PeekTag().HasSameClassAndValue(Asn1Tag.Boolean))
            {
                extension.ReadBoolean();
            }

            if (kind is NumberExtension)
            {
                return new AsnReader(extension.ReadOctetString(), AsnEncodingRules.DER).ReadInteger();
            }
        }

        return BigInteger.Zero;
    }

    private static bool IsTime(Asn1Tag tag) => tag.HasSameClassAndValue(Asn1Tag.UtcTime) || tag.HasSameClassAndValue(Asn1Tag.GeneralizedTime);

    private static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();
}
