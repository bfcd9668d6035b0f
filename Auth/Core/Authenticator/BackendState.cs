namespace Masquerade.Auth.Authenticator;

/// <summary>
/// States of the backend authentication state machine (IEEE 802.1X-2004 clause 8.2.9, figure 8-14). IGNORE is not among them: a response that would lead there is
/// dropped before the machine hears of it.
/// </summary>
public enum BackendState : byte
{
    /// <summary>Stopped.</summary>
    Initialize,

    /// <summary>Nothing under way.</summary>
    Idle,

    /// <summary>A request is out; the client's turn.</summary>
    Request,

    /// <summary>A response was passed on; the server's turn.</summary>
    Response,

    /// <summary>The server has accepted.</summary>
    Success,

    /// <summary>The server has rejected.</summary>
    Fail,

    /// <summary>Client or server did not answer in time.</summary>
    Timeout,
}
