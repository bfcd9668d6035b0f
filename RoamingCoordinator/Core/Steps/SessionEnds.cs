using Masquerade.Core.Control;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>What is known of user sessions that are over (decision 42).</summary>
public static class SessionEnds
{
    /// <summary>The record with one more session that is over. Of too many the oldest goes, those of users who are denied last.</summary>
    /// <param name="state">The client's record.</param>
    /// <param name="user">The session.</param>
    /// <param name="reason">Why it is over.</param>
    /// <param name="users">The users.</param>
    /// <param name="time">The time in Unix milliseconds.</param>
    public static ClientRecord WithEnd(this ClientRecord state, UserRecord user, string reason, IUsers users, long time)
    {
        var name = user.Role.Length == 0 ? user.User : string.Empty;
        var kept = (long)(IsDenied(users, name) ? SessionEnd.KeptOfDenied : SessionEnd.Kept).TotalMilliseconds;
        var cut = reason.Length <= ControlLimits.MaxReasonLength ? reason : reason[..ControlLimits.MaxReasonLength];
        List<SessionEnd> ends =
        [
            .. state.Over.Where(e => !e.Session.Equals(user.Session) && (e.Until > time || IsDenied(users, e.User))),
            new SessionEnd(user.Session, name, cut, time + kept),
        ];
        while (ends.Count > SessionEnd.MaxKept)
        {
            ends.RemoveAt(Math.Max(0, ends.FindIndex(e => !IsDenied(users, e.User))));
        }

        return state with { Over = [.. ends] };
    }

    /// <summary>Why a session is over; null: it is not known to be.</summary>
    public static string? WhyOver(ClientRecord? state, Octets session, long time)
    {
        if (state?.User is { } user && user.Session.Equals(session))
        {
            return user.HasEnded(time) ? "its time is over" : null;
        }

        return state?.Over.FirstOrDefault(e => e.Session.Equals(session) && e.Until > time)?.Reason;
    }

    /// <summary>Whether the client is, or was, that of a user who is denied: it is no guest while that stands.</summary>
    public static bool IsOfDenied(ClientRecord? state, IUsers users) =>
        state is not null && ((state.User is { Role.Length: 0 } user && IsDenied(users, user.User)) || state.Over.Any(e => IsDenied(users, e.User)));

    /// <summary>The record of a client of a user who is denied, which is here again; null if what is known of it holds for long enough.</summary>
    public static ClientRecord? SeenAgain(ClientRecord state, IUsers users, long time)
    {
        var until = time + (long)SessionEnd.KeptOfDenied.TotalMilliseconds;
        var isDue = state.Over.Any(e => IsDenied(users, e.User) && e.Until < until - (long)SessionEnd.Kept.TotalMilliseconds);
        return !isDue ? null : state with { Over = [.. state.Over.Select(e => IsDenied(users, e.User) ? e with { Until = until } : e)] };
    }

    private static bool IsDenied(IUsers users, string user) => user.Length > 0 && users.IsDenied(user);
}
