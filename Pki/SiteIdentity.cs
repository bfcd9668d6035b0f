using Masquerade.Core.Flow;

namespace Masquerade.Pki;

/// <summary>What a certificate's holder may be at a site.</summary>
public enum SiteRole
{
    /// <summary>An access point's agent: dials coordinators.</summary>
    Agent,

    /// <summary>A coordinator: answers agents.</summary>
    Coordinator,
}

/// <summary>Who a certificate says its holder is: a URI among its alternative names, <c>masquerade:agent:ap1</c> or <c>masquerade:coordinator:c1</c>.</summary>
/// <param name="Role">What it may be.</param>
/// <param name="Name">The name by which the control protocol knows it.</param>
public readonly record struct SiteIdentity(SiteRole Role, NodeId Name)
{
    private const string Scheme = "masquerade:";
    private const string AgentWord = "agent";
    private const string CoordinatorWord = "coordinator";

    /// <summary>The URI in the certificate.</summary>
    public string Uri => $"{Scheme}{Word(Role)}:{Name.Name}";

    /// <summary>Reads the URI.</summary>
    public static bool TryParse(string uri, out SiteIdentity identity)
    {
        identity = default;
        if (!uri.StartsWith(Scheme, StringComparison.Ordinal))
        {
            return false;
        }

        var rest = uri[Scheme.Length..];
        var colon = rest.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || !NodeId.IsValid(rest[(colon + 1)..]))
        {
            return false;
        }

        var role = rest[..colon];
        if (role is not (AgentWord or CoordinatorWord))
        {
            return false;
        }

        identity = new SiteIdentity(role is AgentWord ? SiteRole.Agent : SiteRole.Coordinator, new NodeId(rest[(colon + 1)..]));
        return true;
    }

    /// <summary>The role in words, as in "agent ap1".</summary>
    public override string ToString() => $"{Word(Role)} {Name.Name}";

    internal static string Word(SiteRole role) => role == SiteRole.Agent ? AgentWord : CoordinatorWord;
}
