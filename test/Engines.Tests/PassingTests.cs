using System.Buffers.Binary;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>Connections that pass without the engine (decision 47): which may, when they may no more, and that what has passed counts as if it had been seen.</summary>
[Trait("Req", "N-03"), Trait("Req", "A-12")]
public sealed class PassingTests
{
    private const int Enough = 8;
    private readonly PlayedFastPath _fastPath = new();

    [Fact]
    public void A_datagram_connection_passes_when_it_has_lasted_and_not_before()
    {
        var site = Open();
        for (var i = 1; i < Enough; i++)
        {
            Assert.Empty(_fastPath.Ways);
            site.FromClient(5_000);
        }

        Assert.False(Assert.Single(_fastPath.Ways).ToClient);
        site.FromServer(site.Seen());
        Assert.Equal(2, _fastPath.Ways.Count);
    }

    [Fact]
    public void A_tcp_connection_passes_only_while_both_sides_have_it_open()
    {
        var site = Open(datagram: false);
        var client = new TransportEndpoint(Site.ClientAddress, 5_000);
        site.Out(Site.Tcp(client, Site.Server, TcpFlags.Syn), out _);
        for (var i = 0; i < Enough; i++)
        {
            site.Out(Site.Tcp(client, Site.Server, TcpFlags.Ack), out _);
        }

        Assert.Empty(_fastPath.Ways);
        site.In(Site.Tcp(Site.Server, site.Seen(), TcpFlags.Syn | TcpFlags.Ack));
        site.Out(Site.Tcp(client, Site.Server, TcpFlags.Ack), out _);
        Assert.Equal(2, _fastPath.Ways.Count);
        site.In(Site.Tcp(Site.Server, site.Seen(), TcpFlags.Fin | TcpFlags.Ack));
        Assert.Empty(_fastPath.Ways);
        site.Out(Site.Tcp(client, Site.Server, TcpFlags.Ack), out _);
        Assert.Empty(_fastPath.Ways);
    }

    [Fact]
    public void What_passes_keeps_a_connection_alive_and_what_passes_no_more_does_not()
    {
        var site = Settled(out _);
        var timeout = new FamConfig().UdpTimeout.TotalMilliseconds;
        for (var i = 0; i < 4; i++)
        {
            site.Wait(timeout * 0.9);
            _fastPath.Pass(toClient: false, site.Now);
        }

        site.Wait(timeout * 0.9);
        Assert.Equal(1, site.Fam.ConnectionCount);
        site.Wait(timeout * 0.2);
        Assert.Equal(0, site.Fam.ConnectionCount);
        Assert.Empty(_fastPath.Ways);
    }

    [Fact]
    public void What_passes_from_the_server_alone_keeps_nothing_alive_if_that_is_what_is_wanted()
    {
        var config = new FamConfig { InboundRefresh = InboundRefresh.Never };
        var site = Settled(out _, config);
        site.Wait(config.UdpTimeout.TotalMilliseconds * 0.9);
        _fastPath.Pass(toClient: true, site.Now, 100);
        site.Wait(config.UdpTimeout.TotalMilliseconds * 0.2);
        Assert.Equal(0, site.Fam.ConnectionCount);
    }

    [Fact]
    public void Packets_and_octets_that_pass_are_counted_for_connection_and_client_even_if_it_ends_meanwhile()
    {
        var site = Settled(out _);
        var before = Assert.Single(site.Fam.DescribeConnections(10));
        _fastPath.Pass(toClient: false, site.Now, 7);
        _fastPath.Pass(toClient: true, site.Now, 5);
        var after = Assert.Single(site.Fam.DescribeConnections(10));
        Assert.Equal((7, 5), (after.PacketsOut - before.PacketsOut, after.PacketsIn - before.PacketsIn));
        _fastPath.Pass(toClient: false, site.Now, 2);
        site.Wait(new FamConfig().UdpTimeout.TotalMilliseconds * 1.5);
        Assert.Equal(0, site.Fam.ConnectionCount);
        Assert.Equal((9, 900, 5, 500), site.Fam.TakePassed(Site.Client) is var p ? (p.PacketsFrom, p.OctetsFrom, p.PacketsTo, p.OctetsTo) : default);
        Assert.Equal(default, site.Fam.TakePassed(Site.Client));
    }

    [Fact]
    public void Nothing_passes_once_the_link_has_gone_the_client_has_moved_or_its_policy_has_changed()
    {
        (string What, Action<Site> Happens)[] reasons =
        [
            ("its link has gone", s => s.Fam.OnDisassociated(Site.Client, s.Now)),
            ("it has moved", s => s.Tell(new FamChange { Id = 900, Client = Site.Client, NewFam = Site.Other, Epoch = new Epoch(2), Routes = [], PreviousFam = Site.Self, Token = 7 })),
            ("its link has less room", s => s.Fam.SetLinkOverhead(Site.Client, 30)),
            ("it may do something else", s => s.Fam.SetPolicy(Site.Client, 2, s.Now)),
            ("its policy says something else", s => s.Fam.OnPolicyChanged(1)),
            ("its address is another's", s => s.Fam.RefuseAddress(Site.Client, Site.ClientAddress)),
        ];
        foreach (var (what, happens) in reasons)
        {
            var site = Settled(out _);
            Assert.Equal(2, _fastPath.Ways.Count);
            happens(site);
            Assert.True(_fastPath.Ways.Count == 0, what);
        }
    }

    [Fact]
    public void A_connection_that_is_limited_never_passes()
    {
        var site = Open(filter: new OnePolicy(new FilterVerdict(FilterAction.Limit, 0)));
        for (var i = 0; i < 3 * Enough; i++)
        {
            site.FromClient(5_000);
        }

        Assert.Empty(_fastPath.Ways);
    }

    [Fact]
    public void A_connection_that_passes_and_hears_nothing_by_a_ham_elsewhere_has_its_way_back_asked_for()
    {
        var site = Site.With(_fastPath);
        site.Fam.OnAssociated(Site.Client, site.Now);
        var offer = site.Last<Arrive>().Offers.First(o => o.Protocol == TransportProtocol.Udp && o.Endpoint.Address.IsIPv4).Endpoint;
        site.Answer(1, mappings: Site.Elsewhere(5_000, offer));
        for (var i = 0; i < 2 * Enough; i++)
        {
            site.FromClient(5_000);
            site.FromServer(offer);
        }

        Assert.Equal(2, _fastPath.Ways.Count);
        var asked = site.Said.OfType<AttachKnown>().Count();
        for (var i = 0; i < 10; i++)
        {
            _fastPath.Pass(toClient: false, site.Now, 10);
            _fastPath.Pass(toClient: true, site.Now, 10);
            site.Wait(1_000);
        }

        Assert.Equal(asked, site.Said.OfType<AttachKnown>().Count());
        for (var i = 0; i < 30; i++)
        {
            _fastPath.Pass(toClient: false, site.Now, 10);
            site.Wait(1_000);
        }

        Assert.True(site.Said.OfType<AttachKnown>().Count() > asked);
    }

    [Fact]
    public void A_reset_is_held_against_what_has_passed()
    {
        var site = Open(datagram: false);
        var client = new TransportEndpoint(Site.ClientAddress, 5_000);
        site.Out(Site.Tcp(client, Site.Server, TcpFlags.Syn), out _);
        var masquerade = site.Seen();
        site.In(Site.Tcp(Site.Server, masquerade, TcpFlags.Syn | TcpFlags.Ack));
        for (var i = 0; i < Enough; i++)
        {
            site.Out(Site.Tcp(client, Site.Server, TcpFlags.Ack), out _);
        }

        _fastPath.Pass(toClient: false, site.Now, 1_000, acknowledged: 90_000_000, window: 100);
        Reset(89_000_000);
        Assert.Equal(ConnectionState.Established, Assert.Single(site.Fam.DescribeConnections(1)).State);
        Reset(90_000_000);
        Assert.Equal(ConnectionState.Reset, Assert.Single(site.Fam.DescribeConnections(1)).State);

        void Reset(uint sequence)
        {
            var packet = Site.Tcp(Site.Server, masquerade, TcpFlags.Rst);
            BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(24), sequence);
            site.In(packet);
        }
    }

    [Fact]
    public void A_connection_that_gives_way_is_read_out_first()
    {
        var site = Settled(out var connection);
        _fastPath.Pass(toClient: false, site.Now, 3);
        _fastPath.Leaving!(connection);
        Assert.Empty(_fastPath.Ways);
        Assert.Equal(3, site.Fam.TakePassed(Site.Client).PacketsFrom);
        site.FromClient(5_000);
        Assert.Single(_fastPath.Ways);
    }

    [Fact]
    public void A_connection_whose_other_way_makes_room_for_its_new_one_is_read_out_and_forgotten_all_the_same()
    {
        var site = Open();
        for (var i = 0; i < Enough; i++)
        {
            site.FromClient(5_000);
        }

        var connection = Assert.Single(_fastPath.Ways).Connection;
        _fastPath.Offered = _ => _fastPath.Leaving!(connection);
        site.FromServer(site.Seen());
        Assert.True(Assert.Single(_fastPath.Ways).ToClient);
        _fastPath.Offered = null;
        _fastPath.Pass(toClient: true, site.Now, 4);
        Assert.Equal(4, site.Fam.TakePassed(Site.Client).PacketsTo);
        site.Wait(new FamConfig().UdpTimeout.TotalMilliseconds * 1.5);
        Assert.Equal(0, site.Fam.ConnectionCount);
        Assert.Empty(_fastPath.Ways);
    }

    private Site Open(bool datagram = true, IClientFilter? filter = null, FamConfig? config = null)
    {
        _fastPath.Clear();
        var site = Site.With(_fastPath, filter, config);
        site.Arrive(1);
        if (datagram)
        {
            site.FromClient(5_000);
        }

        return site;
    }

    private Site Settled(out int connection, FamConfig? config = null)
    {
        var site = Open(filter: new OnePolicy(new FilterVerdict(FilterAction.Allow, 0)), config: config);
        for (var i = 0; i < Enough; i++)
        {
            site.FromClient(5_000);
            site.FromServer(site.Seen());
        }

        connection = _fastPath.Ways[0].Connection;
        return site;
    }

    private sealed class OnePolicy(FilterVerdict verdict) : IClientFilter
    {
        public int PolicyOf(MacAddress client) => 1;

        public FilterVerdict Judge(int policy, in FlowTuple tuple, FilterDirection direction) => verdict;

        public RateLimit LimitOf(int policy, int bucket) => new(1_000_000, 1_000_000);
    }
}
