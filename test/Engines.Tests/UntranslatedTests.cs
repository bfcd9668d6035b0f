using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>What is not translated has limits, states and timers like everything else, and nobody is told of it (RFC 6888 REQ-6).</summary>
[Trait("Rfc", "6888 REQ-6")]
public sealed class UntranslatedTests
{
    private static readonly TransportEndpoint Listed = TransportEndpoint.Parse("198.51.100.9:443");
    private static readonly UntranslatedDestinations List = new([IpPrefix.Parse("198.51.100.0/24")], [IpPrefix.Parse("192.168.77.0/24")]);

    [Fact]
    public void It_takes_no_port_and_nobody_hears_of_it()
    {
        var site = new Site(new FamConfig { Untranslated = List });
        site.Arrive(1);
        var free = site.Pool.Free(TransportProtocol.Udp, false, site.Now);
        for (ushort port = 1000; port < 1050; port++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(port, Listed).Kind);
            Assert.Equal(new TransportEndpoint(Site.ClientAddress, port), site.Seen());
        }

        Assert.Equal((50, 50L), (site.Fam.UntranslatedCount, site.Fam.UntranslatedOpened));
        Assert.Equal((0, free), (site.Ham.MappingCount, site.Pool.Free(TransportProtocol.Udp, false, site.Now)));
        site.Wait(100);
        site.Wait(400_000);
        Assert.Equal(0, site.Fam.UntranslatedCount);
        Assert.Equal(free, site.Pool.Free(TransportProtocol.Udp, false, site.Now));
        Assert.Empty(site.Said.OfType<Announce>());
        Assert.Empty(site.Said.OfType<AttachKnown>());
    }

    /// <summary>Nothing of it is in what is said when the client goes, and what servers still send then reaches nobody here.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_ends_with_the_stay(bool moves)
    {
        var site = new Site(new FamConfig { Untranslated = List });
        site.Arrive(1);
        site.FromClient(1000, Listed);
        site.FromClient(1000);
        Assert.Equal(2, site.Fam.ConnectionCount);
        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(new TransportEndpoint(Site.ClientAddress, 1000), Listed).Kind);
        site.Wait(10);
        site.Fam.OnDisassociated(Site.Client, site.Now);
        Assert.Equal(VerdictKind.Held, site.FromServer(new TransportEndpoint(Site.ClientAddress, 1000), Listed).Kind);
        if (moves)
        {
            site.Tell(new FamChange { Id = 9, Client = Site.Client, Epoch = new Epoch(2), NewFam = Site.Other, PreviousFam = Site.Self, Token = 5, Routes = [] });
        }

        site.Wait(300);
        Assert.Equal(0, site.Fam.UntranslatedCount);
        Assert.Equal(VerdictKind.Drop, site.FromServer(new TransportEndpoint(Site.ClientAddress, 1000), Listed).Kind);
        var mappings = moves ? site.Last<HandOver>().Mappings : site.Last<Depart>().Mappings;
        Assert.Equal(Site.Server, Assert.Single(Assert.Single(mappings).Connections).Server);
    }

    [Fact]
    [Trait("Req", "N-10")]
    public void Limits_hold_for_it()
    {
        var site = new Site(new FamConfig { Untranslated = List, UdpMappingsPerClient = 3, ConnectionsPerClient = 5 });
        site.Arrive(1);
        for (ushort port = 1000; port < 1005; port++)
        {
            Assert.Equal(port < 1003 ? DropReason.None : DropReason.ClientQuota, site.FromClient(port, Listed).Reason);
        }

        for (ushort server = 1; server < 5; server++)
        {
            Assert.Equal(server < 3 ? DropReason.None : DropReason.ClientQuota, site.FromClient(1000, Listed with { Port = server }).Reason);
        }

        Assert.Equal(4, site.Errors.Count);
        Assert.Equal((3, 5), (site.Fam.UntranslatedCount, site.Fam.ConnectionCount));
    }

    /// <summary>No coordinator is needed for it: not for the first packet of a client, nor while none can be reached.</summary>
    [Fact]
    public void It_waits_for_no_coordinator()
    {
        var site = new Site(new FamConfig { Untranslated = List });
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000, Listed).Kind);
        Assert.Equal(VerdictKind.Held, site.FromClient(1000).Kind);
        site.Answer(1);
        Assert.Equal(2, site.Uplink.Count);
    }

    /// <summary>A client that answers an unknown packet with a RST opens nothing by it.</summary>
    [Fact]
    public void A_RST_passes_and_leaves_nothing()
    {
        var site = new Site(new FamConfig { Untranslated = List });
        site.Arrive(1);
        var client = new TransportEndpoint(Site.ClientAddress, 1000);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Segments.Make(client, Listed, Segments.Rst), out var after).Kind);
        Assert.Equal(client, Site.Parse(after).Tuple.Source);
        Assert.Equal((0, 0), (site.Fam.UntranslatedCount, site.Fam.ConnectionCount));
        Assert.Equal(VerdictKind.Drop, site.In(Segments.Make(Listed, client, Segments.Syn)).Kind);
        Assert.Equal(VerdictKind.Drop, site.In(Segments.Make(Listed, client, Segments.Rst)).Kind);
        Assert.Equal(2, site.Drops[DropReason.FilteredServer]);
    }
}
