using System.Text;
using Masquerade.Auth.KeyHolder;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Radius.Tests;

/// <summary>The network's name in Called-Station-Id, as hostapd writes it.</summary>
[Trait("Req", "A-25")]
public sealed class FastTransitionAttributesTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("02-00-00-00-0B-01:lab", "lab")]
    [InlineData("02-00-00-00-0B-01:a:b", "a:b")]
    [InlineData(@"02-00-00-00-0B-01:caf\xc3\xa9 \""1\"" \\ \e\r\n\t", "café \"1\" \\ \e\r\n\t")]
    [InlineData("02-00-00-00-0B-01:12345678901234567890123456789012", "12345678901234567890123456789012")]
    [InlineData("02-00-00-00-0B-01:123456789012345678901234567890123", null)]
    [InlineData("02-00-00-00-0B-01:", null)]
    [InlineData("02-00-00-00-0B-01", null)]
    [InlineData("02-00-00-00-0B-01-lab", null)]
    [InlineData(@"02-00-00-00-0B-01:lab\", null)]
    [InlineData(@"02-00-00-00-0B-01:lab\x4", null)]
    [InlineData(@"02-00-00-00-0B-01:lab\xg4", null)]
    [InlineData(@"02-00-00-00-0B-01:lab\q", null)]
    [InlineData("", null)]
    public void A_name_is_read_or_refused(string called, string? name)
    {
        Assert.Equal(name is not null, FastTransitionAttributes.TryReadNetwork(Encoding.UTF8.GetBytes(called), out var network));
        if (name is not null)
        {
            Assert.Equal(name, Encoding.UTF8.GetString(network));
        }
    }

    [Fact]
    public void Whatever_comes_nothing_is_read_outside_and_no_name_is_too_long()
    {
        var chance = Seed.Fresh(output);
        for (var i = 0; i < 100_000; i++)
        {
            var called = Encoding.ASCII.GetBytes("02-00-00-00-0B-01:").Concat(Enumerable.Range(0, chance.NextInt(40)).Select(_ => (byte)@"\x0aeq"""[chance.NextInt(7)])).Take(chance.NextInt(60)).ToArray();
            if (FastTransitionAttributes.TryReadNetwork(called, out var network))
            {
                Assert.InRange(network.Length, 1, 32);
            }
        }
    }
}
