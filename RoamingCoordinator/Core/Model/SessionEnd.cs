using Masquerade.Core.Control;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// A user session that is over, kept with the client (decision 42): an access point that still has it can be told so, where otherwise nobody could tell an end from a store that has forgotten; and the device of a user
/// who is denied is known again.
/// </summary>
/// <param name="Session">The session, <see cref="UserSession.IdLength"/> octets.</param>
/// <param name="User">Whose it was; empty if it was a guest's.</param>
/// <param name="Reason">Why it is over; at most <see cref="ControlLimits.MaxReasonLength"/> characters.</param>
/// <param name="Until">Until when that is kept, in Unix milliseconds.</param>
public sealed record SessionEnd(Octets Session, string User, string Reason, long Until)
{
    /// <summary>The most that are kept for one client.</summary>
    public const int MaxKept = 8;

    /// <summary>For how long one is kept: an access point that was away for longer, and has not been told, serves on until the session's own time is over.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(1);

    /// <summary>For how long a device of a user who is denied is known as his, from when it was last here.</summary>
    public static readonly TimeSpan KeptOfDenied = TimeSpan.FromDays(30);
}
