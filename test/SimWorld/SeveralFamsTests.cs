using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Fam;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;
using Xunit.Abstractions;
using static Masquerade.SimWorld.World.Talk;

namespace Masquerade.SimWorld;

/// <summary>Clients that several access points hear at once: the first four anchor nothing but what is opened there, and the HAM of most is not among those that hear the client.</summary>
[Trait("Req", "A-13")]
public sealed class SeveralFamsTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(100);
    private static readonly string[] s_both = ["ap2", "ap3"];
    private static readonly int[] s_rest = [2, 3, 4, 5];

    public static TheoryData<FamChoice, ClientLinks> Policies => new()
    {
        { FamChoice.Newest, ClientLinks.Several },
        { FamChoice.Newest, ClientLinks.Shared },
        { FamChoice.RoundRobin, ClientLinks.Several },
        { FamChoice.RoundRobin, ClientLinks.Shared },
        { FamChoice.Duplicate, ClientLinks.Several },
        { FamChoice.Duplicate, ClientLinks.Shared },
    };

    [Theory]
    [MemberData(nameof(Policies))]
    public void A_second_link_moves_nothing_and_both_work(FamChoice fams, ClientLinks links)
    {
        var network = World(fams, links);
        var (client, flows) = Begin(network);
        var epoch = network.RecordOf(client.Mac)!.Epoch;
        network.AttachAlso(client, 2);
        network.Run(TimeSpan.FromSeconds(2));

        var record = network.RecordOf(client.Mac)!;
        Assert.Equal((epoch, new NodeId("ap2"), new NodeId("ap3")), (record.Epoch, record.Fam, Assert.Single(record.Further).Node));
        AssertWell(network, flows);
        Assert.Null(TableCheck.FirstDisagreement(network));

        // What is opened now has an endpoint at both.
        Flow[] opened = [network.AddFlow(client, TransportProtocol.Udp, true, 2), network.AddFlow(client, TransportProtocol.Tcp, false, 3), network.AddFlow(client, TransportProtocol.Icmp, false, 4)];
        network.Run(Short);
        record = network.RecordOf(client.Mac)!;
        Assert.All(record.Mappings.Values, e => Assert.All(s_both, n => Assert.False(e.EndpointAt(new NodeId(n)).IsNone, $"{e.Record.Mapping} has no endpoint at {n}")));
        AssertWell(network, [.. flows, .. opened]);

        var (first, second) = (network.AccessPoints[1].Node, network.AccessPoints[2].Node);
        var heard = second.Drops[DropReason.HeardElsewhere];
        Assert.Equal(links == ClientLinks.Shared, heard > 0);
        Assert.Equal(0, first.Drops[DropReason.HeardElsewhere]);
        Assert.Equal(fams == FamChoice.RoundRobin, network.AccessPoints[0].Node.Ham.SentToFurther > 100);
        Assert.Equal(fams == FamChoice.Duplicate, network.AccessPoints[0].Node.Ham.CopiesSent > 100);
    }

    /// <summary>The link of the first FAM goes, and later the other one's: nothing is lost, nothing comes twice.</summary>
    [Theory]
    [MemberData(nameof(Policies))]
    public void Links_come_and_go(FamChoice fams, ClientLinks links)
    {
        var network = World(fams, links);
        var (client, flows) = Begin(network);
        for (var i = 0; i < 6; i++)
        {
            var next = 1 + ((i + 1) % 2);
            network.AttachAlso(client, next);
            network.Run(TimeSpan.FromMilliseconds(150 + (40 * i)));
            network.DetachFrom(client, client.At);
            network.Run(Short);
            Assert.Equal(new NodeId($"ap{next + 1}"), network.RecordOf(client.Mac)!.Fam);
            Assert.Empty(network.RecordOf(client.Mac)!.Further);
        }

        AssertWell(network, flows);
        Assert.Equal(0, network.SentAstray);
        network.Run(TimeSpan.FromSeconds(2));
        Assert.Null(TableCheck.FirstDisagreement(network));
        Assert.Null(TableCheck.FirstStrayServer(network));
    }

    /// <summary>A further link goes: what was on its way there follows the client.</summary>
    [Theory]
    [MemberData(nameof(Policies))]
    public void The_further_link_goes(FamChoice fams, ClientLinks links)
    {
        var network = World(fams, links);
        var (client, flows) = Begin(network);
        var epoch = network.RecordOf(client.Mac)!.Epoch;
        for (var i = 0; i < 3; i++)
        {
            network.AttachAlso(client, 2);
            network.Run(TimeSpan.FromMilliseconds(250));
            network.DetachFrom(client, 2);
            network.Run(TimeSpan.FromMilliseconds(250));
        }

        var record = network.RecordOf(client.Mac)!;
        Assert.Equal((epoch, new NodeId("ap2"), 0), (record.Epoch, record.Fam, record.Further.Length));
        AssertWell(network, flows);
        Assert.Equal(0, network.SentAstray);
        Assert.Null(TableCheck.FirstDisagreement(network));
        network.Run(TimeSpan.FromSeconds(6));
        Assert.Equal(0, network.AccessPoints[2].Node.Fam.ClientCount);
    }

    /// <summary>The first FAM dies: the other one has everything, without waiting until it is known that it is dead. With copies nothing is lost on the way to the client.</summary>
    [Theory]
    [MemberData(nameof(Policies))]
    public void The_first_FAM_dies(FamChoice fams, ClientLinks links)
    {
        var network = World(fams, links);
        var (client, flows) = Begin(network);
        network.AttachAlso(client, 2);
        network.Run(TimeSpan.FromMilliseconds(300));
        var before = flows.Select(f => f.Duplicated).Sum();
        Kill(network, 1);
        client.At = 2;
        client.Also.Clear();
        network.Run(TimeSpan.FromMilliseconds(20));
        Assert.Equal(new NodeId("ap3"), network.RecordOf(client.Mac)!.Fam);
        Assert.Equal(0, network.Failures);
        Assert.All(flows, f => AssertTalks(network, f));

        // Nobody knows what a node has sent in its last moment. What it has said to have delivered does not come again.
        var duplicated = flows.Select(f => f.Duplicated).Sum() - before;
        output.WriteLine($"duplicated {duplicated}");
        Assert.InRange(duplicated, 0, fams == FamChoice.Duplicate ? 6 : 0);
        if (fams == FamChoice.Duplicate && links == ClientLinks.Several)
        {
            // What went up by the dead one is lost; what came down is not, but for what was on the air.
            Assert.All(flows.Where(f => f.Protocol == TransportProtocol.Udp), f => Assert.InRange(f.SentDown - f.SeenDown.Count, 0, 4));
        }
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void The_further_FAM_dies(FamChoice fams, ClientLinks links)
    {
        var network = World(fams, links);
        var (client, flows) = Begin(network);
        network.AttachAlso(client, 2);
        network.Run(TimeSpan.FromMilliseconds(300));
        Kill(network, 2);
        client.Also.Clear();
        network.Run(TimeSpan.FromMilliseconds(20));
        Assert.Empty(network.RecordOf(client.Mac)!.Further);
        Assert.Equal(new NodeId("ap2"), network.RecordOf(client.Mac)!.Fam);
        Assert.All(flows, f => AssertTalks(network, f));
        Assert.Equal(0, flows.Select(f => f.Duplicated).Sum());
    }

    /// <summary>A FAM that sees only a part of the packets ends nothing that lives at the other one, however often that one hears of something new.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_lives_by_one_link_alone_lives(bool newsMeanwhile)
    {
        var network = World(FamChoice.RoundRobin, ClientLinks.Several);
        var (client, flows) = Begin(network);
        network.AttachAlso(client, 2);
        network.Run(Short);

        // The client sends by its further link alone, and the servers are silent for longer than idle connections are kept.
        client.Also.Clear();
        client.At = 2;
        var seen = flows.Select(f => f.Seen).ToArray();
        foreach (var flow in flows)
        {
            flow.Stopped = true;
        }

        for (var minute = 0; minute < 20; minute++)
        {
            for (var i = 0; newsMeanwhile && i < 3; i++)
            {
                // What the first FAM opens, the other one hears of.
                client.At = 1;
                network.AddFlow(client, TransportProtocol.Udp, false, 2).Stopped = true;
                var opened = client.Flows[^1];
                network.FromClient(client, WireFormat.Packet(opened.Protocol, opened.Local, opened.Server, fromClient: true, Payload(opened), default, opened.Id));
                network.Run(Short);
                Assert.NotEqual(default, opened.Seen);
                client.At = 2;
                network.Run(TimeSpan.FromSeconds(20));
            }

            foreach (var flow in flows.Where(f => f.Protocol == TransportProtocol.Udp))
            {
                network.FromClient(client, WireFormat.Packet(flow.Protocol, flow.Local, flow.Server, fromClient: true, Payload(flow), default, flow.Id));
            }

            network.Run(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(seen, flows.Select(f => f.Seen));
        Assert.All(flows.Where(f => f.Protocol == TransportProtocol.Udp), f => Assert.True(network.AccessPoints[0].Node.Ham.Anchors(f.Protocol, f.Seen, f.Server), $"{f} has ended"));
        Assert.Null(TableCheck.FirstDisagreement(network));
    }

    [Fact]
    public void There_is_room_for_so_many()
    {
        var network = World(FamChoice.RoundRobin, ClientLinks.Several, accessPoints: 6);
        var (client, flows) = Begin(network);
        foreach (var at in s_rest)
        {
            network.AttachAlso(client, at);
            network.Run(Short);
        }

        Assert.Equal(ControlLimits.MaxFurtherFams, network.RecordOf(client.Mac)!.Further.Length);

        // There is no room for the fifth, which goes on hearing the client: it asks now and then.
        var fifth = network.AccessPoints[5];
        var sent = flows.Sum(f => f.SentUp);
        fifth.Heard = [];
        network.Run(TimeSpan.FromSeconds(9));
        Assert.InRange(fifth.Heard.Count(h => h.What is Arrive), 0, 1);
        Assert.InRange(fifth.Node.Drops[DropReason.Refused], 1, (sent + flows.Sum(f => f.SentUp)) / 2);

        // Another one hears it no more, and the fifth takes its place.
        network.DetachFrom(client, 4);
        network.Run(TimeSpan.FromSeconds(12));
        Assert.Contains(network.RecordOf(client.Mac)!.Further, f => f.Node == new NodeId("ap6"));
        Assert.All(flows, f => AssertTalks(network, f));
        Assert.Equal(0, flows.Sum(f => f.Duplicated));
    }

    private static byte[] Payload(Flow flow)
    {
        var payload = new byte[Flow.PayloadLength];
        flow.WritePayload(payload, ++flow.SentUp, down: false);
        return payload;
    }

    private static void Kill(SimNetwork network, int ap)
    {
        network.AccessPoints[ap].Kill();
        network.Disconnect(network.AccessPoints[ap]);
    }

    private static SimNetwork World(FamChoice fams, ClientLinks links, int accessPoints = 4) =>
        new(1, new Settings { AccessPoints = accessPoints, Clients = 1, Fams = fams, Links = links, Takeover = true });

    /// <summary>The client opens everything at the first access point and goes to the second, so that HAM and FAM are apart.</summary>
    private static (SimClient Client, Flow[] Flows) Begin(SimNetwork network)
    {
        var (client, flow) = Settle(network, TransportProtocol.Udp, ipv6: false);
        Flow[] flows = [flow, network.AddFlow(client, TransportProtocol.Udp, true, 1), network.AddFlow(client, TransportProtocol.Tcp, false, 0), network.AddFlow(client, TransportProtocol.Icmp, true, 1)];
        network.Run(Short);
        network.Detach(client);
        network.Attach(client, 1);
        network.Run(TimeSpan.FromMilliseconds(300));
        return (client, flows);
    }

    /// <summary>Traffic passes, and none of it was lost, repeated or seen under another name; order is kept but for datagrams that went by turns.</summary>
    private static void AssertWell(SimNetwork network, IEnumerable<Flow> flows)
    {
        foreach (var flow in flows)
        {
            AssertTalks(network, flow);
            Assert.Equal(0, flow.Duplicated);
            Assert.Single(flow.Faces);
            if (network.Settings.Fams != FamChoice.RoundRobin || flow.Protocol == TransportProtocol.Tcp)
            {
                Assert.Equal(0, flow.Reordered);
            }
        }

        Assert.All(network.AccessPoints, ap => Assert.Equal(
            ap.Node.Drops.Total, ap.Node.Drops[DropReason.HeardElsewhere] + ap.Node.Drops[DropReason.CopyNotNeeded]));
    }
}
