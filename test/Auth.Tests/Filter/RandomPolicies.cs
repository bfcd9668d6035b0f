using System.Globalization;
using Masquerade.Auth.Filter;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Tests.Filter;

/// <summary>Policies and connections by chance, from few addresses and ports, so that rules overlap; and the plainest evaluator there can be.</summary>
internal sealed class RandomPolicies(SeededRandom random)
{
    private static readonly string[] s_addresses =
        ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "10.1.2.4/30", "255.255.255.255", "0.0.0.0", "192.168.77.0/24", "192.168.77.10", "::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::5", "ffff::/16", "::/96"];

    private static readonly ushort[] s_ports = [0, 1, 52, 53, 54, 255, 256, 257, 443, 8000, 8080, 8100, 65534, 65535];

    private static readonly string[] s_days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    public FilterPolicy Policy(int rules)
    {
        var mistakes = new List<PolicyMistake>();
        var policy = FilterPolicy.Create("random", [.. Enumerable.Range(0, rules).Select(_ => Rule(rules))], FilterSets.None, "random", mistakes);
        Assert.True(policy is not null, string.Join('\n', mistakes));
        return policy;
    }

    public FlowTuple Tuple()
    {
        var protocol = random.NextInt(3) switch { 0 => TransportProtocol.Tcp, 1 => TransportProtocol.Udp, _ => TransportProtocol.Icmp };
        return new FlowTuple(new TransportEndpoint(Address(), Port()), new TransportEndpoint(Address(), Port()), protocol);
    }

    public FilterDirection Direction() => (FilterDirection)random.NextInt(2);

    public DateTimeOffset Time() => new(2026, 1, 1 + random.NextInt(28), random.NextInt(24), random.NextInt(60), random.NextInt(60), TimeSpan.FromMinutes(60 * (random.NextInt(25) - 12)));

    /// <summary>Rule for rule, as the language is described.</summary>
    public static FilterVerdict Judge(FilterPolicy policy, in FlowTuple tuple, FilterDirection direction, DateTimeOffset time)
    {
        var bucket = -1;
        for (var i = 0; i < policy.Rules.Count; i++)
        {
            var rule = policy.Rules[i];
            bucket += rule.Action == FilterAction.Limit ? 1 : 0;
            if ((rule.Direction & (direction == FilterDirection.Out ? RuleDirection.Out : RuleDirection.In)) != 0 && (rule.Protocol is null || rule.Protocol == tuple.Protocol)
                && rule.From.Contains(tuple.Source.Address) && rule.To.Contains(tuple.Destination.Address)
                && Takes(rule.FromPorts, tuple.Source.Port) && Takes(rule.ToPorts, tuple.Destination.Port)
                && rule.Times.HoldsAt(RuleTimes.MinuteOf(time)))
            {
                return new FilterVerdict(rule.Action, i, rule.Action == FilterAction.Limit ? bucket : -1);
            }
        }

        return FilterVerdict.NoRule;
    }

    private static bool Takes(IReadOnlyList<PortRange> ports, ushort port) => ports.Count == 0 || ports.Any(range => range.Contains(port));

    private string Rule(int rules)
    {
        var action = random.NextInt(3) switch { 0 => "allow", 1 => "deny", _ => "limit 1mbit" };
        var direction = random.NextInt(3) switch { 0 => "in", 1 => "out", _ => "both" };
        var protocol = random.NextInt(4) switch { 0 => "tcp", 1 => "udp", 2 => "icmp", _ => "any" };
        var hasPorts = protocol is "tcp" or "udp";

        // The more rules there are the more each must ask for, or the first few decide everything.
        var chance = rules > 20 ? 0.9 : 0.5;
        var from = random.Chance(chance) ? " from " + Ends(hasPorts && random.Chance(chance)) : string.Empty;
        var to = random.Chance(chance) ? " to " + Ends(hasPorts && random.Chance(chance)) : string.Empty;
        return $"{action} {direction} {protocol}{from}{to}{(random.Chance(0.3) ? " at " + When() : string.Empty)}";
    }

    private string Ends(bool hasPorts)
    {
        var addresses = random.Chance(0.2) ? "any" : (random.Chance(0.2) ? "not " : string.Empty) + string.Join(',', Enumerable.Range(0, 1 + random.NextInt(3)).Select(_ => Prefix()));
        return addresses + (hasPorts ? " port " + string.Join(',', Enumerable.Range(0, 1 + random.NextInt(3)).Select(_ => Range())) : string.Empty);
    }

    private string Prefix() => random.Chance(0.5) ? s_addresses[random.NextInt(s_addresses.Length)]
        : new IpPrefix(IpAddress.FromV4((10u << 24) | (uint)random.NextInt(1 << 24)), 8 + random.NextInt(25)).ToString();

    private string Range()
    {
        var (a, b) = (Port(), Port());
        return random.Chance(0.5) ? a.ToString(CultureInfo.InvariantCulture) : $"{Math.Min(a, b)}-{Math.Max(a, b)}";
    }

    private string When()
    {
        var days = random.Chance(0.5) ? s_days[random.NextInt(7)] + "-" + s_days[random.NextInt(7)] : s_days[random.NextInt(7)];
        var clock = $"{random.NextInt(24):00}:00-{random.NextInt(24):00}:30";
        return random.NextInt(3) switch { 0 => days, 1 => clock, _ => days + " " + clock };
    }

    private IpAddress Address()
    {
        var prefix = s_addresses[random.NextInt(s_addresses.Length)];
        Assert.True(FilterSets.TryParsePrefix(prefix, out var known));
        return random.NextInt(4) switch
        {
            0 => IpAddress.FromV4((10u << 24) | (uint)random.NextInt(1 << 24)),
            1 => known.Last,
            2 => new IpAddress(known.Address.High, known.Address.Low ^ (ulong)random.NextInt(8)),
            _ => known.Address,
        };
    }

    private ushort Port() => random.Chance(0.7) ? s_ports[random.NextInt(s_ports.Length)] : (ushort)random.NextInt(65_536);
}
