using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>Where the effects of a <see cref="CoordinatorCore"/> go.</summary>
public interface ICoordinatorOutput
{
    /// <summary>Send a message to a session. It may get lost with the session; what matters is repeated.</summary>
    void Send(ulong session, ControlMessage message);

    /// <summary>End a session after what has been sent to it.</summary>
    void Close(ulong session, string reason);

    /// <summary>Something an operator may want to know has happened.</summary>
    void Report(CoordinatorEvent coordinatorEvent);
}

/// <summary>Something an operator may want to know.</summary>
public abstract record CoordinatorEvent;

/// <summary>A node's session is up.</summary>
public sealed record NodeUp(NodeId Node, ulong Incarnation, bool Restarted) : CoordinatorEvent;

/// <summary>A node's session is down.</summary>
public sealed record NodeDown(NodeId Node, string Reason) : CoordinatorEvent;

/// <summary>More was to be said to a node than may wait; it has been thrown away, and the node starts over.</summary>
public sealed record NodeBehind(NodeId Node, int Lost) : CoordinatorEvent;

/// <summary>A node's session was replaced by a newer one: a restart, or two that use one identity.</summary>
public sealed record NodeReplaced(NodeId Node, ulong Old, ulong New) : CoordinatorEvent;

/// <summary>A node has failed: it answers neither the coordinator nor other nodes. What it owned is given to others.</summary>
public sealed record NodeFailed(NodeId Node, int Addresses) : CoordinatorEvent;

/// <summary>An operator has drained a node, or lets it anchor again.</summary>
public sealed record NodeDrained(NodeId Node, bool Drained) : CoordinatorEvent;

/// <summary>An address belongs to another node now.</summary>
public sealed record AddressMoved(IpAddress Address, NodeId From, NodeId To, Epoch Epoch, MoveCause Cause) : CoordinatorEvent;

/// <summary>A client is at another access point now.</summary>
public sealed record ClientMoved(MacAddress Client, Epoch Epoch, NodeId From, NodeId To, int Mappings, bool Complete) : CoordinatorEvent;

/// <summary>A client is heard by an access point besides its FAM, which stays that.</summary>
public sealed record ClientHeard(MacAddress Client, Epoch Epoch, NodeId At, NodeId Fam) : CoordinatorEvent;

/// <summary>A client is out of coverage.</summary>
public sealed record ClientLeft(MacAddress Client, Epoch Epoch, NodeId From) : CoordinatorEvent;

/// <summary>Why a claim was refused: the few kinds of reasons, for counting.</summary>
public enum RefusalKind
{
    /// <summary>The claim cannot be true, whoever makes it.</summary>
    Invalid,

    /// <summary>The mapping belongs to another client.</summary>
    MappingTaken,

    /// <summary>The address belongs to another node.</summary>
    AddressTaken,

    /// <summary>Others set the client's record again and again meanwhile.</summary>
    Overtaken,

    /// <summary>The store has no room.</summary>
    StoreFull,

    /// <summary>The client's MAC address is in use by another user.</summary>
    ClientTaken,
}

/// <summary>A user has authenticated.</summary>
public sealed record UserAuthenticated(MacAddress Client, string User, NodeId Node) : CoordinatorEvent;

/// <summary>A user's session is used at an access point, which knows the client by <paramref name="Proof"/>.</summary>
public sealed record UserServed(MacAddress Client, string User, NodeId Node, SessionProof Proof) : CoordinatorEvent;

/// <summary>A user session goes on with other terms.</summary>
public sealed record UserSessionChanged(MacAddress Client, string User, string Reason) : CoordinatorEvent;

/// <summary>A guest has been admitted until a time in Unix milliseconds.</summary>
public sealed record GuestAdmitted(MacAddress Client, string User, string Role, long Ends) : CoordinatorEvent;

/// <summary>A guest who was admitted is captive again, before his time.</summary>
public sealed record GuestRevoked(MacAddress Client, string User) : CoordinatorEvent;

/// <summary>A user session is over.</summary>
public sealed record UserSessionEnded(MacAddress Client, string User, string Reason) : CoordinatorEvent;

/// <summary>The same, for the key holder, which knows more of it; not reported.</summary>
public sealed record UserSessionOver(MacAddress Client, UserRecord User, string Reason) : CoordinatorEvent;

/// <summary>A user session is kept from now on: for the key holder, and not reported.</summary>
public sealed record UserSessionTaken(MacAddress Client, UserRecord User) : CoordinatorEvent;

/// <summary>An access point has said how a session is used. It is for the key holder's accounting, and not reported.</summary>
public sealed record UserSessionUse(UserRecord User, NodeId Node, UserSessionUsed Used) : CoordinatorEvent;

/// <summary>A claim was refused.</summary>
public sealed record ClaimRefused(NodeId Node, MacAddress Client, string Reason, RefusalKind Kind = RefusalKind.Invalid) : CoordinatorEvent;

/// <summary>Policy sends connections round in a loop, so it was not followed: they are anchored where they were opened. Reported at most once a second.</summary>
/// <param name="Asker">Where the latest one was opened.</param>
/// <param name="Client">Whose it is.</param>
/// <param name="Count">How many there were since the last report.</param>
public sealed record PlacementLooped(NodeId Asker, MacAddress Client, long Count) : CoordinatorEvent;

/// <summary>The store has failed; reported at most once a second.</summary>
/// <param name="Reason">The latest reason.</param>
/// <param name="Count">How often it has failed since the last report, for whatever reason.</param>
public sealed record StoreTrouble(StoreFailure Reason, long Count) : CoordinatorEvent;

/// <summary>The store has forgotten something: it was emptied, has lost writes, or held what could not be read. The nodes that are connected here are told.</summary>
public sealed record StoreReborn(ulong Incarnation, int Nodes) : CoordinatorEvent;
