namespace Masquerade.Auth.Filter;

/// <summary>Which policy a client has, and why.</summary>
/// <param name="Policy">The policy; <see cref="FilterPolicy.Nothing"/> if it may do nothing.</param>
/// <param name="Why">What led to it, for people.</param>
/// <param name="IsRefused">Nothing that was asked for can be applied: an Access-Accept counts as an Access-Reject (RFC 4849 section 1.3), a CoA-Request is refused.</param>
public sealed record PolicyChoice(FilterPolicy Policy, string Why, bool IsRefused = false);

/// <summary>What is known of a client when its policy is looked up.</summary>
public sealed record PolicyQuestion
{
    /// <summary>The authenticated user; null if there is none.</summary>
    public string? User { get; init; }

    /// <summary>Groups that the authentication server has named.</summary>
    public IReadOnlyList<string> Groups { get; init; } = [];

    /// <summary>Filter-Id attributes, in their order (RFC 2865 section 5.11).</summary>
    public IReadOnlyList<string> FilterIds { get; init; } = [];

    /// <summary>NAS-Filter-Rule attributes, in their order (RFC 4849).</summary>
    public IReadOnlyList<byte[]> FilterRules { get; init; } = [];

    /// <summary>Tunnel-Private-Group-ID (RFC 2868 section 3.6); null if there is none.</summary>
    public string? Segment { get; init; }

    /// <summary>A role that the site gives without a user: <c>guest</c>, <c>quarantine</c>. It goes before everything but a denial.</summary>
    public string? Role { get; init; }
}

/// <summary>
/// Who has which policy. In this order: a denied user has nothing; a role; the user's own entry; NAS-Filter-Rules; Filter-Id; the first group of the book that the user is in; the segment; the
/// default of authenticated users. Who has none of them has nothing. Names of users are the same in upper and lower case: a denial must not be got round by a capital.
/// </summary>
public sealed class PolicyBook
{
    /// <summary>No policies: nobody may do anything.</summary>
    public static readonly PolicyBook Empty = new();

    internal PolicyBook()
    {
    }

    /// <summary>Policies by name.</summary>
    public IReadOnlyDictionary<string, FilterPolicy> Policies { get; internal init; } = new Dictionary<string, FilterPolicy>(StringComparer.Ordinal);

    /// <summary>Groups in their order, each with its policy and users.</summary>
    internal IReadOnlyList<(string Name, string Policy, IReadOnlySet<string> Users)> Groups { get; init; } = [];

    internal IReadOnlyDictionary<string, string> Users { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    internal IReadOnlySet<string> Denied { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    internal IReadOnlyDictionary<string, string> Segments { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    internal IReadOnlyDictionary<string, string> Roles { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    internal string? Default { get; init; }

    /// <summary>Whether a policy is for a role.</summary>
    public bool HasRole(string role) => Roles.ContainsKey(role);

    /// <summary>Finds a client's policy.</summary>
    /// <param name="question">What is known of the client.</param>
    /// <param name="mistakes">Where it is written down why rules of RADIUS cannot be applied.</param>
    public PolicyChoice Resolve(PolicyQuestion question, ICollection<PolicyMistake> mistakes)
    {
        if (question.User is { } denied && Denied.Contains(denied))
        {
            return new PolicyChoice(FilterPolicy.Nothing, "the user is denied");
        }

        if (question.Role is { } role)
        {
            return Roles.TryGetValue(role, out var ofRole) ? new PolicyChoice(Policies[ofRole], $"role {role}") : new PolicyChoice(FilterPolicy.Nothing, $"role {role} has no policy");
        }

        if (question.User is not { } user)
        {
            return new PolicyChoice(FilterPolicy.Nothing, "nobody is authenticated");
        }

        if (Users.TryGetValue(user, out var own))
        {
            return new PolicyChoice(Policies[own], "the user's own policy");
        }

        if (question.FilterRules.Count > 0)
        {
            // Together with Filter-Id they are undefined (RFC 4849 section 2): what the server has spelt out is meant.
            return IpFilterRules.Translate(question.FilterRules, mistakes) is { } policy && FilterProgram.Fits(policy)
                ? new PolicyChoice(policy, "NAS-Filter-Rule")
                : new PolicyChoice(FilterPolicy.Nothing, "a NAS-Filter-Rule that cannot be applied", IsRefused: true);
        }

        foreach (var id in question.FilterIds)
        {
            if (Policies.TryGetValue(id, out var named))
            {
                return new PolicyChoice(named, "Filter-Id");
            }
        }

        if (question.FilterIds.Count > 0)
        {
            return new PolicyChoice(FilterPolicy.Nothing, "a Filter-Id that names no policy", IsRefused: true);
        }

        foreach (var (name, policy, users) in Groups)
        {
            if (users.Contains(user) || question.Groups.Contains(name, StringComparer.Ordinal))
            {
                return new PolicyChoice(Policies[policy], $"group {name}");
            }
        }

        if (question.Segment is { } segment && Segments.TryGetValue(segment, out var ofSegment))
        {
            return new PolicyChoice(Policies[ofSegment], $"segment {segment}");
        }

        return Default is { } usual ? new PolicyChoice(Policies[usual], "the default") : new PolicyChoice(FilterPolicy.Nothing, "no policy is for this user");
    }

    /// <summary>The names of policies that are new, gone or different in another book.</summary>
    public IReadOnlyList<string> ChangesTo(PolicyBook next) =>
        [.. Policies.Keys.Union(next.Policies.Keys, StringComparer.Ordinal)
            .Where(name => !(Policies.TryGetValue(name, out var policy) && policy.IsSameAs(next.Policies.GetValueOrDefault(name)))).Order(StringComparer.Ordinal)];
}
