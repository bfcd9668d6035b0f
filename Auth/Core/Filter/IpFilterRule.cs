using System.Globalization;
using System.Text;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>One rule in the IPFilterRule syntax: <c>action dir proto from src [ports] to dst [ports] [options]</c>.</summary>
internal static class IpFilterRule
{
    /// <summary>Echo requests and timestamp requests: what opens an ICMP "connection", and what answers it.</summary>
    private static readonly int[] s_queries = [0, 8, 13, 14, 128, 129];

    /// <summary>ICMP errors. They go with the connection that they are about.</summary>
    private static readonly int[] s_errors = [1, 2, 3, 4, 11, 12];

    /// <summary>Turns a rule into one of ours.</summary>
    /// <param name="text">The rule.</param>
    /// <param name="number">Its number, from 1, for mistakes.</param>
    /// <param name="mistakes">Where the first mistake of the rule is written down.</param>
    /// <param name="rule">Our rule; null if it asks for nothing that is not so already.</param>
    /// <param name="direction">Our direction.</param>
    /// <param name="isDeny">Whether it denies.</param>
    public static bool TryTranslate(string text, int number, ICollection<PolicyMistake> mistakes, out string? rule, out string direction, out bool isDeny)
    {
        (rule, direction, isDeny) = (null, string.Empty, false);
        if (text.Length > FilterLimits.MaxRuleLength)
        {
            mistakes.Add(new PolicyMistake(IpFilterRules.PolicyName, number, 1, text, $"at most {FilterLimits.MaxRuleLength} characters"));
            return false;
        }

        var words = new RuleWords(text);
        var written = new StringBuilder();
        var wrong = Read(words, written, ref direction, ref isDeny, out var asksNothing);
        if (wrong is not null)
        {
            mistakes.Add(new PolicyMistake(IpFilterRules.PolicyName, number, words.Column, words.Next, wrong));
            return false;
        }

        rule = asksNothing ? null : written.ToString();
        return true;
    }

    /// <summary>Reads as far as it can; what is allowed at the word where it stops, or null at the end.</summary>
    private static string? Read(RuleWords words, StringBuilder written, ref string direction, ref bool isDeny, out bool asksNothing)
    {
        asksNothing = false;
        if (words.Next is not ("permit" or "deny"))
        {
            return "permit, deny";
        }

        isDeny = words.Take() is "deny";
        if (words.Next is not ("in" or "out"))
        {
            return "in, out";
        }

        direction = words.Take() is "in" ? "out" : "in";
        var protocol = words.Next switch
        {
            "ip" or "any" => "any",
            "tcp" or "6" => "tcp",
            "udp" or "17" => "udp",
            "icmp" or "1" or "ipv6-icmp" or "58" => "icmp",
            _ => null,
        };
        if (protocol is null)
        {
            return "ip, or a protocol that passes here: tcp (6), udp (17), icmp (1, 58)";
        }

        words.Take();
        written.Append(isDeny ? "deny " : "allow ").Append(direction).Append(' ').Append(protocol);
        if (!words.Take("from"))
        {
            return "from";
        }

        // The client's end of a rule may be said to be "assigned": its address is checked anyway.
        if (ReadEnd(words, written, "from", protocol, isClient: direction is "out") is { } wrong)
        {
            return wrong;
        }

        if (!words.Take("to"))
        {
            return "to";
        }

        return ReadEnd(words, written, "to", protocol, isClient: direction is "in") ?? ReadOptions(words, protocol, isDeny, out asksNothing);
    }

    private static string? ReadEnd(RuleWords words, StringBuilder written, string end, string protocol, bool isClient)
    {
        var inverted = words.Next.StartsWith('!');
        var address = inverted ? words.Next[1..] : words.Next;
        if (address is "any" or "0.0.0.0/0" or "::/0" || (address is "assigned" && isClient))
        {
            if (inverted)
            {
                return "an address, address/bits, any" + (isClient ? ", assigned" : string.Empty) + "; ! only before an address";
            }

            written.Append(' ').Append(end).Append(' ').Append(address is "assigned" ? "any" : address);
        }
        else if (TryAddress(address, out var prefix))
        {
            written.Append(' ').Append(end).Append(inverted ? " not " : " ").Append(prefix);
        }
        else
        {
            return "an address, address/bits, any" + (isClient ? ", assigned" : string.Empty);
        }

        words.Take();
        if (words.Next.Length == 0 || !char.IsAsciiDigit(words.Next[0]))
        {
            return null;
        }

        if (protocol is not ("tcp" or "udp"))
        {
            return "ports only with tcp or udp";
        }

        foreach (var item in words.Next.Split(','))
        {
            if (!PortRange.TryParse(item, out _))
            {
                return "ports 0-65535 and ranges";
            }
        }

        written.Append(" port ").Append(words.Take());
        return null;
    }

    /// <summary>Bits behind the length are allowed here and ignored.</summary>
    private static bool TryAddress(string text, out IpPrefix prefix)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        prefix = default;
        if (!IpAddress.TryParse(slash < 0 ? text : text[..slash], out var address))
        {
            return false;
        }

        var most = address.IsIPv4 ? 32 : 128;
        var bits = most;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out bits) || bits > most))
        {
            return false;
        }

        prefix = new IpPrefix(address, bits);
        return true;
    }

    private static string? ReadOptions(RuleWords words, string protocol, bool isDeny, out bool asksNothing)
    {
        const string Options = "setup with tcp, established with a permit of tcp, icmptypes of queries, or the end of the rule; fragments and header options are not looked at here";
        asksNothing = false;
        while (!words.IsAtEnd)
        {
            if (words.Next is "setup" && protocol is "tcp")
            {
                words.Take();
            }
            else if (words.Next is "established" && protocol is "tcp" && !isDeny)
            {
                asksNothing = true;
                words.Take();
            }
            else if (words.Next is "icmptypes" && protocol is "icmp")
            {
                words.Take();
                if (!TryTypes(words.Next, isDeny, out asksNothing))
                {
                    return isDeny ? "types of queries (0, 8)" : "types of queries (0, 8) and errors (3, 4, 11, 12)";
                }

                words.Take();
            }
            else
            {
                return Options;
            }
        }

        return null;
    }

    private static bool TryTypes(string text, bool isDeny, out bool asksNothing)
    {
        asksNothing = true;
        foreach (var item in text.Split(','))
        {
            if (!PortRange.TryParse(item, out var range))
            {
                return false;
            }

            for (int type = range.First; type <= range.Last; type++)
            {
                var isQuery = Array.IndexOf(s_queries, type) >= 0;
                if (!isQuery && (isDeny || Array.IndexOf(s_errors, type) < 0))
                {
                    return false;
                }

                asksNothing &= !isQuery;
            }
        }

        return true;
    }
}
