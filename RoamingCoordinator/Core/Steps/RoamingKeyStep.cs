using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>A client turns to an access point by a fast transition, and that one asks for its key (decision 43). Nothing of the client moves by it: it arrives when its link is up.</summary>
public static class RoamingKeyStep
{
    /// <summary>Answers the question.</summary>
    /// <param name="state">The client's record.</param>
    /// <param name="node">The access point.</param>
    /// <param name="asked">Its question.</param>
    /// <param name="users">The users.</param>
    /// <param name="time">The time in Unix milliseconds.</param>
    public static Decision Decide(ClientRecord? state, NodeId node, RoamingKeyQuery asked, IUsers users, long time)
    {
        var reply = state?.User is { SealedRoamingKey.Length: > 0 } user && !user.HasEnded(time)
            ? users.RoamingKeyFor(asked.Client, user, node, asked, time)
            : new RoamingKeyReply { Id = asked.Id, Client = asked.Client, Outcome = RoamingKeyOutcome.Unknown };
        return Decision.Reply(reply);
    }
}
