using System.Buffers.Binary;
using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Checksum;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using static Masquerade.AccessPoint.Tests.Ways.WayCases;

namespace Masquerade.AccessPoint.Tests.Ways;

/// <summary>How ways are found out, and whose word about them counts.</summary>
[Trait("Req", "N-09")]
public sealed class WayFindingTests
{
    [Fact]
    public void Silent_routers_show_nothing_and_packets_go_as_they_are()
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: false);
        pair.RoutersSayExpired = false;
        pair.Roam();
        for (var i = 0; i < 40; i++)
        {
            Exchange(pair, TransportProtocol.Udp, client, server, masquerade, i);
            pair.Wait(50);
        }

        Assert.Contains(pair.Node(1).DescribeWays(10), w => w is { ToServers: true, State: WayState.Unknown });
        Assert.Equal(0, pair.Node(1).SentByHam);
    }

    [Theory]
    [InlineData(OutboundWay.Direct)]
    [InlineData(OutboundWay.ByHam)]
    public void An_operator_may_know_better(OutboundWay way)
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: way == OutboundWay.ByHam, way);
        pair.RoutersSayExpired = false;
        pair.Roam();
        if (way == OutboundWay.ByHam)
        {
            FindOut(pair, TransportProtocol.Udp, client, server, masquerade);
            Exchange(pair, TransportProtocol.Udp, client, server, masquerade, 1);
            Assert.DoesNotContain(pair.Words, w => w.Message is WayProbe { Token: var t } && pair.Words.Count(o => o.Message.Token == t && o.Message is WayProbe) > 3);
            Assert.True(pair.Node(1).SentByHam > 0);
            return;
        }

        Exchange(pair, TransportProtocol.Udp, client, server, masquerade, 1);
        pair.Wait(1_000);
        Assert.Empty(pair.Words);
        Assert.Equal(0, pair.Node(1).SentByHam);
    }

    [Fact]
    public void A_filter_that_comes_or_goes_is_noticed_within_two_intervals()
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: false);
        pair.Roam();
        foreach (var filters in new[] { false, true, false })
        {
            (pair.Filters[0], pair.Filters[1]) = (filters, filters);
            for (var second = 0; second < 150; second++)
            {
                pair.FromClient(RoamingPair.Datagram(client, server, "x"u8));
                pair.FromServer(RoamingPair.Datagram(server, masquerade, "y"u8));
                for (var i = 0; i < 20; i++)
                {
                    pair.Wait(50);
                }
            }

            Exchange(pair, TransportProtocol.Udp, client, server, masquerade, 1);
            Assert.Contains(pair.Node(1).DescribeWays(10), w => w.ToServers && w.State == (filters ? WayState.Rewritten : WayState.Direct));
        }

        Assert.Equal([true, false], pair.Events(1).OfType<WayChanged>().Where(e => e.ToServers).Select(e => e.Rewritten).SkipWhile(r => !r));
    }

    [Fact]
    public void A_word_about_a_stand_in_may_get_lost()
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: true);
        pair.Roam();
        FindOut(pair, TransportProtocol.Udp, client, server, masquerade);
        var other = server with { Port = 8_080 };
        pair.LosesPeers = true;
        pair.AtServer.Clear();
        pair.FromClient(RoamingPair.Datagram(client, other, "lost with its word"u8));
        Assert.Empty(pair.AtServer);
        pair.LosesPeers = false;
        pair.Wait(60);
        Exchange(pair, TransportProtocol.Udp, client, other, masquerade, 1);
    }

    /// <summary>A stranger with an address of its own can get a cookie, but knows nothing of clients: it can neither send by a HAM nor speak for a server.</summary>
    [Fact]
    public void Strangers_name_no_stand_ins()
    {
        var (pair, client, server, masquerade) = Begin(TransportProtocol.Udp, v6: false, filters: true);
        pair.Roam();
        FindOut(pair, TransportProtocol.Udp, client, server, masquerade);
        var stranger = new TransportEndpoint(IpAddress.Parse("198.51.100.66"), AccessPointModel.DefaultPeerPort);
        var ham = new TransportEndpoint(masquerade.Address, AccessPointModel.DefaultPeerPort);
        pair.AtServer.Clear();
        pair.FromServer(Word(stranger, ham, new WayProbe(5, stranger.Address)));
        var answer = Assert.Single(pair.AtServer);
        Assert.True(WayCodec.TryDecode(answer.AsSpan(28), out var message));
        var cookie = Assert.IsType<WayProbed>(message).Cookie;
        var before = pair.Node(0).StandInCount;
        var target = TransportEndpoint.Parse("203.0.113.99:25");
        foreach (var (token, mac) in new[] { (cookie, MacAddress.Parse("02:00:00:00:00:99")), (cookie + 1, RoamingPair.Client) })
        {
            pair.FromServer(Word(stranger, ham, new StandIn(token, StandInUse.ToServer, TransportProtocol.Udp, mac, stranger with { Port = 9 }, masquerade, target)));
            Assert.Equal(before, pair.Node(0).StandInCount);
        }

        // Even one that knows the client's MAC address is not its FAM.
        pair.FromServer(Word(stranger, ham, new StandIn(cookie, StandInUse.ToServer, TransportProtocol.Udp, RoamingPair.Client, stranger with { Port = 9 }, masquerade, target)));
        pair.AtServer.Clear();
        pair.FromServer(RoamingPair.Datagram(stranger with { Port = 9 }, masquerade, "spam"u8));
        pair.Wait(500);
        Assert.DoesNotContain(pair.AtServer, p => IpAddress.FromBytes(p.AsSpan(16, 4)) == target.Address);
    }
}
