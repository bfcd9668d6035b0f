namespace Masquerade.Auth.Authenticator;

/// <summary>States of the authenticator PAE state machine (IEEE 802.1X-2004 clause 8.2.4, figure 8-8).</summary>
public enum PaeState : byte
{
    /// <summary>Before anything.</summary>
    Initialize,

    /// <summary>No session. Entered by anything but a beginning, the port is done with and forgotten.</summary>
    Disconnected,

    /// <summary>The EAP layer is told to begin anew.</summary>
    Restart,

    /// <summary>Waiting for the EAP layer's first request.</summary>
    Connecting,

    /// <summary>The backend state machine is at work.</summary>
    Authenticating,

    /// <summary>The client is who it says.</summary>
    Authenticated,

    /// <summary>The backend state machine is told to stop.</summary>
    Aborting,

    /// <summary>The client has failed; it is not heard for quietPeriod.</summary>
    Held,

    /// <summary>The operator says: authorised.</summary>
    ForceAuth,

    /// <summary>The operator says: not authorised.</summary>
    ForceUnauth,
}
