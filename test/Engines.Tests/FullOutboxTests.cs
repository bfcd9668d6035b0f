using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Fam;
using Masquerade.Ham;

namespace Masquerade.Engines.Tests;

/// <summary>A full outbox delays what is said and loses nothing: for everything that an engine says, the outbox is full when it comes up and has room later.</summary>
public sealed class FullOutboxTests : FullOutbox
{
    [Fact]
    [Trait("Req", "A-11")]
    public void An_arrival_is_asked_for_when_there_is_room_and_what_waited_for_it_goes_out()
    {
        var site = Create();
        Fill(site);
        Assert.Equal(VerdictKind.Held, site.FromClient(1000).Kind);
        site.Wait(200);
        Assert.Empty(site.Said.OfType<Arrive>());
        Drain(site);
        Assert.Single(site.Said.OfType<Arrive>());
        site.Answer(1);
        Assert.Single(site.Uplink);
        site.Wait(5);
        Assert.Equal(0, site.Fam.UnsaidCount);
    }

    [Fact]
    [Trait("Req", "A-10")]
    public void Changes_are_announced_once_and_whole_when_there_is_room()
    {
        var site = Create();
        site.Arrive(1);
        Fill(site);
        for (ushort port = 1000; port < 1010; port++)
        {
            site.FromClient(port);
            site.Wait(10);
        }

        Assert.Empty(site.Said.OfType<Announce>());
        Drain(site);
        Assert.Equal(10, Assert.Single(site.Said.OfType<Announce>()).Mappings.Count);
        site.Wait(1_000);
        Assert.Single(site.Said.OfType<Announce>().Select(a => a.Id).Distinct());
    }

    [Fact]
    [Trait("Req", "A-19")]
    public void Ends_are_announced_when_there_is_room_but_not_of_what_nobody_has_heard_of()
    {
        var site = Create(new FamConfig { UdpTimeout = TimeSpan.FromSeconds(2), ClientIdleTimeout = TimeSpan.FromHours(1) });
        site.Arrive(1);
        site.FromClient(1000);
        var heardOf = site.Seen();
        site.Wait(5);
        site.Outbox.Complete(site.Last<Announce>().Id);
        site.Said.Clear();
        Fill(site);
        site.FromClient(1001);
        var unheardOf = site.Seen();
        for (var i = 0; i < 10; i++)
        {
            site.Wait(500);
        }

        Assert.Equal(0, site.Fam.MappingCount + site.Ham.MappingCount);
        Assert.Empty(site.Said.OfType<Announce>());
        Drain(site);
        var announce = Assert.Single(site.Said.OfType<Announce>());
        Assert.Equal([new MappingId(TransportProtocol.Udp, heardOf)], announce.Ended);
        Assert.Empty(announce.Mappings);
        Assert.DoesNotContain(new MappingId(TransportProtocol.Udp, unheardOf), announce.Ended);
    }

    [Fact]
    [Trait("Req", "A-03")]
    public void A_question_about_a_connection_that_cannot_be_asked_costs_its_packet_and_nothing_else()
    {
        foreach (var policy in (ReadOnlySpan<AnchorPolicy>)[AnchorPolicy.AskCoordinator, AnchorPolicy.AskCoordinatorFirst])
        {
            var site = Create(new FamConfig { Anchoring = policy });
            site.Arrive(1);
            var free = site.Pool.Free(TransportProtocol.Udp, false, site.Now);
            Fill(site);
            Assert.Equal(DropReason.ControlQueueFull, site.FromClient(1000).Reason);
            Assert.Equal(1, site.Drops[DropReason.ControlQueueFull]);
            Assert.Equal(free, site.Pool.Free(TransportProtocol.Udp, false, site.Now));
            Drain(site);
            Assert.Equal(VerdictKind.Held, site.FromClient(1000).Kind);
            Assert.Single(site.Said, m => m is Attach or Lookup);
        }
    }

    /// <summary>Between the two phases the outbox has filled up: the packets that wait are dropped and counted, nothing is leaked.</summary>
    [Fact]
    public void The_second_phase_of_a_question_may_find_no_room()
    {
        var site = Create(new FamConfig { Anchoring = AnchorPolicy.AskCoordinatorFirst });
        site.Arrive(1);
        var free = site.Pool.Free(TransportProtocol.Udp, false, site.Now);
        site.FromClient(1000);
        var lookup = site.Last<Lookup>();
        Fill(site);
        site.Outbox.Complete(lookup.Id);
        Fill(site);
        site.Fam.OnControl(new LookupReply { Id = lookup.Id }, site.Now);
        Assert.Empty(site.Said.OfType<Attach>());
        Assert.Equal(1, site.Drops[DropReason.Refused]);
        Assert.Equal(free, site.Pool.Free(TransportProtocol.Udp, false, site.Now));
    }

    [Fact]
    [Trait("Req", "A-08")]
    public void A_mapping_that_came_without_an_endpoint_is_attached_when_there_is_room_and_asked_for_again_until_answered()
    {
        var site = Create();
        site.Fam.OnAssociated(Site.Client, site.Now);
        var arrive = site.Last<Arrive>();
        Fill(site);
        site.Fam.OnControl(
            new ArriveReply
            {
                Id = arrive.Id, Client = Site.Client, Status = AckStatus.Ok, Epoch = new Epoch(2), PreviousFam = Site.Other, Complete = true,
                Mappings = [Site.Elsewhere(1000, default)],
            },
            site.Now);
        site.Wait(100);
        Assert.Empty(site.Said.OfType<AttachKnown>());
        Drain(site);
        var attach = Assert.Single(site.Said.OfType<AttachKnown>());
        Assert.Equal(Site.Elsewhere(1000, default).Mapping, Assert.Single(attach.Attachments).Mapping);

        // The answer is lost: it is asked again under its number, until answered.
        site.Wait(1_100);
        site.Wait(10);
        Assert.InRange(site.Said.OfType<AttachKnown>().Count(a => a.Id == attach.Id), 2, 10);
        site.Tell(new Ack { Id = attach.Id, Status = AckStatus.Ok });
        var said = site.Said.OfType<AttachKnown>().Count();
        site.Wait(5_000);
        site.Wait(10);
        Assert.Equal(said, site.Said.OfType<AttachKnown>().Count());
    }

    [Fact]
    [Trait("Req", "A-19")]
    public void A_mapping_that_nobody_serves_is_not_given_up_before_its_release_could_be_said()
    {
        var site = Create(ham: new HamConfig { UdpOrphanTimeout = TimeSpan.FromSeconds(10) });
        Placed(site, 1000);
        Fill(site);
        // For a while it asks whether anybody wants what was placed here.
        for (var i = 0; i < 40; i++)
        {
            site.Wait(1_000);
        }

        Assert.Equal(1, site.Ham.MappingCount);
        Drain(site);
        for (var i = 0; i < 3; i++)
        {
            site.Wait(1_000);
        }

        Assert.Single(Assert.Single(site.Said.OfType<ReleaseMappings>().DistinctBy(r => r.Id)).Mappings);
        Assert.Equal(0, site.Ham.MappingCount);
    }

    [Fact]
    public void News_that_must_be_contradicted_are_not_acknowledged_before_that_could_be_said()
    {
        var site = Create();
        Fill(site);
        var lost = new FamRoute(new MappingId(TransportProtocol.Udp, new TransportEndpoint(Site.Own, 5_000)), Site.Self, default, Site.OtherPeer);
        var change = new FamChange { Id = 1UL << 40, Client = Site.Client, Epoch = new Epoch(2), NewFam = Site.Other, Token = 1, Routes = [lost] };
        Assert.False(site.Ham.OnControl(change, site.Now));
        Drain(site);
        Assert.True(site.Ham.OnControl(change, site.Now));
        Assert.Equal([lost.Mapping], Assert.Single(site.Said.OfType<ReleaseMappings>()).Mappings);
    }

    /// <summary>Many more clients than the outbox holds messages, and a coordinator that has forgotten them all.</summary>
    [Fact]
    [Trait("Req", "A-11")]
    public void After_a_loss_of_the_store_every_mapping_is_reported_and_every_client_announced()
    {
        const int Clients = 300;
        var site = Create();
        for (ulong i = 0; i < Clients; i++)
        {
            var mac = new MacAddress(0x02_C0_00_00_10_00 + i);
            site.Fam.OnAssociated(mac, site.Now);
            var arrive = site.Last<Arrive>();
            site.Outbox.Complete(arrive.Id);
            site.Fam.OnControl(new ArriveReply { Id = arrive.Id, Client = mac, Status = AckStatus.Ok, Epoch = new Epoch(1), Complete = true }, site.Now);
            Assert.True(((ILocalAnchor)site.Ham).TryAnchor(
                TransportProtocol.Udp, new TransportEndpoint(Site.ClientAddress, (ushort)(1_000 + i)), mac, new Epoch(1), server: default, site.Now, out _, out _));
        }

        Fill(site);
        site.Said.Clear();
        site.Ham.OnCoordinatorUp(true, site.Now);
        site.Fam.OnCoordinatorUp(true, site.Now);
        Assert.Empty(site.Said);
        Assert.Equal((Clients, Clients), (site.Ham.UnreportedCount, site.Fam.UnsaidCount));
        Drain(site);
        for (var round = 0; round < 400 && site.Ham.UnreportedCount + site.Fam.UnsaidCount > 0; round++)
        {
            AnswerAll(site);
            site.Wait(50);
        }

        Assert.Equal(Clients, site.Said.OfType<AnchorReport>().DistinctBy(r => r.Id).SelectMany(r => r.Mappings).DistinctBy(m => m.Mapping).Count());
        Assert.Equal(Clients, site.Said.OfType<Announce>().DistinctBy(a => a.Id).Where(a => a.Full).DistinctBy(a => a.Client).Count());
    }

    /// <summary>What can wait leaves room: while announcements fill the outbox, a client that arrives is asked for at once.</summary>
    [Fact]
    public void Bulk_does_not_keep_an_arriving_client_waiting()
    {
        var site = Create();
        site.Arrive(1);
        for (var i = 0; i < 40; i++)
        {
            site.FromClient((ushort)(1000 + i));
            site.Wait(3);
        }

        var announced = site.Said.OfType<Announce>().DistinctBy(a => a.Id).SelectMany(a => a.Mappings).DistinctBy(m => m.Mapping).Count();
        Assert.InRange(announced, 1, 39);
        site.Fam.OnAssociated(Other, site.Now);
        Assert.Equal(Other, site.Last<Arrive>().Client);
    }

    private static void Placed(Site site, ushort port) => site.Tell(new AnchorRequest
    {
        Id = 1UL << 40, Client = Site.Client, Epoch = new Epoch(1), Protocol = TransportProtocol.Udp, ClientEndpoint = new TransportEndpoint(Site.ClientAddress, port),
    });
}
