using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>A FAM that is left or superseded says all it knows before it forgets the client, even if its outbox is full.</summary>
public sealed class FarewellTests : FullOutbox
{
    [Fact]
    [Trait("Req", "A-12")]
    public void A_departing_client_stays_until_its_departure_could_be_said_and_was_heard()
    {
        var site = Create();
        site.Arrive(1);
        site.FromClient(1000);
        Fill(site);
        site.Fam.OnDisassociated(Site.Client, site.Now);
        site.Wait(250);
        site.Wait(5_000);
        Assert.Empty(site.Said.OfType<Depart>());
        Assert.Equal("Departing", Assert.Single(site.Fam.DescribeClients(9)).State);
        Drain(site);
        var depart = Assert.Single(site.Said.OfType<Depart>());
        Assert.Single(depart.Mappings);
        site.Tell(new Ack { Id = depart.Id, Status = AckStatus.Ok });
        Assert.Equal(0, site.Fam.ClientCount);
    }

    [Fact]
    [Trait("Req", "A-11")]
    public void A_hand_over_is_kept_beyond_the_time_of_forwarding_until_it_could_be_said()
    {
        var site = Create();
        site.Arrive(1);
        site.FromClient(1000);
        Fill(site);
        site.Tell(Change(site, 2));
        for (var i = 0; i < 10; i++)
        {
            site.Wait(1_000);
        }

        Assert.Empty(site.Said.OfType<HandOver>());
        Assert.Equal(1, site.Fam.ClientCount);
        Drain(site);
        var handOver = Assert.Single(site.Said.OfType<HandOver>());
        Assert.Single(handOver.Mappings);
        Assert.False(handOver.More);
        site.Wait(6_000);
        Assert.Equal(0, site.Fam.ClientCount);
    }

    /// <summary>The client is back before the parting word could be said: it is not said any more, and what had changed is announced under the new epoch.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_client_that_comes_back_is_not_taken_leave_of(bool moved)
    {
        var site = Create();
        site.Arrive(1);
        site.FromClient(1000);
        Fill(site);
        if (moved)
        {
            site.Tell(Change(site, 2));
        }
        else
        {
            site.Fam.OnDisassociated(Site.Client, site.Now);
            site.Wait(250);
        }

        site.Wait(100);
        site.Fam.OnAssociated(Site.Client, site.Now);
        Drain(site);
        Assert.DoesNotContain(site.Said, m => m is HandOver or Depart);
        Assert.Empty(site.Said.OfType<Announce>());
        site.Answer(3, complete: true, previous: moved ? Site.Other : default);
        site.Wait(10);
        var announce = Assert.Single(site.Said.OfType<Announce>());
        Assert.Equal(3UL, announce.Epoch.Value);
        Assert.Single(announce.Mappings);
    }

    /// <summary>Farewells of a client with more mappings than a message holds: parts, and the last one when the others have been acknowledged.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_farewell_in_parts_ends_with_its_last_part_whatever_the_outbox_does(bool moved)
    {
        const int Mappings = 5_000;
        var site = Create(new FamConfig { UdpMappingsPerClient = 0, ConnectionRatePerClient = 0 });
        site.Arrive(1);
        for (var port = 0; port < Mappings; port++)
        {
            site.FromClient((ushort)(1000 + port));
        }

        site.Wait(5);
        AnswerAll(site);
        site.Wait(60);
        Assert.Equal(Mappings, site.Said.OfType<Announce>().SelectMany(a => a.Mappings).DistinctBy(m => m.Mapping).Count());
        AnswerAll(site);
        Fill(site);
        site.Said.Clear();
        if (moved)
        {
            site.Tell(Change(site, 2));
        }
        else
        {
            site.Fam.OnDisassociated(Site.Client, site.Now);
            site.Wait(250);
        }

        Drain(site);
        var parts = site.Said.Where(m => m is HandOver { More: true } or Announce).DistinctBy(m => m.Id).ToList();
        Assert.Equal(2, parts.Count);
        Assert.DoesNotContain(site.Said, m => m is HandOver { More: false } or Depart);
        site.Tell(new Ack { Id = parts[1].Id, Status = AckStatus.Ok });
        site.Wait(60);
        Assert.DoesNotContain(site.Said, m => m is HandOver { More: false } or Depart);
        site.Tell(new Ack { Id = parts[0].Id, Status = AckStatus.Ok });
        var last = Assert.Single(site.Said, m => m is HandOver { More: false } or Depart);
        var all = parts.Append(last).SelectMany(m => m switch { HandOver h => h.Mappings, Announce a => a.Mappings, Depart d => d.Mappings, _ => [] }).ToList();
        Assert.Equal(Mappings, all.Count);
        Assert.Equal(Mappings, all.DistinctBy(m => m.Mapping).Count());
        site.Tell(new Ack { Id = last.Id, Status = AckStatus.Ok });
        site.Wait(6_000);
        Assert.Equal(0, site.Fam.ClientCount);
    }

    private static FamChange Change(Site site, ulong epoch) => new()
    {
        Id = 1UL << 41,
        Client = Site.Client,
        Epoch = new Epoch(epoch),
        NewFam = Site.Other,
        PreviousFam = Site.Self,
        Token = 7,
        Routes = [.. site.Ham.Describe(int.MaxValue).Take(ControlLimits.MaxRoutes).Select(m => new FamRoute(m.Mapping, Site.Self, m.FamEndpoint, Site.OtherPeer))],
    };
}
