using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>Clients with blocks of ports to themselves: who gets which ports, and when a block's beginning and end are told.</summary>
[Trait("Req", "N-12")]
[Trait("Rfc", "6888 REQ-14")]
public sealed class PortBlockEngineTests
{
    private static readonly MacAddress Another = MacAddress.Parse("02:c0:00:00:00:02");
    private static readonly TransportEndpoint Away = TransportEndpoint.Parse("10.1.2.10:6000");

    [Fact]
    public void A_block_is_told_before_its_first_mapping_and_ended_when_its_last_port_has_rested()
    {
        var site = Node();
        site.Arrive(1);
        for (ushort port = 1000; port < 1040; port++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(port).Kind);
        }

        var tcp = Site.Tcp(new TransportEndpoint(Site.ClientAddress, 1000), Site.Server, TcpFlags.Syn);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(tcp, out _).Kind);
        var told = site.Events.Where(e => e is BlockTaken or BlockReleased or MappingAnchored).ToList();
        var taken = Assert.IsType<BlockTaken>(told[0]);
        Assert.Equal(new BlockTaken(taken.Block, Site.Client, Site.ClientAddress, Adopted: false), taken);
        Assert.Equal(64, taken.Block.Last - taken.Block.First + 1);
        Assert.Equal(41, told.Skip(1).Cast<MappingAnchored>().Count(m => m.Mapping.Masquerade.Port >= taken.Block.First && m.Mapping.Masquerade.Port <= taken.Block.Last));

        // They end at different times, and a port rests for two minutes.
        site.Ham.Release(told.OfType<MappingAnchored>().First().Mapping, site.Now);
        site.Wait(100_000);
        foreach (var mapping in told.OfType<MappingAnchored>().Skip(1))
        {
            site.Ham.Release(mapping.Mapping, site.Now);
        }

        var rested = site.Now + TimeSpan.FromSeconds(120);
        site.Wait(119_999);
        Assert.Empty(site.Events.OfType<BlockReleased>());
        Assert.True(site.Ham.NextDeadline >= rested && site.Ham.NextDeadline <= rested + TimeSpan.FromSeconds(1));
        site.Wait((site.Ham.NextDeadline - site.Now).TotalMilliseconds);
        Assert.Equal(new BlockReleased(taken.Block, Site.Client), Assert.Single(site.Events.OfType<BlockReleased>()));
    }

    [Fact]
    [Trait("Rfc", "6888 REQ-13")]
    public void A_client_with_all_its_blocks_full_is_refused_and_told_and_another_is_not()
    {
        var site = Node();
        site.Arrive(1);
        for (ushort port = 1000; port < 1128; port++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(port).Kind);
        }

        Assert.Equal(2, site.Events.OfType<BlockTaken>().Select(b => b.Block).Distinct().Count());
        Assert.Equal(DropReason.PairedPortsExhausted, site.FromClient(1128).Reason);
        Assert.Equal(IcmpError.HostUnreachable, Assert.Single(site.Errors).Error);
        Assert.Equal(DropReason.PairedPortsExhausted, Assert.Single(site.Events.OfType<QuotaReached>()).Limit);
        Assert.True(site.Ham.TryAnchor(TransportProtocol.Udp, new TransportEndpoint(IpAddress.Parse("192.168.77.11"), 1000), Another, new Epoch(1), server: default, site.Now, out var other, out _));
        var theirs = Assert.Single(site.Events.OfType<BlockTaken>(), b => b.Client == Another).Block;
        Assert.InRange(other.Port, theirs.First, theirs.Last);
        Assert.DoesNotContain(site.Events.OfType<BlockTaken>(), b => b.Client == Site.Client && b.Block == theirs);
    }

    /// <summary>What HAMs elsewhere send to is of no concern to the log here, and takes nothing from the clients' blocks.</summary>
    [Fact]
    public void FAM_endpoints_are_in_no_client_s_block()
    {
        var site = Node();
        site.Fam.OnAssociated(Site.Client, site.Now);
        Assert.NotEmpty(site.Last<Arrive>().Offers);
        Assert.Equal((0, 1), (site.Pool.DescribeBlocks().Clients, site.Pool.DescribeBlocks().Shared));
        site.Ham.TryAnchor(TransportProtocol.Udp, new TransportEndpoint(IpAddress.Parse("192.168.77.11"), 1000), Another, new Epoch(1), server: default, site.Now, out _, out _);
        var block = Assert.Single(site.Events.OfType<BlockTaken>()).Block;
        Assert.DoesNotContain(site.Last<Arrive>().Offers, o => o.Endpoint.Port >= block.First && o.Endpoint.Port <= block.Last);

        // What was offered for nothing is free again.
        site.Answer(1);
        Assert.Equal((1, 0), (site.Pool.DescribeBlocks().Clients, site.Pool.DescribeBlocks().Shared));
    }

    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void What_is_given_back_brings_its_block_unless_that_is_another_s()
    {
        var site = Node();
        site.Tell(Adopt(7, Site.Client, 40_000, 40_001));
        site.Tell(Adopt(8, Another, 40_002));
        var taken = Assert.Single(site.Events.OfType<BlockTaken>());
        Assert.Equal(new BlockTaken(new PortBlock(Site.Own, 40_000, 40_063), Site.Client, Site.ClientAddress, Adopted: true), taken);
        Assert.Equal(3, site.Events.OfType<MappingAnchored>().Count());

        // The client opens more, beside what it has.
        site.Arrive(5);
        site.FromClient(3000);
        Assert.InRange(site.Seen().Port, 40_003, 40_063);
        Assert.Single(site.Events.OfType<BlockTaken>());

        // The address goes to another node, and its blocks with it: that is told by the shell's word of the address.
        site.Pool.Yield(Site.Own);
        site.Fam.Yield(Site.Own, Site.Other, site.Now);
        site.Ham.Yield(Site.Own);
        site.Wait(300_000);
        Assert.Empty(site.Events.OfType<BlockReleased>());
        Assert.True(site.Pool.TryHold(Site.Own, settled: false));
        site.Tell(Adopt(9, Another, 40_002));
        Assert.Equal((Another, 2), (site.Events.OfType<BlockTaken>().Last().Client, site.Events.OfType<BlockTaken>().Count()));
    }

    [Fact]
    [Trait("Req", "A-21")]
    public void An_explicit_port_is_in_the_client_s_block_or_in_nobody_s()
    {
        var site = Node();
        site.Arrive(1);
        site.FromClient(1000);
        var block = site.Events.OfType<BlockTaken>().Single().Block;
        var inside = new TransportEndpoint(Site.Own, (ushort)(site.Seen().Port == block.First ? block.First + 1 : block.First));
        var outside = new TransportEndpoint(Site.Own, (ushort)(block.First >= 2_000 ? 1_500 : 50_000));
        var client = new TransportEndpoint(Site.ClientAddress, 2000);
        var others = new TransportEndpoint(IpAddress.Parse("192.168.77.11"), 2000);
        Assert.False(site.Ham.TryAnchorAt(TransportProtocol.Udp, others, Another, new Epoch(1), inside, exactly: true, site.Now, out _, out _));
        Assert.True(site.Ham.TryAnchorAt(TransportProtocol.Udp, client, Site.Client, new Epoch(1), inside, exactly: true, site.Now, out var got, out _));
        Assert.Equal(inside, got);
        Assert.True(site.Ham.TryAnchorAt(TransportProtocol.Udp, others, Another, new Epoch(1), outside, exactly: true, site.Now, out got, out _));
        Assert.Equal(outside, got);
        Assert.Single(site.Events.OfType<BlockTaken>());
    }

    [Theory]
    [InlineData(AnchorPolicy.AskCoordinator)]
    [InlineData(AnchorPolicy.AskCoordinatorFirst)]
    public void What_the_coordinator_has_anchored_elsewhere_begins_no_block_here(AnchorPolicy policy)
    {
        var site = new Site(new FamConfig { Anchoring = policy }, Options());
        site.Arrive(1);
        site.FromClient(1000);
        if (policy == AnchorPolicy.AskCoordinatorFirst)
        {
            site.Tell(new LookupReply { Id = site.Last<Lookup>().Id });
        }

        var attach = site.Last<Attach>();
        site.Tell(new AttachReply { Id = attach.Id, Client = Site.Client, Status = AttachStatus.Attached, Mapping = Site.Elsewhere(1000, attach.FamEndpoint) });
        Assert.Single(site.Uplink);
        Assert.Empty(site.Events.OfType<BlockTaken>());
        site.FromClient(1001);
        if (policy == AnchorPolicy.AskCoordinatorFirst)
        {
            site.Tell(new LookupReply { Id = site.Last<Lookup>().Id });
        }

        site.Tell(new AttachReply { Id = site.Last<Attach>().Id, Client = Site.Client, Status = AttachStatus.Established });
        Assert.Single(site.Events.OfType<BlockTaken>());
    }

    private static Site Node() => new(new FamConfig(), Options());

    private static EndpointPoolOptions Options() => new() { Addresses = [Site.Own], BlockSize = 64, BlocksPerClient = 2 };

    private static AdoptMappings Adopt(ulong id, MacAddress client, params ushort[] ports) => new()
    {
        Id = id, Client = client, Epoch = new Epoch(4),
        Mappings = [.. ports.Select(port => new MappingRecord
        {
            Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(Site.Own, port)), ClientEndpoint = new TransportEndpoint(Site.ClientAddress, (ushort)(port - 39_000)), Ham = Site.Self,
            AnchorEpoch = new Epoch(1), Revision = 1, FamEndpoint = Away, Connections = [], Opened = 1_000,
        })],
    };
}
