using Masquerade.Core.Control;

namespace Masquerade.Auth.Authenticator;

/// <summary>What the server, or who stands for it, says to an EAP response.</summary>
public readonly ref struct ServerAnswer
{
    /// <summary>The exchange that was asked about.</summary>
    public required ulong Exchange { get; init; }

    /// <summary>What is said.</summary>
    public required EapOutcome Outcome { get; init; }

    /// <summary>
    /// With <see cref="EapOutcome.Continue"/> the EAP request for the client. With the others it is not looked at: the outcome decides (RFC 3579 section 2.6.3), and the
    /// client is sent the Success or Failure that goes with it.
    /// </summary>
    public ReadOnlySpan<byte> Eap { get; init; }

    /// <summary>
    /// Session-Timeout in seconds, 0 for none. With <see cref="EapOutcome.Accept"/> how long the session lasts (RFC 3580 section 3.17); with
    /// <see cref="EapOutcome.Continue"/> how long to wait for the response.
    /// </summary>
    public uint SessionTimeout { get; init; }

    /// <summary>Termination-Action: whether the client authenticates again when the session's time is over (RFC 3580 section 3.19), instead of being disconnected.</summary>
    public bool ReauthenticateAtEnd { get; init; }
}
