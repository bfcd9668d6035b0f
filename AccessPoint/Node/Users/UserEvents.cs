using Masquerade.Auth.Handshake;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Users;

/// <summary>A client is let in.</summary>
/// <param name="Client">The client.</param>
/// <param name="User">Its user.</param>
/// <param name="Proof">How it is known that it is the user's.</param>
public sealed record ClientAdmitted(MacAddress Client, string User, SessionProof Proof) : EngineEvent;

/// <summary>The coordinator has not given a policy that users here have, or it cannot be read: nothing of their clients passes.</summary>
/// <param name="Policy">The SHA-256 of its text.</param>
public sealed record PolicyUnusable(string Policy) : EngineEvent;

/// <summary>A client is let in no more.</summary>
/// <param name="Client">The client.</param>
/// <param name="User">Its user.</param>
/// <param name="Reason">Why.</param>
public sealed record ClientShutOut(MacAddress Client, string User, string Reason) : EngineEvent;

/// <summary>A client's link layer has proved the key of another user than the session is of: it is not let in by that.</summary>
/// <param name="Client">The client.</param>
/// <param name="User">The session's user.</param>
/// <param name="LinkUser">The key's.</param>
public sealed record LinkOfAnother(MacAddress Client, string User, string LinkUser) : EngineEvent;

/// <summary>A client's link, which proves itself (<see cref="UsersConfig.AskLink"/>), is good for nothing any more: whoever keeps it should end it, so that the client authenticates anew.</summary>
/// <param name="Client">The client.</param>
/// <param name="Reason">Why.</param>
public sealed record LinkUnwanted(MacAddress Client, string Reason) : EngineEvent;

/// <summary>The link of a client is protected from now on: nothing passes in the clear.</summary>
/// <param name="Client">The client.</param>
/// <param name="User">Its user.</param>
public sealed record LinkProtected(MacAddress Client, string User) : EngineEvent;

/// <summary>A client that must have a protected link has not proved its key.</summary>
/// <param name="Client">The client.</param>
/// <param name="User">Its user.</param>
/// <param name="Failure">Why.</param>
public sealed record HandshakeFailed(MacAddress Client, string User, HandshakeFailure Failure) : EngineEvent;

/// <summary>A client has sent from, or claimed, an address that is not its own; not told again for a minute.</summary>
/// <param name="Client">The client.</param>
/// <param name="User">Its user.</param>
/// <param name="Address">The address.</param>
public sealed record AddressClaimRefused(MacAddress Client, string User, IpAddress Address) : EngineEvent;
