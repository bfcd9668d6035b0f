using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>What becomes of an order to change a session or to end it.</summary>
public enum UserChangeOutcome
{
    /// <summary>It is done.</summary>
    Done,

    /// <summary>There is no such session (any more).</summary>
    Unknown,

    /// <summary>What the session would be then cannot be: nothing has changed.</summary>
    Refused,

    /// <summary>The store has no room for it, or cannot be reached: nothing has changed.</summary>
    Failed,

    /// <summary>The store has not said whether it has kept it: it may be done, or not.</summary>
    Unsure,
}

/// <summary>A session goes on with other terms, or by another policy: whole or not at all (RFC 5176 section 6).</summary>
public static class UserChangeStep
{
    /// <summary>Changes a session.</summary>
    /// <param name="state">The client's record.</param>
    /// <param name="isMeant">Which session is meant.</param>
    /// <param name="change">What it is from a time in Unix milliseconds on; null refuses.</param>
    /// <param name="reason">Why, for logs.</param>
    /// <param name="users">The users.</param>
    /// <param name="time">The time in Unix milliseconds.</param>
    /// <param name="outcome">What became of it.</param>
    public static Decision? Change(
        ClientRecord? state, Func<UserRecord, bool> isMeant, Func<UserRecord, long, UserRecord?> change, string reason, IUsers users, long time, out UserChangeOutcome outcome)
    {
        outcome = UserChangeOutcome.Unknown;
        if (state?.User is not { } user || user.HasEnded(time) || !isMeant(user))
        {
            return null;
        }

        outcome = UserChangeOutcome.Refused;
        if (change(user, time) is not { } next || users.PolicyOf(state.Client, next) is null)
        {
            return null;
        }

        var decision = new Decision(state with { User = next }, null);
        foreach (var node in Places(state, user))
        {
            if (users.For(state.Client, next, node, time) is not { } session)
            {
                return null;
            }

            decision.Pushes.Add((node, new UserSessionChange { Id = 0, Client = state.Client, Session = user.Session, Now = session, Reason = reason }));
        }

        outcome = UserChangeOutcome.Done;
        decision.Events.Add(new UserSessionChanged(state.Client, next.User, reason));
        return decision;
    }

    /// <summary>The policy of a session is another one than it was, by what holds now; whoever serves the client hears of it. Nothing of it is in the record.</summary>
    /// <param name="state">The client's record.</param>
    /// <param name="reason">Why, for logs.</param>
    /// <param name="users">The users.</param>
    /// <param name="time">The time in Unix milliseconds.</param>
    /// <param name="isMine">Which nodes are to be told; null: whichever serves the client.</param>
    public static Decision? Tell(ClientRecord? state, string reason, IUsers users, long time, Func<NodeId, bool>? isMine = null)
    {
        if (state?.User is not { } user || user.HasEnded(time))
        {
            return null;
        }

        var decision = new Decision(null, null);
        foreach (var node in Places(state, user).Where(n => isMine?.Invoke(n) != false))
        {
            if (users.For(state.Client, user, node, time) is not { } session)
            {
                // By what holds now nothing can be told of it, so it has ended.
                return UserStep.End(state, u => u.Session.Equals(user.Session), reason, users, time);
            }

            decision.Pushes.Add((node, new UserSessionChange { Id = 0, Client = state.Client, Session = user.Session, Now = session, Reason = reason }));
        }

        return decision.Pushes.Count == 0 ? null : decision;
    }

    /// <summary>Where a session is used, or may be.</summary>
    private static IEnumerable<NodeId> Places(ClientRecord state, UserRecord user) => new[] { user.At, state.Fam }.Where(n => !n.IsNone).Distinct();
}
