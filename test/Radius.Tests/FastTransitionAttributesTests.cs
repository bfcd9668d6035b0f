using System.Text;
using Masquerade.Auth.KeyHolder;

namespace Masquerade.Radius.Tests;

/// <summary>The network's name in Called-Station-Id, as hostapd writes it.</summary>
[Trait("Req", "A-25")]
public sealed class FastTransitionAttributesTests
{
    [Theory]
    [InlineData("02-00-00-00-0B-01:lab", "lab")]
    [InlineData("02-00-00-00-0B-01:a:b", "a:b")]
    [InlineData("02-00-00-00-0B-01:café \"1\" \\x41 \e\r\n", "café \"1\" \\x41 \e\r\n")]
    [InlineData("02-00-00-00-0B-01:12345678901234567890123456789012", "12345678901234567890123456789012")]
    [InlineData("02-00-00-00-0B-01:123456789012345678901234567890123", null)]
    [InlineData("02-00-00-00-0B-01:", null)]
    [InlineData("02-00-00-00-0B-01", null)]
    [InlineData("02-00-00-00-0B-01-lab", null)]
    [InlineData("", null)]
    public void A_name_is_read_or_refused(string called, string? name)
    {
        Assert.Equal(name is not null, FastTransitionAttributes.TryReadNetwork(Encoding.UTF8.GetBytes(called), out var network));
        if (name is not null)
        {
            Assert.Equal(name, Encoding.UTF8.GetString(network));
        }
    }
}
