using Masquerade.Lab.Net;

namespace Masquerade.Lab.Users;

/// <summary>The employees of the demonstration, and what they and guests may do.</summary>
internal static class AuthPolicies
{
    /// <summary>The employee with <c>masq client</c>.</summary>
    public const string Ada = "ada";

    /// <summary>The employee with wpa_supplicant.</summary>
    public const string Bob = "bob";

    /// <summary>Employees may not open connections to these server ports; they may open all others.</summary>
    public const int FirstForbidden = 9_000;

    /// <summary>Guests may open connections to these server ports only.</summary>
    public const int FirstPortal = 8_000;

    /// <summary>The policy file.</summary>
    public static string Text => $$"""
        {
          "addresses": { "server": ["{{LabTopology.ServerAddress}}", "{{LabTopology.ServerAddress6}}"] },
          "policies": {
            "staff": ["deny out tcp to any port {{FirstForbidden}}-{{FirstForbidden + 999}}", "allow out any"],
            "guest": ["allow out tcp to @server port {{FirstPortal}}-{{FirstPortal + 999}}"]
          },
          "groups": { "staff": { "policy": "staff", "users": ["{{Ada}}", "{{Bob}}"] } },
          "roles": { "guest": "guest" }
        }
        """;
}
