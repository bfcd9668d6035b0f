using Masquerade.Auth.Filter;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Tests.Filter;

public sealed class RuleParserTests
{
    private static readonly FilterSets s_sets = Sets();

    [Theory]
    [InlineData("allow out tcp to 10.0.0.0/8 port 443,8000-8100")]
    [InlineData("deny in udp")]
    [InlineData("limit 5mbit out any to any")]
    [InlineData("limit 1gbit burst 256kb both tcp from 2001:db8::/32 port 1-65535 to not @dns,192.0.2.7 port @web,22")]
    [InlineData("allow out udp to @dns port 53 at mon-fri 08:00-18:00")]
    [InlineData("allow both icmp")]
    [InlineData("deny out any at sat,sun")]
    [InlineData("deny out any at 22:00-06:00,12:00-24:00")]
    public void A_rule_is_read_and_reads_back_as_it_was_written(string text)
    {
        var mistakes = new List<PolicyMistake>();
        Assert.True(RuleParser.TryParse("  " + text.ToUpperInvariant().Replace(" ", " \t ", StringComparison.Ordinal), s_sets, "p", 1, mistakes, out var rule), string.Join('\n', mistakes));
        Assert.Equal(text, rule!.Text);
        Assert.True(RuleParser.TryParse(rule.Text, s_sets, "p", 1, mistakes, out var again));
        Assert.Equal(rule.Text, again!.Text);
    }

    [Fact]
    public void Every_part_of_a_rule_has_its_place()
    {
        var rule = Parse("limit 8mbit burst 100kb both tcp from @dns,192.0.2.0/24 port 1000-2000 to not 2001:db8::1 port @web at fri 22:00-02:00");
        Assert.Equal((FilterAction.Limit, RuleDirection.Both, TransportProtocol.Tcp), (rule.Action, rule.Direction, rule.Protocol));
        Assert.Equal(new RateLimit(1_000_000, 100_000), rule.Limit);
        Assert.Equal(["10.0.0.53/32", "2001:db8::53/128", "192.0.2.0/24"], rule.From.Prefixes.Select(prefix => prefix.ToString()));
        Assert.True(rule.To.IsInverted);
        Assert.Equal([new PortRange(1000, 2000)], rule.FromPorts);
        Assert.Equal([new PortRange(80, 80), new PortRange(443, 443)], rule.ToPorts);
        Assert.True(rule.Times.HoldsAt((4 * RuleTimes.Day) + (23 * 60)));
        Assert.True(rule.Times.HoldsAt((5 * RuleTimes.Day) + 119));
        Assert.False(rule.Times.HoldsAt((5 * RuleTimes.Day) + 120));
        Assert.False(rule.Times.HoldsAt(60));
    }

    [Theory]
    [InlineData("", 1, "", "allow, deny, limit")]
    [InlineData("permit out any", 1, "permit", "allow, deny, limit")]
    [InlineData("allow", 6, "", "out, in, both")]
    [InlineData("allow tcp", 7, "tcp", "out, in, both")]
    [InlineData("allow out gre", 11, "gre", "any, tcp, udp, icmp")]
    [InlineData("allow out tcp to", 17, "", "an address")]
    [InlineData("allow out tcp to 10.0.0.0/33", 18, "10.0.0.0/33", "an address")]
    [InlineData("allow out tcp to 10.0.0.1/8", 18, "10.0.0.1/8", "without bits behind its length")]
    [InlineData("allow out tcp to 10.0.0.1,example.com", 27, "example.com", "an address")]
    [InlineData("allow out tcp to 10.0.0.1,", 27, "", "an address")]
    [InlineData("allow out tcp to @nobody", 18, "@nobody", "@dns")]
    [InlineData("allow out any to any port 80", 22, "port", "tcp or udp")]
    [InlineData("allow out tcp to any port 65536", 27, "65536", "a port 0-65535")]
    [InlineData("allow out tcp to any port 80,20-10", 30, "20-10", "a port 0-65535")]
    [InlineData("allow out tcp to any port @dns", 27, "@dns", "@web")]
    [InlineData("allow out tcp from any from any", 24, "from", "to, at, or the end")]
    [InlineData("allow out tcp to any from any", 22, "from", "at, or the end")]
    [InlineData("limit out any", 7, "out", "a rate from 8kbit")]
    [InlineData("limit 7kbit out any", 7, "7kbit", "a rate from 8kbit")]
    [InlineData("limit 5mbit burst out any", 19, "out", "a size from 2kb")]
    [InlineData("deny out any at", 16, "", "days")]
    [InlineData("deny out any at noon", 17, "noon", "days")]
    [InlineData("deny out any at mon 9-17", 21, "9-17", "times")]
    [InlineData("deny out any at 09:00-09:00", 17, "09:00-09:00", "times")]
    [InlineData("deny out any at 09:00-24:01", 17, "09:00-24:01", "times")]
    [InlineData("deny out any at mon 09:00-10:00 tue", 33, "tue", "the end of the rule")]
    public void A_mistake_names_rule_column_and_what_is_allowed(string text, int column, string found, string allowed)
    {
        var mistakes = new List<PolicyMistake>();
        Assert.False(RuleParser.TryParse(text, s_sets, "policies.staff", 7, mistakes, out _));
        var mistake = Assert.Single(mistakes);
        Assert.Equal(("policies.staff", 7, column, found), (mistake.Where, mistake.Rule, mistake.Column, mistake.Found));
        Assert.Contains(allowed, mistake.Allowed, StringComparison.Ordinal);
        Assert.StartsWith($"policies.staff rule 7, column {column}: ", mistake.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void All_items_of_a_list_are_looked_at_and_none_writes_into_the_log()
    {
        var mistakes = new List<PolicyMistake>();
        Assert.False(RuleParser.TryParse("allow out tcp to a,10.0.0.1,b port x,\u001b[31m", s_sets, "p", 1, mistakes, out _));
        Assert.Equal([18, 29, 36, 38], mistakes.Select(mistake => mistake.Column));
        Assert.DoesNotContain(mistakes, mistake => mistake.ToString().Any(char.IsControl));
    }

    [Theory]
    [InlineData(10, 1)]
    [InlineData(10 * 60, 1)]
    [InlineData((6 * RuleTimes.Day) + 1439, 1)]
    public void The_next_change_is_the_next_edge(int minute, int least)
    {
        var times = Parse("allow out any at mon-fri 08:00-18:00").Times;
        var ahead = times.MinutesToChange(minute);
        Assert.True(ahead >= least);
        for (var i = 0; i < ahead; i++)
        {
            Assert.Equal(times.HoldsAt(minute), times.HoldsAt((minute + i) % RuleTimes.Week));
        }

        Assert.NotEqual(times.HoldsAt(minute), times.HoldsAt((minute + ahead) % RuleTimes.Week));
    }

    private static FilterRule Parse(string text)
    {
        var mistakes = new List<PolicyMistake>();
        Assert.True(RuleParser.TryParse(text, s_sets, "p", 1, mistakes, out var rule), string.Join('\n', mistakes));
        return rule!;
    }

    private static FilterSets Sets()
    {
        var mistakes = new List<PolicyMistake>();
        var sets = new FilterSets();
        SetReader.Read(sets, isAddresses: true, "dns", ["10.0.0.53", "2001:db8::53"], "addresses.dns", mistakes);
        SetReader.Read(sets, isAddresses: false, "web", ["80", "443"], "ports.web", mistakes);
        Assert.Empty(mistakes);
        return sets;
    }
}
