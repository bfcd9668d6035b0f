using Masquerade.Core.Control;

namespace Masquerade.Auth.Filter;

/// <summary>How large policies may be. What is larger is a mistake of whoever wrote it, and said as such; nothing is cut off.</summary>
public static class FilterLimits
{
    /// <summary>Rules of one policy.</summary>
    public const int MaxRules = 4096;

    /// <summary>Characters of one rule.</summary>
    public const int MaxRuleLength = 1024;

    /// <summary>Prefixes of one address set, or of one list in a rule with its sets counted.</summary>
    public const int MaxPrefixes = 4096;

    /// <summary>Port ranges of one port set, or of one list in a rule with its sets counted.</summary>
    public const int MaxPorts = 256;

    /// <summary>Address sets, and port sets, of one document.</summary>
    public const int MaxSets = 256;

    /// <summary>Characters of a name.</summary>
    public const int MaxNameLength = 64;

    /// <summary>Policies of one document.</summary>
    public const int MaxPolicies = 256;

    /// <summary>Groups, and segments, of one document.</summary>
    public const int MaxGroups = 1024;

    /// <summary>Users of one document, those of groups counted.</summary>
    public const int MaxUsers = 100_000;

    /// <summary>Characters of a policy's text form, and of all NAS-Filter-Rules of one answer.</summary>
    public const int MaxPolicyText = ControlLimits.MaxPolicy;

    /// <summary>Octets of the bit rows of one compiled policy.</summary>
    public const int MaxProgramBytes = 16 * 1024 * 1024;

    /// <summary>Mistakes that are listed; the rest is counted.</summary>
    public const int MaxMistakes = 100;

    internal static bool IsName(string text)
    {
        if (text.Length is 0 or > MaxNameLength)
        {
            return false;
        }

        foreach (var c in text)
        {
            if (c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '-' or '_' or '.'))
            {
                return false;
            }
        }

        return true;
    }

    internal const string NameForm = "a name: 1 to 64 of a-z 0-9 - _ .";
}
