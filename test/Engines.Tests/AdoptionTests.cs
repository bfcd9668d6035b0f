using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Ham;

namespace Masquerade.Engines.Tests;

/// <summary>A HAM that has lost its tables is given them back.</summary>
public sealed class AdoptionTests
{
    private static readonly TransportEndpoint Masquerade = new(Site.Own, 40_000);
    private static readonly TransportEndpoint Away = TransportEndpoint.Parse("10.1.2.10:6000");

    [Fact]
    [Trait("Req", "A-16")]
    public void What_was_anchored_goes_on_to_the_fam_and_the_port_is_nobody_elses()
    {
        var site = new Site();
        site.Tell(Adopt(Anchored(Away)));
        Assert.Equal(VerdictKind.ForwardUplink, site.FromServer(Masquerade).Kind);
        Assert.Equal(Away, Site.Parse(site.Uplink[^1]).Tuple.Destination);
        Assert.False(site.Pool.TryTake(TransportProtocol.Udp, Masquerade, site.Now));
        site.Tell(new MappingsEnded { Id = 9, Client = Site.Client, Epoch = new Epoch(4), Mappings = [Anchored(Away).Mapping] });
        Assert.Equal(0, site.Ham.MappingCount);
    }

    [Fact]
    [Trait("Req", "A-16")]
    public void A_client_out_of_coverage_is_asked_for_and_one_that_comes_back_here_is_served()
    {
        var site = new Site();
        var record = Anchored(TransportEndpoint.None);
        site.Tell(Adopt(record));
        Assert.Equal(VerdictKind.Drop, site.FromServer(Masquerade).Kind);
        Assert.Equal(record.Mapping, site.Last<FamQuery>().Mapping);

        site.Arrive(5, mappings: record with { FamEndpoint = Masquerade, Connections = [new ConnectionRecord(Site.Server, ConnectionState.Established, 0)] });
        site.Tell(new FamChange
        {
            Id = 8, Client = Site.Client, Epoch = new Epoch(5), NewFam = Site.Self, Token = 1,
            Routes = [new FamRoute(record.Mapping, Site.Self, TransportEndpoint.None, Masquerade)],
        });
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        Assert.Equal(Masquerade, site.Seen());
        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(Masquerade).Kind);
    }

    [Fact]
    [Trait("Req", "A-16")]
    [Trait("Req", "A-17")]
    public void What_cannot_be_anchored_is_given_up_and_said()
    {
        var site = new Site(ham: new HamConfig { MaxMappings = 2 });
        site.Arrive(1);
        site.FromClient(1000);
        var taken = site.Seen();
        var another = MacAddress.Parse("02:c0:00:00:00:02");
        site.Tell(Adopt(Anchored(Away), Anchored(Away, port: 40_001)) with
        {
            Client = another,
            Mappings =
            [
                Anchored(Away, taken.Port), Anchored(Away), Anchored(Away, port: 40_001),
                Anchored(Away) with { Mapping = new MappingId(TransportProtocol.Udp, TransportEndpoint.Parse("10.9.9.9:40000")) },
            ],
        });
        var released = site.Last<ReleaseMappings>();
        Assert.Equal(another, released.Client);
        Assert.Equal([taken.Port, 40_001, 40_000], released.Mappings.Select(m => (int)m.Masquerade.Port));
        Assert.Equal(VerdictKind.ForwardClient, site.FromServer(taken).Kind);
        Assert.Equal(0, site.Drops[DropReason.TableFull]);
    }

    /// <summary>The coordinator repeats what was not acknowledged, and the copy may come behind the news of the end.</summary>
    [Fact]
    [Trait("Req", "A-17")]
    public void A_late_copy_does_not_bring_back_what_has_ended()
    {
        var site = new Site();
        site.Tell(Adopt(Anchored(Away)));
        site.Tell(new MappingsEnded { Id = 9, Client = Site.Client, Epoch = new Epoch(4), Mappings = [Anchored(Away).Mapping] });
        site.Tell(Adopt(Anchored(Away)));
        Assert.Equal(0, site.Ham.MappingCount);
    }

    [Fact]
    [Trait("Req", "N-12")]
    public void Whoever_has_a_mapping_knows_when_it_was_opened()
    {
        var site = new Site();
        site.Tell(Adopt(Anchored(Away) with { Opened = 1_000 }));
        site.Ham.OnCoordinatorUp(storeChanged: true, site.Now);
        Assert.Equal(1_000, Assert.Single(site.Last<AnchorReport>().Mappings).Opened);
        Assert.Equal((1_000, true, Away), site.Events.OfType<MappingAnchored>().Select(e => (e.Opened, e.Adopted, e.FamEndpoint)).Single());

        // A FAM elsewhere hands on what it was told.
        site.Arrive(1, mappings: Site.Elsewhere(1000, new TransportEndpoint(Site.Own, 7_000)) with { Opened = 2_000 });
        site.FromClient(1000, TransportEndpoint.Parse("203.0.113.77:99"));
        site.Wait(100);
        Assert.Equal(2_000, site.Last<Announce>().Mappings.Single(m => m.Ham == Site.Other).Opened);
    }

    /// <summary>The coordinator judges by it what to move when a node has too much to do.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void A_node_knows_how_much_is_anchored_at_each_of_its_addresses()
    {
        var others = IpAddress.Parse("10.9.9.9");
        var site = new Site();
        Assert.True(site.Pool.TryHold(others, settled: false));
        var guest = Anchored(Away) with { Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(others, 40_000)) };
        site.Tell(Adopt(Anchored(Away), Anchored(Away, port: 40_001), guest));
        Assert.Equal((2, 1, 0), (site.Ham.MappingCountAt(Site.Own), site.Ham.MappingCountAt(others), site.Ham.MappingCountAt(IpAddress.Parse("10.9.9.8"))));
        site.Tell(new MappingsEnded { Id = 9, Client = Site.Client, Epoch = new Epoch(4), Mappings = [Anchored(Away).Mapping] });
        Assert.Equal((1, 1), (site.Ham.MappingCountAt(Site.Own), site.Ham.MappingCountAt(others)));

        // What is given up leaves nothing behind for the next address in its place.
        site.Ham.Yield(others);
        site.Pool.Yield(others);
        Assert.True(site.Pool.TryHold(IpAddress.Parse("10.9.9.8"), settled: false));
        Assert.Equal((1, 0, 1), (site.Ham.MappingCountAt(Site.Own), site.Ham.MappingCountAt(IpAddress.Parse("10.9.9.8")), site.Ham.MappingCount));
    }

    /// <summary>The node that took it has died, or had to give it back, before a port would have rested.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void An_own_address_that_comes_back_soon_comes_back_with_its_mappings()
    {
        var site = new Site();
        site.Tell(Adopt(Anchored(Away)));
        site.Ham.Yield(Site.Own);
        site.Pool.Yield(Site.Own);
        Assert.Equal(0, site.Ham.MappingCountAt(Site.Own));
        Assert.True(site.Pool.TryHold(Site.Own, settled: false));
        site.Tell(Adopt(Anchored(Away)));
        Assert.Empty(site.Said.OfType<ReleaseMappings>());
        Assert.Equal(VerdictKind.ForwardUplink, site.FromServer(Masquerade).Kind);
        Assert.False(site.Pool.TryTake(TransportProtocol.Udp, Masquerade, site.Now));
    }

    [Fact]
    public void The_same_news_twice_is_the_same_as_once()
    {
        var site = new Site();
        site.Tell(Adopt(Anchored(Away)));
        site.Tell(Adopt(Anchored(Away)));
        Assert.Equal(1, site.Ham.MappingCount);
        Assert.Empty(site.Said.OfType<ReleaseMappings>());
    }

    private static AdoptMappings Adopt(params MappingRecord[] records) => new() { Id = 7, Client = Site.Client, Epoch = new Epoch(4), Mappings = records };

    private static MappingRecord Anchored(TransportEndpoint fam, int port = 40_000) => new()
    {
        Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(Site.Own, (ushort)port)),
        ClientEndpoint = new TransportEndpoint(Site.ClientAddress, 1000),
        Ham = Site.Self,
        AnchorEpoch = new Epoch(1),
        Revision = 1,
        FamEndpoint = fam,
    };
}
