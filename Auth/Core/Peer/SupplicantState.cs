namespace Masquerade.Auth.Peer;

/// <summary>Where a supplicant is (the supplicant PAE of IEEE 802.1X-2004 clause 8.2.11, without the states that it only passes).</summary>
public enum SupplicantState : byte
{
    /// <summary>The link is down.</summary>
    Disconnected = 0,

    /// <summary>It asks for an authenticator.</summary>
    Connecting,

    /// <summary>It answers one.</summary>
    Authenticating,

    /// <summary>The authenticator has let it in, or an access point has proved the session.</summary>
    Authenticated,

    /// <summary>It was rejected and waits.</summary>
    Held,

    /// <summary>It has logged off, for good.</summary>
    LoggedOff,
}
