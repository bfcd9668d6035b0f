using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Net.Security;

namespace Masquerade.RoamingCoordinator.Api.Hosting;

/// <summary>The server's certificate from two files, read again when they have changed; connections that are open keep the one they began with.</summary>
internal sealed class ServerCertificate
{
    private readonly string _certificate;
    private readonly string _key;
    private readonly Action<string> _trouble;
    private readonly Lock _gate = new();
    private (DateTime, DateTime) _stamp;
    private SslStreamCertificateContext _current;
    private long _nextLook;

    /// <summary>Reads the files.</summary>
    /// <exception cref="CryptographicException">They are not a certificate and its key.</exception>
    /// <exception cref="IOException">They cannot be read.</exception>
    public ServerCertificate(string certificate, string key, Action<string> trouble)
    {
        _certificate = certificate;
        _key = key;
        _trouble = trouble;
        _stamp = Stamp();
        _current = Load();
    }

    /// <summary>When the present one ends.</summary>
    public DateTimeOffset NotAfter => new(Current().TargetCertificate.NotAfter);

    /// <summary>The present one.</summary>
    public SslStreamCertificateContext Current()
    {
        lock (_gate)
        {
            if (Environment.TickCount64 >= _nextLook)
            {
                _nextLook = Environment.TickCount64 + 1_000;
                var stamp = Stamp();
                if (stamp != _stamp)
                {
                    _stamp = stamp;
                    try
                    {
                        _current = Load();
                    }
                    catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
                    {
                        // Half of a pair may have been replaced so far.
                        _trouble($"{_certificate}: {e.Message}; the certificate that was read before stays in use");
                    }
                }
            }

            return _current;
        }
    }

    private (DateTime, DateTime) Stamp() => (File.GetLastWriteTimeUtc(_certificate), File.GetLastWriteTimeUtc(_key));

    private SslStreamCertificateContext Load()
    {
        using var pem = X509Certificate2.CreateFromPemFile(_certificate, _key);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(_certificate);
        var own = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        return SslStreamCertificateContext.Create(own, [.. chain.Where(c => !string.Equals(c.Thumbprint, own.Thumbprint, StringComparison.Ordinal))], offline: true);
    }
}
