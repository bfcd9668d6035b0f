using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Masquerade.Lab.FreeRadius;

/// <summary>A certification authority for one run, and certificates from it.</summary>
public sealed class RadiusCertificates : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _authority;

    /// <summary>A fresh authority.</summary>
    public RadiusCertificates()
    {
        var request = new CertificateRequest("CN=Laboratory authority", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        _authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
    }

    /// <summary>The authority's certificate, without its key.</summary>
    public X509Certificate2 Authority => X509CertificateLoader.LoadCertificate(_authority.RawData);

    /// <summary>The authority's certificate as PEM.</summary>
    public string AuthorityPem => _authority.ExportCertificatePem();

    /// <summary>A certificate for a name, as server and as client.</summary>
    public X509Certificate2 Issue(string name) => Issue(name, DateTimeOffset.UtcNow.AddDays(29));

    /// <summary>The same, until a time of the test's choice; it begins a day ago.</summary>
    public X509Certificate2 Issue(string name, DateTimeOffset until)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = Sign(new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256), name, until);
        return certificate.CopyWithPrivateKey(key);
    }

    /// <summary>One with an RSA key of 2,048 bits, as most RADIUS servers have.</summary>
    public X509Certificate2 IssueRsa(string name)
    {
        using var key = RSA.Create(2_048);
        using var certificate = Sign(new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), name, DateTimeOffset.UtcNow.AddDays(29));
        return certificate.CopyWithPrivateKey(key);
    }

    /// <summary>Writes a certificate for a user and its key as PEM files NAME.pem and NAME.key.</summary>
    public void Write(string directory, string name)
    {
        using var certificate = Issue(name);
        Write(directory, name, certificate);
    }

    /// <summary>The same with a certificate that there is.</summary>
    public static void Write(string directory, string name, X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        using var key = (AsymmetricAlgorithm?)certificate.GetECDsaPrivateKey() ?? certificate.GetRSAPrivateKey()!;
        File.WriteAllText(Path.Combine(directory, name + ".pem"), certificate.ExportCertificatePem() + "\n");
        File.WriteAllText(Path.Combine(directory, name + ".key"), key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _authority.Dispose();
        _key.Dispose();
    }

    private X509Certificate2 Sign(CertificateRequest request, string name, DateTimeOffset until)
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        return request.Create(_authority.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), DateTimeOffset.UtcNow.AddDays(-1), until, RandomNumberGenerator.GetBytes(12));
    }
}
