namespace Masquerade.Auth.KeyHolder;

/// <summary>Why a session ended: Acct-Terminate-Cause (RFC 2866 section 5.10, RFC 3580 section 2.2).</summary>
public enum TerminateCause : uint
{
    /// <summary>The client said goodbye.</summary>
    UserRequest = 1,

    /// <summary>Its link is gone.</summary>
    LostCarrier = 2,

    /// <summary>Nothing was heard of it for as long as Idle-Timeout says.</summary>
    IdleTimeout = 4,

    /// <summary>Session-Timeout is over.</summary>
    SessionTimeout = 5,

    /// <summary>An operator or the server (Disconnect-Request) ended it.</summary>
    AdminReset = 6,

    /// <summary>The site is being shut down.</summary>
    AdminReboot = 7,

    /// <summary>An error of ours.</summary>
    NasError = 9,

    /// <summary>Another session of this client took its place.</summary>
    NasRequest = 10,

    /// <summary>It could not authenticate again.</summary>
    ReauthenticationFailure = 20,
}
