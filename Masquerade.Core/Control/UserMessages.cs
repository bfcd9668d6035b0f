using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>What the key holder says to an EAP message of a supplicant.</summary>
public enum EapOutcome : byte
{
    /// <summary>The exchange goes on with the EAP request that comes along.</summary>
    Continue = 0,

    /// <summary>The user is who he says; the user session comes along.</summary>
    Accept = 1,

    /// <summary>He is not, or may not.</summary>
    Reject = 2,

    /// <summary>No server answers, or too much is under way: nothing is said about the user.</summary>
    Unavailable = 3,
}

/// <summary>How an access point knows that a client is the one whose user session it has.</summary>
public enum SessionProof : byte
{
    /// <summary>It does not: nothing of the client passes.</summary>
    None = 0,

    /// <summary>The client authenticated here, by EAP.</summary>
    Eap = 1,

    /// <summary>It proved the access point's key by the 4-way handshake.</summary>
    Handshake = 2,

    /// <summary>The access point's link layer proved a key of its own.</summary>
    Link = 3,

    /// <summary>The policy trusts this MAC address by name.</summary>
    Trusted = 4,

    /// <summary>The session is over: its time, its idle time, or the client has logged off or was refused.</summary>
    Over = 5,
}

/// <summary>What an access point needs to know of a client's user session, and no more (decision 28).</summary>
public sealed record UserSession
{
    /// <summary>Octets of a session's identity.</summary>
    public const int IdLength = 16;

    /// <summary>Octets of an access point key.</summary>
    public const int KeyLength = 32;

    /// <summary>Octets of the name of a policy's text: its SHA-256.</summary>
    public const int PolicyLength = 32;

    /// <summary>The session: drawn by the key holder, never used again. <see cref="IdLength"/> octets.</summary>
    public required Octets Session { get; init; }

    /// <summary>The user; at most <see cref="ControlLimits.MaxReasonLength"/> characters.</summary>
    public required string User { get; init; }

    /// <summary>The key that lets this access point, and no other, make link keys with the client: <see cref="KeyLength"/> octets, or none where links are not protected.</summary>
    public required Octets Key { get; init; }

    /// <summary>What the user may do: the name of a text that <see cref="PolicyQuery"/> gets. <see cref="PolicyLength"/> octets.</summary>
    public required Octets Policy { get; init; }

    /// <summary>For how many seconds it holds; 0: it does not end by itself.</summary>
    public uint SecondsLeft { get; init; }

    /// <summary>After how many seconds without a packet it ends; 0: it does not.</summary>
    public uint IdleSeconds { get; init; }

    /// <summary>Whether the MAC address is trusted by name, so that nothing has to be proved.</summary>
    public bool IsTrusted { get; init; }

    /// <summary>The part of the network that the user belongs to; empty: no particular one.</summary>
    public string Segment { get; init; } = string.Empty;

    /// <summary>Whether the client has had a protected link in this session: then it is let in nowhere without one.</summary>
    public bool IsProtected { get; init; }
}

/// <summary>Agent → coordinator (repeated until answered): what a client says by EAP.</summary>
public sealed record EapFromClient : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The exchange: the access point's number of this authentication.</summary>
    public required ulong Exchange { get; init; }

    /// <summary>The EAP response, whole; at most <see cref="ControlLimits.MaxEap"/> octets.</summary>
    public required Octets Eap { get; init; }
}

/// <summary>Coordinator → agent, answer to <see cref="EapFromClient"/>.</summary>
public sealed record EapToClient : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The exchange.</summary>
    public required ulong Exchange { get; init; }

    /// <summary>What is said.</summary>
    public required EapOutcome Outcome { get; init; }

    /// <summary>The EAP message for the client; empty if there is none.</summary>
    public required Octets Eap { get; init; }

    /// <summary>With <see cref="EapOutcome.Accept"/> the user session; null otherwise.</summary>
    public UserSession? Session { get; init; }
}

/// <summary>Agent → coordinator (repeated until answered): a client has appeared whose user is not known here. It moves nothing.</summary>
public sealed record UserSessionQuery : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The session that is remembered of it here, <see cref="UserSession.IdLength"/> octets; empty: none is.</summary>
    public Octets Known { get; init; } = Octets.Empty;
}

/// <summary>Coordinator → agent, answer to <see cref="UserSessionQuery"/>.</summary>
public sealed record UserSessionReply : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>Its user session; null: it has none, and must authenticate.</summary>
    public UserSession? Session { get; init; }

    /// <summary>The session that was remembered, if it is known to be over, <see cref="UserSession.IdLength"/> octets: nothing of the client passes by it any more. Empty: it holds, or nothing is known of it.</summary>
    public Octets Ended { get; init; } = Octets.Empty;

    /// <summary>Why it is over, for logs; at most <see cref="ControlLimits.MaxReasonLength"/> characters.</summary>
    public string Reason { get; init; } = string.Empty;
}

/// <summary>Agent → coordinator (repeated until answered): the text of a policy.</summary>
public sealed record PolicyQuery : ControlMessage
{
    /// <summary>Its name, <see cref="UserSession.PolicyLength"/> octets.</summary>
    public required Octets Policy { get; init; }
}

/// <summary>Coordinator → agent, answer to <see cref="PolicyQuery"/>.</summary>
public sealed record PolicyReply : ControlMessage
{
    /// <summary>Its name.</summary>
    public required Octets Policy { get; init; }

    /// <summary>The text in UTF-8, at most <see cref="ControlLimits.MaxPolicy"/> octets, whose SHA-256 is the name; empty: it is not known (any more).</summary>
    public required Octets Text { get; init; }
}

/// <summary>Coordinator → agent (repeated until acknowledged): a client's user session is another one, has another policy, or has ended.</summary>
public sealed record UserSessionChange : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The session that this is about; who has another one for the client leaves it as it is.</summary>
    public required Octets Session { get; init; }

    /// <summary>What it is from now on; null: it has ended.</summary>
    public UserSession? Now { get; init; }

    /// <summary>Why, for logs; at most <see cref="ControlLimits.MaxReasonLength"/> characters.</summary>
    public required string Reason { get; init; }
}

/// <summary>Agent → coordinator: how a user session is used here. Answered by <see cref="Ack"/>.</summary>
public sealed record UserSessionUsed : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The session.</summary>
    public required Octets Session { get; init; }

    /// <summary>How the access point knows the client; <see cref="SessionProof.None"/>: the session is used here no more.</summary>
    public required SessionProof Proof { get; init; }

    /// <summary>Octets from the client since the last message that was acknowledged.</summary>
    public ulong OctetsFrom { get; init; }

    /// <summary>Octets to the client.</summary>
    public ulong OctetsTo { get; init; }

    /// <summary>Packets from the client.</summary>
    public ulong PacketsFrom { get; init; }

    /// <summary>Packets to the client.</summary>
    public ulong PacketsTo { get; init; }

    /// <summary>The policy by which the client's packets are judged, <see cref="UserSession.PolicyLength"/> octets: who has missed a change is told again. Empty: it is not said.</summary>
    public Octets Policy { get; init; } = Octets.Empty;
}

/// <summary>Coordinator → agent (repeated until acknowledged): all user sessions of a user have ended.</summary>
public sealed record UserDenied : ControlMessage
{
    /// <summary>The user.</summary>
    public required string User { get; init; }
}
