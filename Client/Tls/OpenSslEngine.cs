using System.Runtime.InteropServices;
using System.Text;
using Masquerade.Auth.Peer;

namespace Masquerade.Client.Tls;

/// <summary>One TLS client of OpenSSL, over two BIOs in memory.</summary>
internal sealed unsafe class OpenSslEngine : ITlsEngine
{
    private readonly SslHandle _ssl;
    private readonly nint _read;
    private readonly nint _write;
    private readonly OpenSslClient _owner;

    internal OpenSslEngine(SslHandle ssl, nint read, nint write, OpenSslClient owner) => (_ssl, _read, _write, _owner) = (ssl, read, write, owner);

    public TlsEngineState State { get; private set; }

    public EapPeerFailure Failure { get; private set; }

    public string Detail { get; private set; } = string.Empty;

    public bool IsTls13 { get; private set; }

    public bool IsResumed { get; private set; }

    public int Pending => _ssl.IsClosed ? 0 : (int)OpenSslLibrary.BIO_ctrl_pending(_write);

    public void Begin() => Shake();

    public void Receive(ReadOnlySpan<byte> octets)
    {
        if (State == TlsEngineState.Failed || octets.IsEmpty || _ssl.IsClosed)
        {
            // The BIOs go with the connection.
            return;
        }

        fixed (byte* start = octets)
        {
            if (OpenSslLibrary.BIO_write(_read, start, octets.Length) != octets.Length)
            {
                Fail(EapPeerFailure.Tls, "no memory");
                return;
            }
        }

        if (State == TlsEngineState.Negotiating)
        {
            Shake();
        }
    }

    public int Drain(Span<byte> destination)
    {
        fixed (byte* start = destination)
        {
            return destination.IsEmpty || _ssl.IsClosed ? 0 : Math.Max(0, OpenSslLibrary.BIO_read(_write, start, destination.Length));
        }
    }

    public int Read(Span<byte> plain)
    {
        if (State != TlsEngineState.Established || _ssl.IsClosed)
        {
            return 0;
        }

        OpenSslLibrary.ERR_clear_error();
        int length;
        fixed (byte* start = plain)
        {
            length = OpenSslLibrary.SSL_read(_ssl, start, plain.Length);
        }

        if (length > 0)
        {
            return length;
        }

        if (OpenSslLibrary.SSL_get_error(_ssl, length) != OpenSslLibrary.ErrorWantRead)
        {
            // An alert, such as about the client's certificate, which with TLS 1.3 comes after the handshake; or the end of the session.
            Fail(EapPeerFailure.Tls, OpenSslLibrary.TakeError());
        }

        return 0;
    }

    public bool Write(ReadOnlySpan<byte> plain)
    {
        if (State != TlsEngineState.Established || plain.IsEmpty || _ssl.IsClosed)
        {
            return false;
        }

        OpenSslLibrary.ERR_clear_error();
        fixed (byte* start = plain)
        {
            return OpenSslLibrary.SSL_write(_ssl, start, plain.Length) == plain.Length;
        }
    }

    public bool TryExport(string label, ReadOnlySpan<byte> context, Span<byte> material)
    {
        if (State != TlsEngineState.Established || _ssl.IsClosed)
        {
            return false;
        }

        OpenSslLibrary.ERR_clear_error();
        fixed (byte* output = material, input = context)
        {
            return OpenSslLibrary.SSL_export_keying_material(
                _ssl, output, (nuint)material.Length, label, (nuint)Encoding.UTF8.GetByteCount(label), input, (nuint)context.Length, context.IsEmpty ? 0 : 1) == 1;
        }
    }

    public void Conclude(bool isGood)
    {
        if (_ssl.IsClosed)
        {
            return;
        }

        // Without a shutdown OpenSSL takes the session for broken. EAP has no use for close_notify.
        OpenSslLibrary.SSL_set_shutdown(_ssl, OpenSslLibrary.ShutDownBoth);
        _owner.Keep(isGood && State == TlsEngineState.Established ? OpenSslLibrary.SSL_get1_session(_ssl) : null);
    }

    public void Dispose() => _ssl.Dispose();

    private void Shake()
    {
        if (_ssl.IsClosed)
        {
            Fail(EapPeerFailure.Tls, "closed");
            return;
        }

        OpenSslLibrary.ERR_clear_error();
        var result = OpenSslLibrary.SSL_do_handshake(_ssl);
        if (result == 1)
        {
            Establish();
        }
        else if (OpenSslLibrary.SSL_get_error(_ssl, result) != OpenSslLibrary.ErrorWantRead)
        {
            var verdict = OpenSslLibrary.SSL_get_verify_result(_ssl);
            if (verdict != 0)
            {
                OpenSslLibrary.ERR_clear_error();
                Fail(EapPeerFailure.ServerNotTrusted, Words(verdict));
            }
            else
            {
                Fail(EapPeerFailure.Tls, OpenSslLibrary.TakeError());
            }
        }
    }

    private void Establish()
    {
        // Verification has failed the handshake already; a resumed session keeps the verdict of the first.
        var verdict = OpenSslLibrary.SSL_get_verify_result(_ssl);
        if (verdict != 0)
        {
            Fail(EapPeerFailure.ServerNotTrusted, Words(verdict));
            return;
        }

        State = TlsEngineState.Established;
        IsTls13 = OpenSslLibrary.SSL_version(_ssl) >= OpenSslLibrary.Tls13;
        IsResumed = OpenSslLibrary.SSL_session_reused(_ssl) == 1;
    }

    private void Fail(EapPeerFailure failure, string detail)
    {
        State = TlsEngineState.Failed;
        Failure = failure;
        Detail = detail;
    }

    private static string Words(nint verdict) => Marshal.PtrToStringUTF8(OpenSslLibrary.X509_verify_cert_error_string(verdict)) ?? "not trusted";
}
