namespace Masquerade.Client.Run;

/// <summary>How the user authenticates.</summary>
public enum ClientMethod
{
    /// <summary>EAP-TLS: by a certificate.</summary>
    Tls = 0,

    /// <summary>EAP-TTLS with PAP: the server is told the password.</summary>
    TtlsPap,

    /// <summary>EAP-TTLS with MS-CHAP-V2: both prove that they know the password.</summary>
    TtlsMsChapV2,
}
