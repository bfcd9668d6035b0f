using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>
/// Reads a rule, such as <c>allow out tcp to 10.0.0.0/8 port 443,8000-8100</c>:
/// <code>
/// rule   = action direction protocol [from ends] [to ends] [at when]
/// action = allow | deny | limit RATE [burst SIZE]
/// direction = out | in | both          protocol = any | tcp | udp | icmp
/// ends   = ([not] ADDRESSES | any) [port PORTS]
/// when   = DAYS [CLOCK] | CLOCK
/// </code>
/// Lists are without spaces: <c>10.0.0.0/8,2001:db8::/32,@dns</c>, <c>53,8000-8100,@web</c>, <c>mon-fri,sun</c>, <c>08:00-12:00,22:00-06:00</c>.
/// </summary>
public static class RuleParser
{
    /// <summary>Parses one rule. Case does not matter.</summary>
    /// <param name="text">The rule.</param>
    /// <param name="sets">The sets that it may name.</param>
    /// <param name="where">Which policy it is of, for mistakes.</param>
    /// <param name="number">Its number in that policy, from 1, for mistakes.</param>
    /// <param name="mistakes">Where mistakes are written down.</param>
    /// <param name="rule">The rule; null if there are mistakes.</param>
    public static bool TryParse(string text, FilterSets sets, string where, int number, ICollection<PolicyMistake> mistakes, out FilterRule? rule)
    {
        rule = null;
        if (text.Length > FilterLimits.MaxRuleLength)
        {
            mistakes.Add(new PolicyMistake(where, number, 1, text, $"at most {FilterLimits.MaxRuleLength} characters"));
            return false;
        }

        var reading = new Reading(new RuleWords(text), sets, where, number, mistakes);
        rule = reading.Rule();
        return rule is not null;
    }

    /// <summary>One rule while it is read. After a wrong word the rest makes no sense; in a list every item is looked at.</summary>
    private sealed class Reading(RuleWords words, FilterSets sets, string where, int number, ICollection<PolicyMistake> mistakes)
    {
        private readonly HashSet<string> _addressSets = new(StringComparer.Ordinal);
        private readonly HashSet<string> _portSets = new(StringComparer.Ordinal);
        private bool _isWrong;

        public FilterRule? Rule()
        {
            var limit = default(RateLimit);
            FilterAction? action = words.Next switch { "allow" => FilterAction.Allow, "deny" => FilterAction.Deny, "limit" => FilterAction.Limit, _ => null };
            if (action is null)
            {
                return Wrong("allow, deny, limit");
            }

            words.Take();
            if (action == FilterAction.Limit && !TryLimit(out limit))
            {
                return null;
            }

            RuleDirection? direction = words.Next switch { "out" => RuleDirection.Out, "in" => RuleDirection.In, "both" => RuleDirection.Both, _ => null };
            if (direction is null)
            {
                return Wrong("out, in, both");
            }

            words.Take();
            if (words.Next is not ("any" or "tcp" or "udp" or "icmp"))
            {
                return Wrong("any, tcp, udp, icmp");
            }

            TransportProtocol? protocol = words.Take() switch { "tcp" => TransportProtocol.Tcp, "udp" => TransportProtocol.Udp, "icmp" => TransportProtocol.Icmp, _ => null };
            var hasPorts = protocol is TransportProtocol.Tcp or TransportProtocol.Udp;
            var (from, fromPorts) = (AddressMatch.Any, (IReadOnlyList<PortRange>)[]);
            var (to, toPorts) = (AddressMatch.Any, (IReadOnlyList<PortRange>)[]);
            var times = RuleTimes.Always;
            var hasFrom = words.Take("from");
            if (hasFrom && !TryEnds(hasPorts, out from, out fromPorts))
            {
                return null;
            }

            var hasTo = words.Take("to");
            if (hasTo && !TryEnds(hasPorts, out to, out toPorts))
            {
                return null;
            }

            if (words.Take("at") && !TryTimes(out times))
            {
                return null;
            }

            if (!words.IsAtEnd)
            {
                return Wrong((hasFrom || hasTo ? string.Empty : "from, ") + (hasTo ? string.Empty : "to, ") + (times.IsAlways ? "at, " : string.Empty) + "or the end of the rule");
            }

            return _isWrong ? null : new FilterRule
            {
                Action = action.Value,
                Limit = limit,
                Direction = direction.Value,
                Protocol = protocol,
                From = from,
                FromPorts = fromPorts,
                To = to,
                ToPorts = toPorts,
                Times = times,
                Text = words.Normal,
                AddressSets = [.. _addressSets],
                PortSets = [.. _portSets],
            };
        }

        private bool TryLimit(out RateLimit limit)
        {
            limit = default;
            if (!RateText.TryParseRate(words.Next, out var rate))
            {
                return Wrong(RateText.RateForm) is not null;
            }

            words.Take();
            var burst = RateText.UsualBurst(rate);
            if (words.Take("burst"))
            {
                if (!RateText.TryParseSize(words.Next, out burst))
                {
                    return Wrong(RateText.SizeForm) is not null;
                }

                words.Take();
            }

            limit = new RateLimit(rate, burst);
            return true;
        }

        private bool TryEnds(bool hasPorts, out AddressMatch addresses, out IReadOnlyList<PortRange> ports)
        {
            (addresses, ports) = (AddressMatch.Any, []);
            if (!words.Take("any"))
            {
                var inverted = words.Take("not");
                if (words.IsAtEnd)
                {
                    return Wrong("any, not, an address, a prefix, @set, or a list of them") is not null;
                }

                addresses = new AddressMatch(List(words, "an address, a prefix without bits behind its length, @set", FilterLimits.MaxPrefixes, sets.Addresses, _addressSets, Prefix), inverted);
            }

            if (words.Next is "port" && !hasPorts)
            {
                return Wrong("ports only with tcp or udp") is not null;
            }

            if (words.Take("port"))
            {
                if (words.IsAtEnd)
                {
                    return Wrong("a port, a range such as 8000-8100, @set, or a list of them") is not null;
                }

                ports = List(words, "a port 0-65535, a range such as 8000-8100, @set", FilterLimits.MaxPorts, sets.Ports, _portSets, Ports);
            }

            return true;
        }

        private List<T> List<T>(
            RuleWords list, string allowed, int most, IReadOnlyDictionary<string, IReadOnlyList<T>> named, HashSet<string> used, Func<string, (bool Good, T Value)> parse)
        {
            var values = new List<T>();
            var column = list.Column;
            foreach (var item in list.Take().Split(','))
            {
                if (item.StartsWith('@') && named.TryGetValue(item[1..], out var set))
                {
                    used.Add(item[1..]);
                    values.AddRange(set);
                }
                else if (item.StartsWith('@'))
                {
                    Note(column, item, named.Count == 0 ? "sets that the document defines: there are none of this kind" : "sets that the document defines: @" + string.Join(", @", named.Keys));
                }
                else if (parse(item) is (true, var value))
                {
                    values.Add(value);
                }
                else
                {
                    Note(column, item, allowed);
                }

                if (values.Count > most)
                {
                    Note(column, item, $"at most {most} in a list, with those of its sets");
                    return values;
                }

                column += item.Length + 1;
            }

            return values;
        }

        private static (bool Good, IpPrefix Value) Prefix(string text) => FilterSets.TryParsePrefix(text, out var prefix) ? (true, prefix) : (false, default);

        private static (bool Good, PortRange Value) Ports(string text) => PortRange.TryParse(text, out var range) ? (true, range) : (false, default);

        private bool TryTimes(out RuleTimes times)
        {
            times = RuleTimes.Always;
            var days = WeekText.AllDays;
            if (words.IsAtEnd)
            {
                return Wrong(WeekText.DaysForm + ", or " + WeekText.ClockForm) is not null;
            }

            if (!char.IsAsciiDigit(words.Next[0]))
            {
                if (!WeekText.TryParseDays(words.Next, out days))
                {
                    return Wrong(WeekText.DaysForm) is not null;
                }

                words.Take();
                if (words.IsAtEnd)
                {
                    times = WeekText.Times(days, [(0, RuleTimes.Day)]);
                    return true;
                }
            }

            if (!WeekText.TryParseClock(words.Next, out var clock))
            {
                return Wrong(WeekText.ClockForm) is not null;
            }

            words.Take();
            times = WeekText.Times(days, clock);
            return true;
        }

        private FilterRule? Wrong(string allowed)
        {
            Note(words.Column, words.Next, allowed);
            return null;
        }

        private void Note(int column, string found, string allowed)
        {
            _isWrong = true;
            if (mistakes.Count < FilterLimits.MaxMistakes)
            {
                mistakes.Add(new PolicyMistake(where, number, column, found, allowed));
            }
        }
    }
}
