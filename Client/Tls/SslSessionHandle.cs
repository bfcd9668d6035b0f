using System.Runtime.InteropServices;

namespace Masquerade.Client.Tls;

/// <summary>An SSL_SESSION.</summary>
internal sealed class SslSessionHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        OpenSslLibrary.SSL_SESSION_free(handle);
        return true;
    }
}
