namespace Masquerade.Auth.Peer;

/// <summary>How the password is proved inside an EAP-TTLS tunnel (RFC 5281 section 11.2).</summary>
public enum TunnelMethod : byte
{
    /// <summary>It is told the server (section 11.2.5).</summary>
    Pap = 0,

    /// <summary>MS-CHAP-V2: both sides prove that they know it (section 11.2.4).</summary>
    MsChapV2,
}
