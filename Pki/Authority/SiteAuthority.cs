using System.Net;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Masquerade.Pki.Authority;

/// <summary>
/// The site's certification authority: an ECDSA P-256 key that signs the certificates of agents and coordinators, and the list of those that were revoked. It signs nothing
/// else, and nothing below it signs (path length 0).
/// </summary>
public sealed class SiteAuthority : IDisposable
{
    /// <summary>Days that an authority is good for unless said otherwise.</summary>
    public const int DefaultAuthorityDays = 3_650;

    /// <summary>Days that a node's certificate is good for unless said otherwise.</summary>
    public const int DefaultNodeDays = 365;

    /// <summary>Days after which a revocation list should have been followed by another.</summary>
    public const int ListDays = 365;

    private const int SerialOctets = 16;

    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientAuthentication = new("1.3.6.1.5.5.7.3.2");

    /// <summary>Certificates begin this much before they are made: clocks of a site are not all right.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(5);

    private SiteAuthority(X509Certificate2 certificate) => Certificate = certificate;

    /// <summary>The authority's certificate, with its private key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Makes a new authority with a key of its own.</summary>
    /// <param name="site">The site's name, for people.</param>
    /// <param name="now">The time.</param>
    /// <param name="lifetime">How long it is good for.</param>
    public static SiteAuthority Create(string site, DateTimeOffset now, TimeSpan lifetime)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedNameBuilder();
        name.AddOrganizationName("Masquerade");
        name.AddCommonName(site + " site authority " + CertificateDetails.Serial(RandomNumberGenerator.GetBytes(4)));
        var request = new CertificateRequest(name.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return new SiteAuthority(request.CreateSelfSigned(now - ClockSkew, now + lifetime));
    }

    /// <summary>Takes up an authority that was made before, from PEM texts.</summary>
    /// <exception cref="CryptographicException">The texts do not belong together.</exception>
    public static SiteAuthority Load(string certificate, string key) => new(X509Certificate2.CreateFromPem(certificate, key));

    /// <summary>Makes a key for a node and signs a certificate for it.</summary>
    /// <param name="identity">Who the node is.</param>
    /// <param name="dns">DNS names under which it is dialled.</param>
    /// <param name="addresses">IP addresses under which it is dialled.</param>
    /// <param name="now">The time.</param>
    /// <param name="lifetime">How long the certificate is good for; never longer than the authority's own.</param>
    public X509Certificate2 Issue(SiteIdentity identity, IReadOnlyList<string> dns, IReadOnlyList<IPAddress> addresses, DateTimeOffset now, TimeSpan lifetime)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(NameOf(identity), key, HashAlgorithmName.SHA256);
        using var bare = Sign(request, identity, dns, addresses, now, lifetime);
        return bare.CopyWithPrivateKey(key);
    }

    /// <summary>Signs a certificate for a node whose key is its own: only the public key is taken from the request, and only after the request's signature has proven that the node has the private one.</summary>
    /// <param name="signingRequest">A PKCS #10 request in PEM (RFC 2986), signed by an ECDSA P-256 key.</param>
    /// <param name="identity">Who the node is; what the request says about it does not count.</param>
    /// <param name="dns">DNS names under which it is dialled.</param>
    /// <param name="addresses">IP addresses under which it is dialled.</param>
    /// <param name="now">The time.</param>
    /// <param name="lifetime">How long the certificate is good for.</param>
    /// <exception cref="CryptographicException">The request cannot be read, or its key is of another kind.</exception>
    public X509Certificate2 IssueFor(
        string signingRequest, SiteIdentity identity, IReadOnlyList<string> dns, IReadOnlyList<IPAddress> addresses, DateTimeOffset now, TimeSpan lifetime)
    {
        var asked = CertificateRequest.LoadSigningRequestPem(signingRequest, HashAlgorithmName.SHA256);
        using var key = asked.PublicKey.GetECDsaPublicKey();
        if (key is not { KeySize: 256 })
        {
            throw new CryptographicException("the request's key is not an ECDSA key on P-256");
        }

        return Sign(new CertificateRequest(NameOf(identity), asked.PublicKey, HashAlgorithmName.SHA256), identity, dns, addresses, now, lifetime);
    }

    /// <summary>Makes a key for a node and asks for a certificate with it. The key never leaves the node.</summary>
    public static (string Request, string Key) Ask(SiteIdentity identity)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(NameOf(identity), key, HashAlgorithmName.SHA256);
        return (request.CreateSigningRequestPem(), key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>Signs the list of revoked certificates (RFC 5280 section 5), in PEM.</summary>
    /// <param name="revoked">Serial numbers in hexadecimal, and when each was revoked.</param>
    /// <param name="number">The list's number; each one is higher than the one before.</param>
    /// <param name="now">The time.</param>
    public string SignList(IEnumerable<(string Serial, DateTimeOffset At)> revoked, BigInteger number, DateTimeOffset now)
    {
        var builder = new CertificateRevocationListBuilder();
        foreach (var (serial, at) in revoked)
        {
            builder.AddEntry(Convert.FromHexString(serial.Length % 2 == 0 ? serial : "0" + serial), at);
        }

        var end = now + TimeSpan.FromDays(ListDays);
        return PemEncoding.WriteString("X509 CRL", builder.Build(Certificate, number, end, HashAlgorithmName.SHA256, thisUpdate: now - ClockSkew));
    }

    /// <inheritdoc/>
    public void Dispose() => Certificate.Dispose();

    private static X500DistinguishedName NameOf(SiteIdentity identity)
    {
        var name = new X500DistinguishedNameBuilder();
        name.AddOrganizationName("Masquerade");
        name.AddOrganizationalUnitName(SiteIdentity.Word(identity.Role));
        name.AddCommonName(identity.Name.Name!);
        return name.Build();
    }

    private X509Certificate2 Sign(
        CertificateRequest request, SiteIdentity identity, IReadOnlyList<string> dns, IReadOnlyList<IPAddress> addresses, DateTimeOffset now, TimeSpan lifetime)
    {
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([identity.Role == SiteRole.Agent ? ClientAuthentication : ServerAuthentication], critical: false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(identity.Uri));
        foreach (var name in dns)
        {
            names.AddDnsName(name);
        }

        foreach (var address in addresses)
        {
            names.AddIpAddress(address);
        }

        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(Certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));

        // What begins before its authority, or outlives it, would be good for nobody.
        var (first, last) = (new DateTimeOffset(Certificate.NotBefore), new DateTimeOffset(Certificate.NotAfter));
        var begin = now - ClockSkew < first ? first : now - ClockSkew;
        var end = now + lifetime > last ? last : now + lifetime;
        return request.Create(Certificate, begin, end, SerialNumber());
    }

    private static byte[] SerialNumber()
    {
        // Positive and of full length (RFC 5280 section 4.1.2.2).
        var octets = RandomNumberGenerator.GetBytes(SerialOctets);
        octets[0] = (byte)((octets[0] & 0x7F) | 0x40);
        return octets;
    }
}
