using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator.Users;

/// <summary>What a supplicant says, on its way to the key holder.</summary>
/// <param name="Node">The access point.</param>
/// <param name="Client">The client.</param>
/// <param name="Exchange">The access point's number of the authentication.</param>
/// <param name="Eap">The EAP response.</param>
public readonly record struct EapQuestion(NodeId Node, MacAddress Client, ulong Exchange, Octets Eap);

/// <summary>What the key holder says to it.</summary>
/// <param name="Outcome">How it goes on.</param>
/// <param name="Eap">The EAP message for the client.</param>
/// <param name="User">With <see cref="EapOutcome.Accept"/>: the user session to keep; null otherwise.</param>
public readonly record struct EapVerdict(EapOutcome Outcome, Octets Eap, UserRecord? User = null);

/// <summary>
/// Who users are and what they may: the key holder and the policies, as the coordinator needs them (decision 28). The coordinator keeps what it is given and does not look into it.
/// Calls come from the coordinator's loop; completions may come within the call, or later by <see cref="CoordinatorCore.Complete"/>.
/// </summary>
public interface IUsers
{
    /// <summary>Passes a supplicant's word on. <paramref name="done"/> is called once, whatever happens.</summary>
    void Exchange(EapQuestion question, Action<EapVerdict> done);

    /// <summary>What an access point is told of a session: with the key that is its own and the policy that holds now. Null if there is none for this user any more.</summary>
    /// <param name="client">The client.</param>
    /// <param name="user">The session.</param>
    /// <param name="node">The access point.</param>
    /// <param name="unixMilliseconds">The time.</param>
    UserSession? For(MacAddress client, UserRecord user, NodeId node, long unixMilliseconds);

    /// <summary>The key of a client for fast transitions to an access point. What an access point may not have, because it is another one's, it is refused.</summary>
    /// <param name="client">The client.</param>
    /// <param name="user">Its session, which holds.</param>
    /// <param name="node">The access point.</param>
    /// <param name="asked">Its question.</param>
    /// <param name="unixMilliseconds">The time.</param>
    RoamingKeyReply RoamingKeyFor(MacAddress client, UserRecord user, NodeId node, RoamingKeyQuery asked, long unixMilliseconds);

    /// <summary>The session that a client gets by its MAC address alone, because a policy trusts it by name or admits everybody to something; null: there is none.</summary>
    /// <param name="client">The client.</param>
    /// <param name="unixMilliseconds">The time.</param>
    UserRecord? WithoutProof(MacAddress client, long unixMilliseconds);

    /// <summary>The name of the policy that holds now for a session; null if nothing can be told of it any more.</summary>
    /// <param name="client">The client.</param>
    /// <param name="user">The session.</param>
    Octets? PolicyOf(MacAddress client, UserRecord user);

    /// <summary>What a portal may give guests; null: there is no portal.</summary>
    GuestRules? Guests { get; }

    /// <summary>Whether a policy is for a role.</summary>
    bool HasRole(string role);

    /// <summary>The policies, as operators see them.</summary>
    IPolicyDesk? Policies { get; }

    /// <summary>Users who are denied, in order.</summary>
    IReadOnlyList<string> Denied { get; }

    /// <summary>Whether a user is denied.</summary>
    bool IsDenied(string user);

    /// <summary>Denies a user, or does no more. <paramref name="done"/> is called once, when it is kept or is not.</summary>
    void Deny(string user, bool denied, Action<UserChangeOutcome> done);

    /// <summary>Gives the text of a policy; empty if there is none of that name. <paramref name="done"/> is called once.</summary>
    void FindText(Octets policy, Action<Octets> done);

    /// <summary>An access point says how a session is used: for accounting.</summary>
    void Used(UserRecord user, NodeId node, UserSessionUsed used);

    /// <summary>A session that was granted is kept from now on: nobody else has the client's MAC address.</summary>
    void Taken(UserRecord user, MacAddress client);

    /// <summary>A session is over.</summary>
    void Ended(UserRecord user, MacAddress client, string reason);
}
