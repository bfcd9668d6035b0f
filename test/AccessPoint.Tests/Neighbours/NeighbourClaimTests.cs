using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using static Masquerade.AccessPoint.Tests.Neighbours.NeighbourSite;
using static Masquerade.AccessPoint.Tests.Neighbours.NeighbourTests;
using static Masquerade.AccessPoint.Tests.Node.FragmentCases;

namespace Masquerade.AccessPoint.Tests.Neighbours;

/// <summary>Packets that wait for neighbours, neighbours that leave, and clients that claim what is another's.</summary>
[Trait("Req", "N-13")]
public sealed class NeighbourClaimTests
{
    /// <summary>What waits for a client whose link flaps comes once, wherever it comes back, and its sender hears no error.</summary>
    [Theory]
    [InlineData(false, 0)]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    [InlineData(true, 1)]
    public void What_has_waited_comes_once(bool v6, int back)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 0);
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        AssertGets(site, Anna, Bert, 0, Datagram(a, b, 1), 1);

        // A datagram's first fragment finds its receiver here, the others have to wait for it. A node that has not seen the first cannot know whose the others are.
        var whole = RoamingPair.Datagram(a, b, Payload(3_000, 7));
        var pieces = Pieces.Cut(whole, 1_208, 7).ToList();
        site.AtClient.Clear();
        site.Send(Anna, pieces[0]);
        Assert.Single(site.AtClient);
        site.Leave(Bert);
        site.Send(Anna, Datagram(a, b, 2));
        pieces = back == 0 ? pieces : pieces[..1];
        pieces.Skip(1).ToList().ForEach(p => site.Send(Anna, p));
        Assert.Single(site.AtClient);
        site.Wait(10);
        site.Come(Bert, back);
        site.Wait(300);
        site.Wait(300);
        Assert.All(site.AtClient, p => Assert.Equal(Bert, p.Client));
        Assert.Equal(1 + pieces.Count, site.AtClient.Count);
        AssertSame(Datagram(a, b, 2), site.AtClient[1].Packet, back == 0 ? 1 : 2);
        if (back == 0)
        {
            AssertSame(whole, Assert.Single(Pieces.Reassemble([.. site.AtClient.Where((_, i) => i != 1).Select(p => p.Packet)])), hops: null);
        }

        site.AssertNoDrops();
    }

    /// <summary>A printer says nothing of its own accord: it is asked, and stays findable; one that does not answer has left.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Who_only_listens_is_found_for_as_long_as_it_answers(bool v6)
    {
        var site = new NeighbourSite();
        site.Come(Bert, 1);
        site.Ask(Bert, v6);
        site.Listening.Add(Bert);
        WaitMinutes(site, 30);
        site.Appear(Anna, 0);
        AssertGets(site, Anna, Bert, 1, Datagram(Of(Anna, v6), Of(Bert, v6), 1), 2);
        Assert.DoesNotContain(site.Said(1), m => m is Depart);

        site.Listening.Remove(Bert);
        WaitMinutes(site, 6);
        Assert.Contains(site.Said(1), m => m is Depart { Client: var client } && client == Bert);
    }

    /// <summary>The subnet's own and its broadcast address are nobody's, here or outside, though the frame may be for the gateway alone.</summary>
    [Theory]
    [InlineData("192.168.77.0")]
    [InlineData("192.168.77.255")]
    public void What_is_for_everybody_is_not_sent_out(string address)
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Send(Anna, Datagram(Of(Anna, false), new TransportEndpoint(IpAddress.Parse(address), 9), 1));
        Assert.Empty(site.OnWire);
        Assert.Empty(site.Astray);
        Assert.Equal(1, site.Drops(DropReason.Multicast));
    }

    /// <summary>Eight clients that look through the whole subnet leave room for what others ask for.</summary>
    [Fact]
    public void Scans_leave_room_for_others()
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        site.HoldMessages = true;
        for (var scanner = 0; scanner < 8; scanner++)
        {
            var mac = MacAddress.Parse($"02:00:00:00:01:{scanner:x2}");
            site.HoldMessages = false;
            site.Come(mac, 0);
            site.HoldMessages = true;
            for (var host = 0; host < 120; host++)
            {
                site.Send(mac, Datagram(new TransportEndpoint(IpAddress.Parse($"192.168.77.{60 + scanner}"), 9), new TransportEndpoint(IpAddress.Parse($"192.168.77.{100 + host}"), 9), 1), 0);
            }
        }

        Assert.True(site.Drops(DropReason.NeighbourUnknown) > 8 * 80, "nobody was limited");
        site.AtClient.Clear();
        site.Send(Anna, Datagram(Of(Anna, false), Of(Bert, false), 1));
        site.HoldMessages = false;
        site.Wait(1);
        Assert.Contains(site.AtClient, p => p.Client == Bert);
    }

    /// <summary>Who claims an address that is another's gets nothing of it, not even before the coordinator has said whose it is; and its owner gets it wherever it comes.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_claim_takes_nothing_from_the_owner(bool v6)
    {
        var site = new NeighbourSite();
        var dora = MacAddress.Parse("02:00:00:00:00:44");
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        site.Come(Cora, 1);
        site.Come(dora, 1);
        var (a, b) = (Of(Anna, v6), Of(Bert, v6));
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 1), 2);
        site.AtClient.Clear();

        // Cora says that she is Anna, and the coordinator takes its time.
        site.HoldMessages = true;
        site.Send(Cora, Datagram(a, b, 2));
        site.Send(Bert, Datagram(b, a, 3));
        Assert.Empty(site.AtClient);
        site.HoldMessages = false;
        site.Wait(1);
        var (node, client, came) = Assert.Single(site.AtClient);
        Assert.Equal((0, Anna), (node, client));
        AssertSame(Datagram(b, a, 3), came, 2);

        // Anna comes to where she was claimed to be, and has her address there, for neighbours and for all others.
        site.Walk(Anna, 1);
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 4), 1);
        AssertGets(site, Bert, Anna, 1, Datagram(b, a, 5), 1);
        site.Send(Anna, Datagram(a, TransportEndpoint.Parse(v6 ? "[2001:db8::9]:53" : "203.0.113.9:53"), 6));
        Assert.Single(site.Astray);
        site.AtClient.Clear();
        site.Send(Cora, Datagram(a, b, 7));
        Assert.Empty(site.AtClient);
    }

    /// <summary>A neighbour that is nowhere any more is unlearned: its node says so, and the coordinator knows nobody; senders are told.</summary>
    [Fact]
    public void A_neighbour_that_has_left_is_unlearned()
    {
        var site = new NeighbourSite();
        site.Appear(Anna, 0);
        site.Appear(Bert, 1);
        var (a, b) = (Of(Anna, false), Of(Bert, false));
        AssertGets(site, Anna, Bert, 1, Datagram(a, b, 1), 2);
        site.Leave(Bert);
        for (var i = 0; i < 120; i++)
        {
            site.Wait(1_000);
        }

        site.AtClient.Clear();
        for (var i = 0; i < 10; i++)
        {
            site.Send(Anna, Datagram(a, b, 2));
            site.Wait(100);
        }

        Assert.Contains(site.AtClient, p => p.Client == Anna && RoamingPair.Read(p.Packet).Kind == PacketKind.IcmpError);
        site.Come(Bert, 2);
        site.Ask(Bert, v6: false);
        AssertGets(site, Anna, Bert, 2, Datagram(a, b, 3), 2);
    }

    private static void WaitMinutes(NeighbourSite site, int minutes)
    {
        for (var second = 0; second < 60 * minutes; second++)
        {
            site.Wait(1_000);
        }
    }
}
