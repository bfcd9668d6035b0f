namespace Masquerade.Auth.Authenticator;

/// <summary>AuthControlledPortControl (IEEE 802.1X-2004 clause 8.2.2.2): who decides whether a port is authorised.</summary>
public enum PortControl : byte
{
    /// <summary>Authentication decides.</summary>
    Auto,

    /// <summary>Everybody is authorised.</summary>
    ForceAuthorised,

    /// <summary>Nobody is authorised.</summary>
    ForceUnauthorised,
}
