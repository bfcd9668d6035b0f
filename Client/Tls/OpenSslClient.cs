using System.Runtime.InteropServices;
using Masquerade.Auth.Peer;

namespace Masquerade.Client.Tls;

/// <summary>Makes TLS clients over the system's OpenSSL 3, each for one authentication, and keeps the session of the last good one. One thread.</summary>
public sealed class OpenSslClient : IDisposable
{
    private readonly SslContextHandle _context;
    private readonly OpenSslOptions _options;
    private SslSessionHandle? _session;

    /// <summary>Reads the files.</summary>
    /// <exception cref="ClientException">OpenSSL is missing, or a file is missing or not what it should be.</exception>
    public OpenSslClient(OpenSslOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.AuthorityFile.Length == 0 || options.ServerName.TrimStart('.').Length == 0)
        {
            // Who believes every server tells every server the password.
            throw new ClientException("a server is believed only with an authority and a name to check it by");
        }

        _options = options;
        try
        {
            _context = OpenSslLibrary.SSL_CTX_new(OpenSslLibrary.TLS_client_method());
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            throw new ClientException("OpenSSL 3 is missing (libssl.so.3; Debian: apt-get install libssl3)", e);
        }

        try
        {
            Prepare();
        }
        catch
        {
            _context.Dispose();
            throw;
        }
    }

    /// <summary>A TLS client for one authentication. If there can be none now, it is one that has failed and says why: an authentication that comes to nothing, after which there is another.</summary>
    public ITlsEngine Create()
    {
        if (_context.IsClosed)
        {
            return new FailedEngine("closed");
        }

        var ssl = OpenSslLibrary.SSL_new(_context);
        if (ssl.IsInvalid)
        {
            return new FailedEngine($"OpenSSL gives no connection: {OpenSslLibrary.TakeError()}");
        }

        var (read, write) = (OpenSslLibrary.BIO_new(OpenSslLibrary.BIO_s_mem()), OpenSslLibrary.BIO_new(OpenSslLibrary.BIO_s_mem()));
        if (read == 0 || write == 0)
        {
            _ = OpenSslLibrary.BIO_free(read);
            _ = OpenSslLibrary.BIO_free(write);
            ssl.Dispose();
            return new FailedEngine("OpenSSL gives no memory");
        }

        OpenSslLibrary.SSL_set_bio(ssl, read, write);
        OpenSslLibrary.SSL_set_connect_state(ssl);
        OpenSslLibrary.SSL_set_hostflags(ssl, OpenSslLibrary.NoPartialWildcards | OpenSslLibrary.NeverCheckSubject);
        if (OpenSslLibrary.SSL_set1_host(ssl, _options.ServerName) != 1)
        {
            ssl.Dispose();
            return new FailedEngine("the server's name cannot be one");
        }

        if (_session is { } session)
        {
            _ = OpenSslLibrary.SSL_set_session(ssl, session);
        }

        return new OpenSslEngine(ssl, read, write, this);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _session?.Dispose();
        _context.Dispose();
    }

    internal void Keep(SslSessionHandle? session)
    {
        _session?.Dispose();
        _session = null;
        if (session is not null && _options.Resumes && !session.IsInvalid && OpenSslLibrary.SSL_SESSION_is_resumable(session) == 1)
        {
            _session = session;
        }
        else
        {
            session?.Dispose();
        }
    }

    private unsafe void Prepare()
    {
        if (_context.IsInvalid)
        {
            throw new ClientException($"OpenSSL does not start: {OpenSslLibrary.TakeError()}");
        }

        if (OpenSslLibrary.SSL_CTX_ctrl(_context, OpenSslLibrary.SetMinVersion, OpenSslLibrary.Tls12, 0) != 1
            || OpenSslLibrary.SSL_CTX_ctrl(_context, OpenSslLibrary.SetMaxVersion, _options.AllowTls13 ? OpenSslLibrary.Tls13 : OpenSslLibrary.Tls12, 0) != 1)
        {
            throw new ClientException("OpenSSL does not keep to TLS 1.2 and later");
        }

        _ = OpenSslLibrary.SSL_CTX_ctrl(_context, OpenSslLibrary.SetSessionCacheMode, OpenSslLibrary.CacheClientOutside, 0);
        _ = OpenSslLibrary.SSL_CTX_set_options(_context, OpenSslLibrary.NoRenegotiation);
        OpenSslLibrary.SSL_CTX_set_verify(_context, OpenSslLibrary.VerifyPeer, 0);
        OpenSslLibrary.SSL_CTX_set_default_passwd_cb(_context, &NoPassphrase);
        OpenSslLibrary.ERR_clear_error();
        Must(OpenSslLibrary.SSL_CTX_load_verify_file(_context, _options.AuthorityFile), "the authority", _options.AuthorityFile);
        if (_options.CertificateFile is { } certificate)
        {
            var key = _options.KeyFile ?? certificate;
            Must(OpenSslLibrary.SSL_CTX_use_certificate_chain_file(_context, certificate), "the certificate", certificate);
            Must(OpenSslLibrary.SSL_CTX_use_PrivateKey_file(_context, key, OpenSslLibrary.FileTypePem), "the key", key);
            Must(OpenSslLibrary.SSL_CTX_check_private_key(_context), "the key to the certificate", key);
        }
    }

    // An encrypted key is refused instead of asked about on the terminal.
    [UnmanagedCallersOnly]
    private static unsafe int NoPassphrase(byte* buffer, int size, int forWriting, void* data) => -1;

    private static void Must(int result, string what, string file)
    {
        if (result != 1)
        {
            throw new ClientException($"{what} cannot be used: {file}: {(File.Exists(file) ? OpenSslLibrary.TakeError() : "there is no such file")}");
        }
    }
}
