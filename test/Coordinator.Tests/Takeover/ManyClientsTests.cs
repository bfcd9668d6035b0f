using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Takeover;

/// <summary>More clients are anchored at an address that moves than messages may wait for its new owner.</summary>
public sealed class ManyClientsTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void The_new_HAM_of_twenty_thousand_clients_is_told_no_faster_than_it_takes_it(bool drained)
    {
        const int Clients = 20_000;
        var site = new PlayedSite();
        site.Begin(PlayedSite.Link);
        Populate(site, ham: 1, Clients);
        if (drained)
        {
            Assert.True(site.Bench.Core.TryDrain(Ap1, true, site.Bench.Now, _ => { }));
        }
        else
        {
            site.Silence(1);
        }

        var most = 0;
        site.Until(() =>
        {
            most = Math.Max(most, site.Bench.Core.Nodes.Nodes.Where(n => n.Id != Ap1).Max(n => n.PushesWaiting));
            return IsSettled(site, 3);
        });

        // At the moment in which it is told that this was all, it has taken all, and each just once.
        var adopted = site.Heard<AdoptMappings>().Where(a => a.Session == 3 && site.Answered.Contains(a.Message.Id)).SelectMany(a => a.Message.Mappings).ToList();
        Assert.Equal(Clients, adopted.DistinctBy(r => r.Mapping).Count());
        Assert.Equal(Clients, adopted.Count);
        Assert.InRange(most, 200, new CoordinatorOptions().MaxPushesPerNode / 2);
        Assert.DoesNotContain(site.Bench.Events, e => e is NodeBehind);
        Assert.Equal(Clients, site.Heard<ArrivalUpdate>().Where(u => u.Session == 2).DistinctBy(u => u.Message.Client).Count());
        site.Pass(100);
        Assert.Equal(0, site.Bench.Core.AddressesMoving);
        Assert.Equal(0, site.Bench.Core.DecisionsUnderWay);
    }

    /// <summary>Something else makes the new owner fall behind while it is being told: what was thrown away is told again, and until then nothing is called settled.</summary>
    [Theory]
    [InlineData(1UL)]
    [InlineData(2UL)]
    [Trait("Req", "A-16")]
    public void A_new_HAM_that_fell_behind_is_told_everything_again(ulong incarnation)
    {
        const int Clients = 1_000;
        var site = new PlayedSite(new CoordinatorOptions { MaxPushesPerNode = 64 });
        site.Begin(PlayedSite.Link);
        Populate(site, ham: 1, Clients);
        Populate(site, ham: 3, 100, first: 50_000);
        site.Slow[3] = 40;
        site.Silence(1);
        site.Until(() => site.Heard<AdoptMappings>().Count() > Clients / 4);
        for (var i = 0; i < 100; i++)
        {
            site.Say(2, new Announce { Id = site.Bench.NextId(), Client = Mac(50_000 + i), Epoch = new Epoch(1), Ended = [Mapping(3, 50_000 + i, 1).Mapping] });
        }

        Assert.Contains(site.Bench.Events, e => e is NodeBehind { Node.Name: "ap3" });
        Assert.False(site.Bench.Core.Nodes.IsConnected(Ap3));
        site.Pass(100);
        Assert.False(IsSettled(site, 3));
        site.Slow.Clear();
        site.Rejoin(3, incarnation);
        site.Until(() => IsSettled(site, 13));
        var adopted = site.Heard<AdoptMappings>().Where(a => a.Session == 13 && site.Answered.Contains(a.Message.Id)).SelectMany(a => a.Message.Mappings);
        Assert.Equal(Clients, adopted.Select(r => r.Mapping).Where(m => m.Masquerade.Address == Address(1)).Distinct().Count());
    }

    /// <summary>Its own mappings come back to a node in the same way: until it has them all it may give out nothing.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void A_HAM_of_twenty_thousand_clients_that_restarts_gets_them_all_back()
    {
        const int Clients = 20_000;
        var site = new PlayedSite();
        site.Begin(PlayedSite.Link);
        Populate(site, ham: 1, Clients);
        site.Rejoin(1, 2);
        var welcome = Assert.Single(site.Heard<Welcome>()).Message;
        var word = Assert.Single(welcome.Owners);
        Assert.Equal((Ap1, false, 0U), (word.Node, word.Settled, welcome.Restored));
        var most = 0;
        site.Until(() =>
        {
            most = Math.Max(most, site.Bench.Core.Nodes.Find(Ap1)!.PushesWaiting);
            return IsSettled(site, 11);
        });
        var adopted = site.Heard<AdoptMappings>().Where(a => a.Session == 11 && site.Answered.Contains(a.Message.Id)).SelectMany(a => a.Message.Mappings);
        Assert.Equal(Clients, adopted.Select(r => r.Mapping).Distinct().Count());
        Assert.InRange(most, 200, new CoordinatorOptions().MaxPushesPerNode / 2);
        site.Pass(100);
        Assert.Equal(0, site.Bench.Core.AddressesMoving);
        Assert.True(site.Bench.Core.Nodes.IsConnected(Ap1));
    }

    /// <summary>A FAM that takes nothing, though it beats, does not keep others' connections from going on.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void A_FAM_that_does_not_listen_does_not_stop_a_takeover()
    {
        const int Clients = 1_000;
        var site = new PlayedSite(new CoordinatorOptions { MaxPushesPerNode = 64 });
        site.Begin(PlayedSite.Link);
        Populate(site, ham: 1, Clients);
        site.Slow[2] = 1_000_000;
        site.Silence(1);
        site.Until(() => IsSettled(site, 3));
        Assert.Equal(Clients, site.Heard<AdoptMappings>().Where(a => a.Session == 3).DistinctBy(a => a.Message.Client).Count());
        Assert.Contains(site.Bench.Events, e => e is NodeBehind { Node.Name: "ap2" });
        Assert.DoesNotContain(site.Bench.Events, e => e is NodeBehind { Node.Name: "ap3" });
    }

    private static MacAddress Mac(int number) => new(0x0200_0001_0000 + (ulong)number);

    /// <summary>So many clients at ap2 that are anchored at another node, one mapping each.</summary>
    private static void Populate(PlayedSite site, ulong ham, int count, int first = 10_000)
    {
        for (var i = 0; i < count; i++)
        {
            site.Say(2, new Arrive { Id = site.Bench.NextId(), Client = Mac(first + i) });
            site.Say(2, new Announce { Id = site.Bench.NextId(), Client = Mac(first + i), Epoch = new Epoch(1), Mappings = [Mapping(ham, first + i, 1, fam: At(2, first + i))] });
            if (i % 25 == 24)
            {
                site.Pass(5);
            }
        }

        site.Pass(50);
        site.Said.Clear();
    }

    private static bool IsSettled(PlayedSite site, ulong session) =>
        site.Heard<AddressOwners>().Any(o => o.Session == session && o.Message.Owners.Any(w => w.Address == Address(1) && w.Node == Name(session % 10) && w.Settled));
}
