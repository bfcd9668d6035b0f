using System.Net.Sockets;
using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>The demonstration's walks with the product's own programs, kernels at both ends, judged by captures.</summary>
[Trait("Req", "A-01")]
[Trait("Req", "A-02")]
[Trait("Req", "A-04")]
[Trait("Req", "A-05")]
[Trait("Req", "A-11")]
[Trait("Req", "A-19")]
public sealed class MasqueradeTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-12")]
    public void Connections_survive_a_walk_with_association_events() => ExpectOk(Walk.Short);

    [Fact]
    public void Connections_survive_a_walk_that_access_points_must_notice_themselves() => ExpectOk(Walk.Short with { Events = false });

    [Fact]
    public void Connections_survive_when_hosts_finish_their_own_checksums_and_segments() => ExpectOk(Walk.Short with { Offload = false, Rate = 8 });

    [Fact]
    [Trait("Req", "N-08")]
    public void Connections_survive_over_IPv6() => ExpectOk(Walk.Short with { Families = [AddressFamily.InterNetworkV6] });

    [Fact]
    [Trait("Req", "A-22")]
    public void Connections_survive_a_walk_over_two_coordinators_that_share_a_Redis()
    {
        var result = Walk.Run(Walk.Short with { Redis = true }, output);
        var site = result.Site!;

        Assert.Equal("ok", Walk.VerdictOf(result));
        Assert.Equal("redis", site.Store);
        Assert.Equal(2, site.Coordinators.Count);
        Assert.All(site.Coordinators, c => Assert.NotEmpty(c.AccessPoints));
        Assert.Equal([1, 2, 3], site.Coordinators.SelectMany(c => c.AccessPoints).Order());
    }

    private void ExpectOk(DemoOptions options)
    {
        var result = Walk.Run(options, output);

        Assert.Equal("ok", Walk.VerdictOf(result));
        Assert.Equal(options.Roams, result.Roams);
        Assert.All(result.Connections, c => Assert.Equal("Finished", c.Health));
        Assert.True(result.TcpConnections >= 4 + options.Roams, $"only {result.TcpConnections} TCP connections");
        Assert.True(result.Path.ViaHamThenFam > 100, $"only {result.Path.ViaHamThenFam} datagrams were followed from HAM to FAM");
    }
}
