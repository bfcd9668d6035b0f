using Masquerade.Auth.Filter;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Filter;

[Trait("Req", "A-26")]
public sealed class FilterProgramTests(ITestOutputHelper output)
{
    private static readonly DateTimeOffset s_noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.FromHours(1));

    [Theory]
    [InlineData(400, 1)]
    [InlineData(300, 8)]
    [InlineData(60, 64)]
    [InlineData(30, 65)]
    [InlineData(12, 600)]
    [InlineData(4, 900)]
    public void The_matcher_says_what_reading_the_rules_one_by_one_says(int policies, int rules)
    {
        var random = Seed.Fresh(output);
        var chance = new RandomPolicies(random);
        var decided = 0;
        for (var p = 0; p < policies; p++)
        {
            var policy = chance.Policy(rules);
            var time = chance.Time();
            var program = FilterProgram.Compile(policy, time);
            Assert.NotNull(program);
            for (var i = 0; i < 400; i++)
            {
                var (tuple, direction) = (chance.Tuple(), chance.Direction());
                var expected = RandomPolicies.Judge(policy, tuple, direction, time);
                Assert.True(expected == program.Match(tuple, direction), $"{tuple} {direction} at {time}: {expected} but {program.Match(tuple, direction)} by\n{policy.Text}");
                decided += expected.Rule >= 0 ? 1 : 0;
            }
        }

        Assert.True(decided > policies * 20, "the rules hardly ever matched: nothing was compared");
    }

    /// <summary>The search goes down a tree of nodes of sixteen: every number of starts about those that fill one, a level, two; and every address at an edge, the highest among them.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_edge_of_an_address_range_is_found_however_many_there_are(bool withHighest)
    {
        for (var rules = 0; rules <= 900; rules += rules is < 20 or (> 118 and < 138) ? 1 : 49)
        {
            string[] texts = [.. withHighest ? (string[])["deny out any to 255.255.255.255/32"] : [], .. Enumerable.Range(0, rules).Select(i => $"{(i % 2 == 0 ? "allow" : "deny")} out any to 10.{i >> 6}.{(i & 63) << 2}.7/32"), "allow out any"];
            var policy = FilterPolicy.Create("edges", texts, FilterSets.None, "test", [])!;
            var program = FilterProgram.Compile(policy, s_noon)!;
            foreach (var address in Enumerable.Range(0, rules).SelectMany(i => Enumerable.Range(6, 3).Select(last => (10u << 24) | ((uint)(i >> 6) << 16) | ((uint)(i & 63) << 10) | (uint)last)).Concat([0u, 1u, uint.MaxValue - 1, uint.MaxValue]))
            {
                var tuple = new FlowTuple(new TransportEndpoint(IpAddress.FromV4(0xC0A8_0101), 5_000), new TransportEndpoint(IpAddress.FromV4(address), 443), TransportProtocol.Tcp);
                Assert.Equal(RandomPolicies.Judge(policy, tuple, FilterDirection.Out, s_noon), program.Match(tuple, FilterDirection.Out));
            }
        }
    }

    [Fact]
    public void A_program_holds_until_it_says_that_it_changes()
    {
        var chance = new RandomPolicies(Seed.Fresh(output));
        for (var p = 0; p < 60; p++)
        {
            var policy = chance.Policy(6);
            var time = chance.Time();
            var program = FilterProgram.Compile(policy, time)!;
            var until = program.NextChange ?? time.AddDays(8);
            Assert.True(until > time && until.Offset == time.Offset && until.Second == 0 || program.NextChange is null);
            for (var i = 0; i < 60; i++)
            {
                var (tuple, direction) = (chance.Tuple(), chance.Direction());
                var later = time + ((until - time) * (i / 60.0));
                Assert.Equal(RandomPolicies.Judge(policy, tuple, direction, later), program.Match(tuple, direction));
            }
        }
    }

    [Fact]
    public void What_no_rule_allows_is_denied()
    {
        var program = FilterProgram.Compile(FilterPolicy.Nothing, s_noon)!;
        Assert.Equal(FilterVerdict.NoRule, program.Match(Tuple("10.0.0.1:1000", "203.0.113.1:443"), FilterDirection.Out));
        Assert.Equal(FilterVerdict.NoRule, program.Match(Tuple("203.0.113.1:443", "10.0.0.1:1000"), FilterDirection.In));
        Assert.Equal(FilterVerdict.NoRule, program.Match(Tuple("10.0.0.1:1000", "203.0.113.1:443") with { Protocol = (TransportProtocol)47 }, FilterDirection.Out));
    }

    [Fact]
    public void Both_is_read_once_for_each_who_opens()
    {
        var program = Compile("allow both tcp to any port 22");
        Assert.True(program.Match(Tuple("10.0.0.1:1000", "203.0.113.1:22"), FilterDirection.Out).Passes);
        Assert.True(program.Match(Tuple("203.0.113.1:1000", "10.0.0.1:22"), FilterDirection.In).Passes);
        Assert.False(program.Match(Tuple("203.0.113.1:22", "10.0.0.1:1000"), FilterDirection.In).Passes);
    }

    [Fact]
    public void A_mapped_address_is_IPv4_and_nothing_else()
    {
        var program = Compile("deny out any to ::/0", "allow out any to 0.0.0.0/0");
        Assert.Equal(1, program.Match(Tuple("10.0.0.1:1", "203.0.113.1:1"), FilterDirection.Out).Rule);
        Assert.Equal(0, program.Match(Tuple("[2001:db8::1]:1", "[::]:1"), FilterDirection.Out).Rule);
    }

    [Fact]
    public void It_explains_itself()
    {
        var program = Compile("deny out tcp to 10.0.0.0/8", "limit 5mbit out tcp to any port 443");
        Assert.Equal("denied by policy staff rule 1: deny out tcp to 10.0.0.0/8", program.Explain(Tuple("192.168.77.10:1", "10.1.1.1:443"), FilterDirection.Out));
        Assert.Equal("allowed by policy staff rule 2: limit 5mbit out tcp to any port 443", program.Explain(Tuple("192.168.77.10:1", "203.0.113.1:443"), FilterDirection.Out));
        Assert.Equal("denied: no rule of policy staff matches", program.Explain(Tuple("192.168.77.10:1", "203.0.113.1:80"), FilterDirection.Out));
    }

    [Fact]
    public void A_bucket_stays_the_same_one_at_another_time_of_day()
    {
        var policy = Policy("limit 1mbit out udp at 08:00-10:00", "limit 2mbit out tcp");
        foreach (var hour in new[] { 9, 12 })
        {
            var program = FilterProgram.Compile(policy, new DateTimeOffset(2026, 3, 4, hour, 0, 0, TimeSpan.Zero))!;
            Assert.Equal(1, program.Match(Tuple("10.0.0.1:1", "203.0.113.1:1"), FilterDirection.Out).Bucket);
            Assert.Equal(250_000, program.Limits[1].BytesPerSecond);
        }
    }

    [Fact]
    public void Matching_allocates_nothing()
    {
        var chance = new RandomPolicies(Seed.Fresh(output));
        var program = FilterProgram.Compile(chance.Policy(1000), s_noon)!;
        var tuples = Enumerable.Range(0, 64).Select(_ => chance.Tuple()).ToArray();
        var sum = Run(program, tuples);
        var before = GC.GetAllocatedBytesForCurrentThread();
        sum += Run(program, tuples);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.NotEqual(0, sum);
    }

    [Fact]
    public void Rows_are_bounded_and_equal_ones_are_kept_once()
    {
        var rows = new BitRows(FilterLimits.MaxRules);
        var bits = new ulong[rows.Words];
        var most = FilterLimits.MaxProgramBytes / (rows.Words * sizeof(ulong));
        for (var i = 0; i < most - 1; i++)
        {
            bits[0] = (ulong)i;
            Assert.Equal(i + 1, rows.Add(bits));
            Assert.Equal(i + 1, rows.Add(bits));
        }

        Assert.False(rows.IsTooLarge);
        bits[1] = 1;
        rows.Add(bits);
        Assert.True(rows.IsTooLarge);
        Assert.Equal(FilterLimits.MaxProgramBytes, rows.Flatten().Length * sizeof(ulong));
    }

    private static int Run(FilterProgram program, FlowTuple[] tuples)
    {
        var sum = 1;
        for (var i = 0; i < tuples.Length; i++)
        {
            sum = unchecked((sum * 31) + program.Match(tuples[i], FilterDirection.Out).Rule + program.Match(tuples[i], FilterDirection.In).Rule);
        }

        return sum;
    }

    private static FlowTuple Tuple(string from, string to) => new(TransportEndpoint.Parse(from), TransportEndpoint.Parse(to), TransportProtocol.Tcp);

    private static FilterProgram Compile(params string[] rules) => FilterProgram.Compile(Policy(rules), s_noon)!;

    private static FilterPolicy Policy(params string[] rules)
    {
        var mistakes = new List<PolicyMistake>();
        var policy = FilterPolicy.Create("staff", rules, FilterSets.None, "policies.staff", mistakes);
        Assert.True(policy is not null, string.Join('\n', mistakes));
        return policy;
    }
}
