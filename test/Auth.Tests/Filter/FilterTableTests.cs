using Masquerade.Auth.Filter;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Tests.Filter;

[Trait("Req", "A-26")]
public sealed class FilterTableTests
{
    private static readonly DateTimeOffset s_morning = new(2026, 3, 4, 7, 30, 0, TimeSpan.FromHours(1));
    private static readonly MacAddress s_ada = MacAddress.Parse("02:c0:00:00:00:01");
    private static readonly MacAddress s_bob = MacAddress.Parse("02:c0:00:00:00:02");
    private static readonly FlowTuple s_web = new(TransportEndpoint.Parse("10.0.0.1:1000"), TransportEndpoint.Parse("203.0.113.1:443"), TransportProtocol.Tcp);

    [Fact]
    public void Equal_policies_have_one_number_and_one_that_nobody_has_makes_room()
    {
        var table = new FilterTable(2, 10);
        Assert.True(table.TryAdd(Policy("a", "allow out any"), s_morning, out var a));
        Assert.True(table.TryAdd(Policy("a", "ALLOW out  any"), s_morning, out var same));
        Assert.Equal(a, same);
        Assert.True(table.TryAdd(Policy("b", "deny out any"), s_morning, out var b));
        Assert.True(table.TryAssign(s_ada, a));
        Assert.True(table.TryAssign(s_bob, b));
        Assert.False(table.TryAdd(Policy("c", "allow in any"), s_morning, out var refused));
        Assert.Equal(IClientFilter.Unknown, refused);
        Assert.True(table.TryAssign(s_bob, IClientFilter.Unknown));
        Assert.True(table.TryAdd(Policy("c", "allow in any"), s_morning, out var c));
        Assert.Equal(b, c);
        Assert.True(table.Judge(a, s_web, FilterDirection.Out).Passes);
        Assert.False(table.Judge(c, s_web, FilterDirection.Out).Passes);
        Assert.False(table.TryFind(Policy("b", "deny out any").Digest.Span, out _));
    }

    [Fact]
    public void Who_is_not_known_may_do_nothing()
    {
        var table = new FilterTable(2, 1);
        Assert.Equal(IClientFilter.Unknown, table.PolicyOf(s_ada));
        Assert.True(table.TryAssign(s_ada, IClientFilter.Awaited));
        Assert.Equal(IClientFilter.Awaited, table.PolicyOf(s_ada));
        Assert.False(table.TryAssign(s_bob, IClientFilter.Awaited));
        Assert.False(table.TryAssign(s_ada, 2));
        Assert.Equal((IClientFilter.Unknown, 0), (table.PolicyOf(s_ada), table.ClientCount));
        foreach (var number in new[] { int.MinValue, -1, 0, 1, 3, int.MaxValue })
        {
            Assert.Equal(FilterVerdict.NoRule, table.Judge(number, s_web, FilterDirection.Out));
            Assert.StartsWith("denied", table.Explain(number, s_web, FilterDirection.Out), StringComparison.Ordinal);
            Assert.Equal(new RateLimit(1, 1), table.LimitOf(number, 0));
        }
    }

    [Fact]
    public void The_time_of_day_changes_a_policy_under_its_number()
    {
        var table = new FilterTable(3, 10);
        table.TryAdd(Policy("a", "allow out any at 08:00-18:00"), s_morning, out var a);
        table.TryAdd(Policy("b", "allow out any"), s_morning, out _);
        Assert.Equal(s_morning.AddMinutes(30), table.NextChange);
        Assert.False(table.Judge(a, s_web, FilterDirection.Out).Passes);
        Assert.Empty(table.Advance(s_morning.AddMinutes(29)));
        Assert.Equal([a], table.Advance(s_morning.AddMinutes(30)));
        Assert.True(table.Judge(a, s_web, FilterDirection.Out).Passes);
        Assert.Equal(s_morning.AddHours(10.5), table.NextChange);

        // Summer time begins: it is 18:00 an hour earlier.
        Assert.Equal([a], table.Advance(s_morning.AddHours(9.6).ToOffset(TimeSpan.FromHours(2))));
        Assert.False(table.Judge(a, s_web, FilterDirection.Out).Passes);
    }

    private static FilterPolicy Policy(string name, params string[] rules) => FilterPolicy.Create(name, rules, FilterSets.None, name, [])!;
}
