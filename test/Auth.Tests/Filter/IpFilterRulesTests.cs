using System.Text;
using Masquerade.Auth.Filter;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Filter;

[Trait("Req", "A-26")]
public sealed class IpFilterRulesTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("permit in tcp from any to 1.2.3.4 80", "allow out tcp from any to 1.2.3.4/32 port 80")]
    [InlineData("permit in ip from assigned to 10.1.1.1/32", "allow out any from any to 10.1.1.1/32")]
    [InlineData("permit out 17 from 10.0.0.0/8 53 to assigned 1024-65535", "allow in udp from 10.0.0.0/8 port 53 to any port 1024-65535")]
    [InlineData("permit in tcp from any to !10.9.8.7/8 80,443 setup", "allow out tcp from any to not 10.0.0.0/8 port 80,443")]
    [InlineData("permit in 58 from any to 2001:db8::/32", "allow out icmp from any to 2001:db8::/32")]
    [InlineData("permit in icmp from any to any icmptypes 0,8,11", "allow out icmp from any to any")]
    public void A_rule_of_RFC_6733_becomes_one_of_ours(string theirs, string ours) =>
        Assert.Equal(ours, Assert.Single(Translate(out _, theirs)!.Rules).Text);

    [Fact]
    public void What_is_established_passes_anyway_and_ICMP_errors_go_with_their_connection() =>
        Assert.Equal(["allow out tcp from any to any"], Translate(out _, "permit out tcp from any to any established\0permit in tcp from any to any\0permit out icmp from any to any icmptypes 3,11")!.Rules.Select(rule => rule.Text));

    [Fact]
    public void Attributes_are_put_together_in_order_and_cut_at_NUL()
    {
        var policy = Translate(out _, "permit in tcp from any to 10.0.", "0.0/8 80\0permit in u", "dp from any to any\0", "\0");
        Assert.Equal(["allow out tcp from any to 10.0.0.0/8 port 80", "allow out udp from any to any"], policy!.Rules.Select(rule => rule.Text));
    }

    [Fact]
    public void What_no_rule_matches_meets_the_opposite_of_the_last_rule_of_its_direction()
    {
        Assert.Equal("allow out any", Translate(out _, "permit in tcp from any to any 80\0deny in tcp from any to any\0permit out udp from any to any")!.Rules[^1].Text);
        Assert.Equal("deny out tcp from any to any", Translate(out _, "permit in tcp from any to any 80\0deny in tcp from any to any\0permit in ip from any to 10.0.0.1")!.Rules[1].Text);
        Assert.Equal(3, Translate(out _, "permit in tcp from any to any 80\0deny in tcp from any to any\0permit in ip from any to 10.0.0.1")!.Rules.Count);
    }

    [Theory]
    [InlineData("allow in ip from any to any", 1)]
    [InlineData("permit both ip from any to any", 8)]
    [InlineData("permit in gre from any to any", 11)]
    [InlineData("permit in ip to any", 14)]
    [InlineData("permit in ip from any", 22)]
    [InlineData("permit in ip from any to assigned", 26)]
    [InlineData("permit in ip from any to example.com", 26)]
    [InlineData("permit in ip from any to 10.0.0.0/33", 26)]
    [InlineData("permit in ip from any to any 80", 30)]
    [InlineData("permit in tcp from any to any 80-", 31)]
    [InlineData("permit in ip from !any to any", 19)]
    [InlineData("deny out tcp from any to any established", 30)]
    [InlineData("permit in tcp from any to any tcpflags syn", 31)]
    [InlineData("permit in ip from any to any frag", 30)]
    [InlineData("deny in icmp from any to any icmptypes 3", 40)]
    public void One_rule_that_cannot_be_applied_refuses_all(string rule, int column)
    {
        Assert.Null(Translate(out var mistakes, "permit in ip from any to any\0" + rule));
        var mistake = Assert.Single(mistakes);
        Assert.Equal((2, column), (mistake.Rule, mistake.Column));
    }

    [Fact]
    public void Any_octets_give_a_policy_or_a_mistake()
    {
        var random = Seed.Fresh(output);
        var good = Encoding.ASCII.GetBytes("permit in tcp from !10.0.0.0/8 1-2 to any 80,443 setup\0deny out 17 from any to assigned\0permit in icmp from any to any icmptypes 0-8");
        for (var i = 0; i < 20_000; i++)
        {
            var octets = good[..random.NextInt(good.Length + 1)];
            for (var change = random.NextInt(4); change > 0 && octets.Length > 0; change--)
            {
                octets[random.NextInt(octets.Length)] = (byte)random.NextInt(256);
            }

            var mistakes = new List<PolicyMistake>();
            Assert.True(IpFilterRules.Translate([octets], mistakes) is null == mistakes.Count > 0);
        }
    }

    private static FilterPolicy? Translate(out List<PolicyMistake> mistakes, params string[] attributes)
    {
        mistakes = [];
        var policy = IpFilterRules.Translate(attributes.Select(Encoding.ASCII.GetBytes), mistakes);
        Assert.True(policy is null == mistakes.Count > 0);
        return policy;
    }
}
