using System.Runtime.InteropServices;

namespace Masquerade.Client.Tls;

/// <summary>An SSL, which owns its two BIOs.</summary>
internal sealed class SslHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        OpenSslLibrary.SSL_free(handle);
        return true;
    }
}
