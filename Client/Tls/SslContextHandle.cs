using System.Runtime.InteropServices;

namespace Masquerade.Client.Tls;

/// <summary>An SSL_CTX.</summary>
internal sealed class SslContextHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        OpenSslLibrary.SSL_CTX_free(handle);
        return true;
    }
}
