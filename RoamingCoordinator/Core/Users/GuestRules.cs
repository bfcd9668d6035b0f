namespace Masquerade.RoamingCoordinator.Users;

/// <summary>What a portal may give guests.</summary>
/// <param name="Roles">The roles, the first being what they get if none is named.</param>
/// <param name="Longest">For how long at most.</param>
public sealed record GuestRules(IReadOnlyList<string> Roles, TimeSpan Longest);
