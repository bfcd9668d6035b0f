using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>What becomes of an order about a guest.</summary>
public enum GuestOutcome
{
    /// <summary>It is done.</summary>
    Done,

    /// <summary>No such client is known, or it is no guest that could be revoked.</summary>
    Unknown,

    /// <summary>The client has a user who is no guest.</summary>
    HasUser,

    /// <summary>No policy is for that role, or the guest is denied: nothing has changed.</summary>
    Refused,

    /// <summary>The client is, or was, that of a user who is denied: nothing has changed.</summary>
    Denied,

    /// <summary>The store has no room for it, or cannot be reached: nothing has changed.</summary>
    Failed,

    /// <summary>The store has not said whether it has kept it: it may be done, or not.</summary>
    Unsure,
}

/// <summary>Guests who are admitted for a time, by their MAC addresses, and are captive again afterwards.</summary>
public static class GuestStep
{
    /// <summary>The beginning of an admitted guest's name: no user can be mistaken for one.</summary>
    public const string Prefix = "guest:";

    /// <summary>Whether a session is an admitted guest's.</summary>
    public static bool IsAdmitted(UserRecord user) => user.Role.Length > 0 && user.User.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Admits the guest with a client, or admits him for another time.</summary>
    /// <param name="state">The client's record.</param>
    /// <param name="client">The client.</param>
    /// <param name="name">What the guest is called.</param>
    /// <param name="role">What he may do.</param>
    /// <param name="until">Until when, in Unix milliseconds.</param>
    /// <param name="users">The users.</param>
    /// <param name="time">The time, in Unix milliseconds.</param>
    /// <param name="outcome">What became of it.</param>
    public static Decision? Admit(ClientRecord? state, MacAddress client, string name, string role, long until, IUsers users, long time, out GuestOutcome outcome)
    {
        outcome = GuestOutcome.Unknown;
        if (state is null)
        {
            return null;
        }

        if (SessionEnds.IsOfDenied(state, users))
        {
            outcome = GuestOutcome.Denied;
            return null;
        }

        if (state.User is { Role.Length: 0 } user && !user.HasEnded(time))
        {
            outcome = GuestOutcome.HasUser;
            return null;
        }

        outcome = GuestOutcome.Refused;
        var before = state.User is { Role.Length: > 0 } guest ? guest : users.WithoutProof(client, time);
        if (before is not { Role.Length: > 0 } || !users.HasRole(role))
        {
            // The site lets no guests in, or none as that.
            return null;
        }

        var next = before with { User = Prefix + name, Role = role, Began = time, Ends = until };
        if (Become(state, next, "admitted", users, time) is not { } decision)
        {
            return null;
        }

        outcome = GuestOutcome.Done;
        decision.Events.Add(new GuestAdmitted(client, next.User, role, until));
        return decision;
    }

    /// <summary>A guest is captive again.</summary>
    public static Decision? Revoke(ClientRecord? state, IUsers users, long time, out GuestOutcome outcome)
    {
        outcome = GuestOutcome.Unknown;
        if (state?.User is not { } user || !IsAdmitted(user))
        {
            return null;
        }

        outcome = GuestOutcome.Done;
        var free = SessionEnds.IsOfDenied(state, users) ? null : users.WithoutProof(state.Client, time);
        var decision = free is null ? null : Become(state, user with { User = free.User, Role = free.Role, Ends = free.Ends, Began = free.Began }, "revoked", users, time);
        decision ??= UserStep.End(state, u => u.Session.Equals(user.Session), "revoked", users, time)!;
        decision.Events.Add(new GuestRevoked(state.Client, user.User));
        return decision;
    }

    /// <summary>The session goes on, as another one: who serves the client hears of it, and connections that may go on do.</summary>
    private static Decision? Become(ClientRecord state, UserRecord next, string reason, IUsers users, long time)
    {
        if (users.PolicyOf(state.Client, next) is null)
        {
            return null;
        }

        // What a user has open is not for a guest who comes after him.
        var isOthers = UserStep.IsOthers(state.User, next);
        var record = state with { User = next };
        record = isOthers ? UserStep.WithoutMappings(record.WithEnd(state.User!, "its time is over", users, time)) : record;
        var decision = new Decision(record, null);
        if (isOthers)
        {
            UserStep.EndMappings(decision, state);
        }

        foreach (var node in new[] { next.At, state.Fam }.Where(n => !n.IsNone).Distinct())
        {
            if (users.For(state.Client, next, node, time) is not { } session)
            {
                return null;
            }

            decision.Pushes.Add((node, new UserSessionChange { Id = 0, Client = state.Client, Session = next.Session, Now = session, Reason = reason }));
        }

        return decision;
    }
}
