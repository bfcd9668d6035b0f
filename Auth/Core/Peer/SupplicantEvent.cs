using Masquerade.Auth.Handshake;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Peer;

/// <summary>Something that has happened to a supplicant.</summary>
public sealed record SupplicantEvent(SupplicantEventKind Kind)
{
    /// <summary>The authenticator's MAC address; none if it is about nobody.</summary>
    public MacAddress AccessPoint { get; init; }

    /// <summary>The access point's name, once it has proved it.</summary>
    public NodeId Node { get; init; }

    /// <summary>Why an authentication came to nothing.</summary>
    public EapPeerFailure Failure { get; init; }

    /// <summary>Why a handshake did.</summary>
    public HandshakeFailure Handshake { get; init; }

    /// <summary>More about it, for people. May contain what others have sent.</summary>
    public string Detail { get; init; } = string.Empty;

    /// <summary>Whether the authentication went on from an earlier TLS session.</summary>
    public bool IsResumed { get; init; }

    /// <summary>Whether there was an authentication before the link was protected; else the session was enough.</summary>
    public bool WithEap { get; init; }

    /// <summary>How long it took, from when the link came up or the first frame.</summary>
    public TimeSpan Took { get; init; }

    /// <summary>EAPOL frames that the client has sent for it.</summary>
    public int FramesSent { get; init; }

    /// <summary>EAPOL frames that it has received for it.</summary>
    public int FramesReceived { get; init; }
}
