using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>A client has one masquerade address at a node for each family, however many the node has (RFC 4787 REQ-2, RFC 6888 REQ-2, RFC 7857 section 4).</summary>
[Trait("Req", "N-01")]
[Trait("Rfc", "4787 REQ-2")]
[Trait("Rfc", "6888 REQ-2")]
public sealed class PairingTests
{
    private static readonly IpAddress[] Four = [.. Enumerable.Range(1, 4).Select(i => IpAddress.Parse($"192.0.2.{i}"))];
    private static readonly IpAddress[] Six = [.. Enumerable.Range(1, 4).Select(i => IpAddress.Parse($"2001:db8::{i}"))];
    private static readonly TransportProtocol[] Protocols = [TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Icmp];

    [Fact]
    public void All_mappings_of_a_client_have_one_address_of_a_family_and_clients_are_spread_over_all()
    {
        var site = Node();
        var seen = new HashSet<IpAddress>();
        for (var number = 1; number <= 64; number++)
        {
            foreach (var family in new[] { Four, Six })
            {
                var address = Anchor(site, Mac(number), family, TransportProtocol.Tcp, 1000).Address;
                Assert.Contains(address, family);
                seen.Add(address);
                for (ushort port = 1001; port < 1020; port++)
                {
                    Assert.Equal(address, Anchor(site, Mac(number), family, Protocols[port % 3], port).Address);
                }
            }
        }

        Assert.Equal(8, seen.Count);
    }

    [Fact]
    public void A_client_has_the_same_address_in_every_life_of_the_node()
    {
        var (before, after) = (Node(), Node(random: 77));
        for (var number = 1; number <= 32; number++)
        {
            Assert.Equal(Anchor(before, Mac(number), Four, TransportProtocol.Udp, 1000).Address, Anchor(after, Mac(number), Four, TransportProtocol.Udp, 2000).Address);
        }
    }

    [Theory]
    [InlineData(AnchorPolicy.Here)]
    [InlineData(AnchorPolicy.AskCoordinator)]
    [InlineData(AnchorPolicy.AskCoordinatorFirst)]
    public void Whoever_decides_where_a_connection_is_anchored_the_client_s_address_is_the_same(AnchorPolicy policy)
    {
        var site = new Site(new FamConfig { Anchoring = policy }, new EndpointPoolOptions { Addresses = Four });
        site.Arrive(1);
        for (ushort port = 1000; port < 1016; port++)
        {
            site.FromClient(port);
            if (policy == AnchorPolicy.AskCoordinatorFirst)
            {
                site.Tell(new LookupReply { Id = site.Last<Lookup>().Id });
            }

            if (policy != AnchorPolicy.Here)
            {
                site.Tell(new AttachReply { Id = site.Last<Attach>().Id, Client = Site.Client, Status = AttachStatus.Established });
            }
        }

        Assert.Equal(16, site.Uplink.Count);
        Assert.Single(site.Uplink.Select(p => Site.Parse(p).Tuple.Source.Address).Distinct());
    }

    /// <summary>What a node that has restarted is told again restores the pairing, even if another address would be chosen today.</summary>
    [Fact]
    public void What_is_anchored_here_already_decides_and_not_what_would_be_chosen()
    {
        foreach (var address in Four)
        {
            var site = Node();
            var known = new MappingRecord
            {
                Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(address, 5000)), ClientEndpoint = new TransportEndpoint(Site.ClientAddress, 1000), Ham = Site.Self,
                AnchorEpoch = new Epoch(1), Revision = 1, FamEndpoint = TransportEndpoint.None, Connections = [],
            };
            site.Tell(new AdoptMappings { Id = 7, Client = Site.Client, Epoch = new Epoch(1), Mappings = [known] });
            for (ushort port = 1001; port < 1010; port++)
            {
                Assert.Equal(address, Anchor(site, Site.Client, Four, Protocols[port % 3], port).Address);
            }
        }
    }

    /// <summary>An own address that another node has taken over cannot be given out: the client gets another one, and keeps that when the first is back, for its newest mappings are there.</summary>
    [Fact]
    public void While_its_address_is_another_node_s_a_client_has_another_one()
    {
        var site = Node();
        var first = Anchor(site, Site.Client, Four, TransportProtocol.Tcp, 1000).Address;
        site.Ham.Yield(first);
        site.Pool.Yield(first);
        var second = Anchor(site, Site.Client, Four, TransportProtocol.Tcp, 1001).Address;
        Assert.NotEqual(first, second);
        Assert.Equal(second, Anchor(site, Site.Client, Four, TransportProtocol.Udp, 1002).Address);
        Assert.True(site.Pool.TryHold(first, settled: true));
        Assert.Equal(second, Anchor(site, Site.Client, Four, TransportProtocol.Tcp, 1003).Address);
        foreach (var mapping in _made)
        {
            site.Ham.Release(mapping, site.Now);
        }

        // With its last mapping goes the memory of it, and what is chosen is what was chosen first.
        Assert.Equal(first, Anchor(site, Site.Client, Four, TransportProtocol.Tcp, 1004).Address);
    }

    /// <summary>An address that was taken over from another node gives nothing out: a client that has mappings only there is paired with one of this node's own.</summary>
    [Fact]
    public void An_address_of_another_node_pairs_with_nobody()
    {
        var site = Node();
        var foreign = IpAddress.Parse("198.51.100.9");
        Assert.True(site.Pool.TryHold(foreign, settled: true));
        Assert.True(site.Pool.TryReclaim(TransportProtocol.Tcp, new TransportEndpoint(foreign, 6000), site.Now));
        Assert.True(site.Ham.TryAdopt(new MappingId(TransportProtocol.Tcp, new TransportEndpoint(foreign, 6000)), new TransportEndpoint(Site.ClientAddress, 999), Site.Client, new Epoch(1), site.Now));
        var own = Anchor(site, Site.Client, Four, TransportProtocol.Tcp, 1000).Address;
        Assert.Contains(own, Four);
        Assert.Equal(own, Anchor(site, Site.Client, Four, TransportProtocol.Tcp, 1001).Address);
    }

    [Fact]
    [Trait("Rfc", "7857 section 4")]
    [Trait("Rfc", "6888 REQ-11")]
    public void Without_a_free_port_at_its_address_a_client_is_refused_what_is_new_and_keeps_what_it_has()
    {
        var site = new Site(new FamConfig(), new EndpointPoolOptions { Addresses = Four, FirstPort = 2000, LastPort = 2009 });
        site.Arrive(1);
        for (ushort port = 1000; port < 1010; port++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(port).Kind);
        }

        var address = site.Seen().Address;
        for (ushort port = 1010; port < 1013; port++)
        {
            Assert.Equal(DropReason.PairedPortsExhausted, site.FromClient(port).Reason);
        }

        Assert.Equal(3, site.Drops[DropReason.PairedPortsExhausted]);
        Assert.Equal(3, site.Errors.Count);
        Assert.All(site.Errors, e => Assert.Equal((IcmpError.HostUnreachable, Site.Client), (e.Error, e.Client)));
        Assert.Equal(DropReason.PairedPortsExhausted, Assert.Single(site.Events.OfType<QuotaReached>()).Limit);
        Assert.Equal(10, site.Fam.MappingCount);

        // What it has goes on, another protocol has ports of its own, and whoever has nothing there yet is given one of the other addresses.
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000, TransportEndpoint.Parse("198.51.100.7:53")).Kind);
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Segments.Make(new TransportEndpoint(Site.ClientAddress, 1000), Site.Server, Segments.Syn), out _).Kind);
        Assert.Equal(address, site.Seen().Address);
        for (var number = 1; number <= 30; number++)
        {
            Assert.NotEqual(address, Anchor(site, Mac(number), Four, TransportProtocol.Udp, 1000).Address);
        }
    }

    [Fact]
    public void With_arbitrary_pooling_addresses_take_turns_and_none_is_full_before_all_are()
    {
        var site = new Site(new FamConfig(), new EndpointPoolOptions { Addresses = Four, FirstPort = 2000, LastPort = 2009, Pooling = AddressPooling.Arbitrary });
        site.Arrive(1);
        for (ushort port = 1000; port < 1040; port++)
        {
            Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(port).Kind);
        }

        Assert.Equal(4, site.Uplink.Select(p => Site.Parse(p).Tuple.Source.Address).Distinct().Count());
        Assert.Equal(DropReason.PortsExhausted, site.FromClient(1040).Reason);
    }

    private readonly List<MappingId> _made = [];

    private static Site Node(int random = 0)
    {
        var site = new Site(new FamConfig(), new EndpointPoolOptions { Addresses = [.. Four, .. Six] });
        for (var i = 0; i < random; i++)
        {
            // A life in which other things have happened before.
            site.Pool.TryAllocate(TransportProtocol.Tcp, false, 0, site.Now, out _);
        }

        return site;
    }

    private TransportEndpoint Anchor(Site site, MacAddress client, IpAddress[] family, TransportProtocol protocol, ushort port)
    {
        var address = family[0].IsIPv4 ? Site.ClientAddress : IpAddress.Parse("fd00::10");
        Assert.True(site.Ham.TryAnchor(protocol, new TransportEndpoint(address, port), client, new Epoch(1), server: default, site.Now, out var masquerade, out _));
        _made.Add(new MappingId(protocol, masquerade));
        return masquerade;
    }

    private static MacAddress Mac(int number) => new(0x02C0_0000_0100 + (ulong)number);
}
