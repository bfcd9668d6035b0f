using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Xunit.Abstractions;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

/// <summary>Rules that send connections on from node to node, and homes.</summary>
public sealed class PlacementTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-14")]
    public void A_chain_of_redirections_is_followed_before_anybody_is_asked_and_ends_at_its_last_node()
    {
        var bench = Served(new PlacementRules(
            new PlacementRule(Ap2) { AtHome = true },
            new PlacementRule(Ap2),
            new PlacementRule(Ap3) { From = new HashSet<NodeId> { Ap2 } }));
        var (session, message) = Assert.Single(bench.Tell(1, bench.Attach(1, 1, 9_000, 5_000)));
        Assert.Equal(3UL, session);
        var request = Assert.IsType<AnchorRequest>(message);
        var answered = bench.Tell(3, new AnchorReply { Id = request.Id, Status = AckStatus.Ok, Masquerade = At(3, 7_000) });
        Assert.Equal(Ap3, answered.Select(s => s.Message).OfType<AttachReply>().Single().Mapping!.Ham);
        Assert.DoesNotContain(answered, s => s.Message is AnchorRequest);
        Assert.Equal(0, bench.Core.PlacementLoops);
    }

    [Fact]
    [Trait("Req", "A-14")]
    public void A_loop_is_refused_and_counted_and_the_connection_is_anchored_where_it_was_opened()
    {
        var bench = Served(new PlacementRules(
            new PlacementRule(Ap2) { From = new HashSet<NodeId> { Ap1, Ap3 } },
            new PlacementRule(Ap3) { From = new HashSet<NodeId> { Ap2 } }));
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal((AttachStatus.Established, Ap1), bench.Ask<AttachReply>(1, bench.Attach(1, 1, 9_000 + i, 5_000 + i)) is var reply ? (reply.Status, reply.Mapping!.Ham) : default);
        }

        Assert.Equal(5, bench.Core.PlacementLoops);
        Assert.Equal((Ap1, Client, 1L), Assert.Single(bench.Events.OfType<PlacementLooped>()) is var loop ? (loop.Asker, loop.Client, loop.Count) : default);
        bench.Wait(1_001);
        bench.Tell(1, bench.Attach(1, 1, 9_010, 5_010));
        Assert.Equal(5, bench.Events.OfType<PlacementLooped>().Last().Count);
    }

    [Fact]
    [Trait("Req", "A-14")]
    public void Every_chain_ends_and_the_check_finds_just_the_rules_that_have_a_loop()
    {
        var random = Seed.Fresh(output);
        var (loops, clean) = (0, 0);
        for (var round = 0; round < 2_000; round++)
        {
            NodeId Node() => new($"n{random.NextInt(4)}");
            HashSet<T> Some<T>(Func<T> make, int most) => [.. Enumerable.Range(0, random.NextInt(most + 1)).Select(_ => make())];
            var clients = Enumerable.Range(1, 3).Select(c => new MacAddress((ulong)c)).ToList();
            var homes = clients.Where(_ => random.NextInt(2) == 0).ToDictionary(c => c, _ => Node());
            var rules = new PlacementRules([.. Enumerable.Range(0, 1 + random.NextInt(5)).Select(_ => new PlacementRule(random.NextInt(6) == 0 ? NodeId.None : Node())
            {
                AtHome = random.NextInt(4) == 0,
                From = Some(Node, 2),
                Protocol = random.NextInt(3) == 0 ? TransportProtocol.Tcp : null,
                Ports = Some(() => (ushort)(1 + random.NextInt(3)), random.NextInt(2)),
                Clients = Some(() => clients[random.NextInt(3)], random.NextInt(2)),
            })]) { Homes = new HomeTable(homes) };
            var found = PlacementCheck.FindLoop(rules, homes.Keys);
            var isLoop = false;
            foreach (var asker in Enumerable.Range(0, 5).Select(n => new NodeId($"n{n}")))
            {
                foreach (var client in clients.Append(new MacAddress(9)))
                {
                    for (ushort port = 1; port <= 5; port++)
                    {
                        isLoop |= Enum.GetValues<TransportProtocol>().Any(p => rules.Choose(asker, client, p, At(1, port)).IsNone);
                    }
                }
            }

            Assert.Equal(isLoop, found is not null);
            (loops, clean) = isLoop ? (loops + 1, clean) : (loops, clean + 1);
            if (found is not null)
            {
                Assert.Contains(found.Way[^1], found.Way.SkipLast(1));
                Assert.True(rules.Rules[found.Rule].AtHome || rules.Rules[found.Rule].Node == found.Way[^1]);
            }
        }

        Assert.True(loops > 100 && clean > 100, $"{loops} with loops, {clean} without");
    }

    private static CoordinatorBench Served(IHamPlacement placement)
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { Placement = placement });
        bench.Tell(1, bench.Arrive(1));
        return bench;
    }
}
