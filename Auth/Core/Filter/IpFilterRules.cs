using System.Text;

namespace Masquerade.Auth.Filter;

/// <summary>
/// NAS-Filter-Rule attributes of RADIUS (RFC 4849), rules in the IPFilterRule syntax of RFC 6733 section 4.3.1, as a policy. What is particular to them:
/// <list type="number">
/// <item>A rule may begin in one attribute and end in another: all are put together in their order and cut at NUL octets (RFC 4849 section 2).</item>
/// <item>If no rule of a direction matches, the packet passes if the last rule of that direction was a deny, and is dropped if it was a permit. A direction without rules is denied.</item>
/// <item>What cannot be applied is not applied in part: the Access-Accept counts as an Access-Reject, and a CoA-Request is refused (RFC 4849 section 1.3).</item>
/// </list>
/// Directions are the access point's: <c>in</c> comes from the client and becomes <c>out</c> here. A fragment that begins at octet 8 is always dropped (<c>TinyFragment</c>), as the RFC demands.
/// Rules are about connections here, so <c>setup</c> adds nothing, and a permit of what is <c>established</c> has been fulfilled already.
/// </summary>
public static class IpFilterRules
{
    /// <summary>The name of the policy.</summary>
    public const string PolicyName = "radius";

    /// <summary>Translates the attributes of one answer.</summary>
    /// <param name="attributes">The attributes' values, in their order.</param>
    /// <param name="mistakes">Where every mistake is written down.</param>
    /// <returns>The policy; null if a rule cannot be applied, and then none may be.</returns>
    public static FilterPolicy? Translate(IEnumerable<byte[]> attributes, ICollection<PolicyMistake> mistakes)
    {
        var all = new StringBuilder();
        foreach (var attribute in attributes)
        {
            if (all.Length + attribute.Length > FilterLimits.MaxPolicyText)
            {
                mistakes.Add(new PolicyMistake(PolicyName, 0, 0, "more", $"at most {FilterLimits.MaxPolicyText} characters"));
                return null;
            }

            // Any octet is a character; one that is not ASCII is in no word.
            all.Append(Encoding.Latin1.GetString(attribute));
        }

        var before = mistakes.Count;
        var texts = all.ToString().Split('\0', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (texts.Length > FilterLimits.MaxRules - 2)
        {
            mistakes.Add(new PolicyMistake(PolicyName, 0, 0, $"{texts.Length} rules", $"at most {FilterLimits.MaxRules - 2}"));
            return null;
        }

        var rules = new List<string>();
        var lastIsDeny = new Dictionary<string, bool>(StringComparer.Ordinal);
        for (var i = 0; i < texts.Length; i++)
        {
            if (IpFilterRule.TryTranslate(texts[i], i + 1, mistakes, out var rule, out var direction, out var isDeny))
            {
                lastIsDeny[direction] = isDeny;
                if (rule is not null)
                {
                    rules.Add(rule);
                }
            }
        }

        foreach (var (direction, isDeny) in lastIsDeny.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (isDeny)
            {
                rules.Add($"allow {direction} any");
            }
        }

        return mistakes.Count > before ? null : FilterPolicy.Create(PolicyName, rules, FilterSets.None, PolicyName, mistakes);
    }
}
