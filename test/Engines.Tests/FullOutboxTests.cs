using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Fam;
using Masquerade.Ham;

namespace Masquerade.Engines.Tests;

/// <summary>A full outbox delays what is said and loses nothing: for everything that an engine says, the outbox is full when it comes up and has room later.</summary>
public sealed class FullOutboxTests
{
    private static readonly MacAddress Other = MacAddress.Parse("02:c0:00:00:00:02");
    private readonly List<ulong> _fillers = [];

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
        Assert.Empty(site.Said.OfType<Attach>());
        Drain(site);
        Assert.Single(site.Said.OfType<Attach>());

        // The answer is lost beyond all patience: it is asked again under a new number.
        site.Wait(1_100);
        site.Wait(10);
        var ids = site.Said.OfType<Attach>().Select(a => a.Id).Distinct().ToList();
        Assert.Equal(2, ids.Count);
        var attach = site.Last<Attach>();
        site.Tell(new AttachReply
        {
            Id = attach.Id, Status = AttachStatus.Attached, Client = Site.Client, Mapping = Site.Elsewhere(1000, attach.FamEndpoint),
        });
        site.Wait(5_000);
        site.Wait(10);
        Assert.Equal(2, site.Said.OfType<Attach>().Select(a => a.Id).Distinct().Count());
    }

    [Fact]
    [Trait("Req", "A-19")]
    public void A_mapping_that_nobody_serves_is_not_given_up_before_its_release_could_be_said()
    {
        var site = Create(ham: new HamConfig { UdpOrphanTimeout = TimeSpan.FromSeconds(10) });
        Placed(site, 1000);
        Fill(site);
        for (var i = 0; i < 20; i++)
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
                TransportProtocol.Udp, new TransportEndpoint(Site.ClientAddress, (ushort)(1_000 + i)), mac, new Epoch(1), site.Now, out _, out _));
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

    /// <summary>Farewells of a client with more mappings than a message holds: parts, and the last one when the others have been acknowledged.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_farewell_in_parts_ends_with_its_last_part_whatever_the_outbox_does(bool moved)
    {
        const int Mappings = 5_000;
        var site = Create();
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

    /// <summary>Arrivals that come to nothing rest their offers for minutes; a storm of them leaves ports to connections.</summary>
    [Fact]
    [Trait("Req", "A-17")]
    public void Abandoned_arrivals_do_not_use_up_the_ports()
    {
        var site = new Site();
        for (ulong i = 0; i < 5_000; i++)
        {
            var mac = new MacAddress(0x02_C0_00_00_10_00 + i);
            site.Fam.OnAssociated(mac, site.Now);
            site.Fam.OnDisassociated(mac, site.Now);
            if (i % 500 == 499)
            {
                // Each is waited for a moment, for HAMs may have been sent here, and then taken leave of.
                site.Wait(250);
                foreach (var farewell in site.Said.OfType<Depart>())
                {
                    site.Outbox.Complete(farewell.Id);
                    site.Fam.OnControl(new Ack { Id = farewell.Id, Status = AckStatus.Ok }, site.Now);
                }

                site.Said.Clear();
            }
        }

        Assert.Equal(0, site.Fam.ClientCount);
        foreach (var protocol in (ReadOnlySpan<TransportProtocol>)[TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Icmp])
        {
            Assert.InRange(site.Pool.Free(protocol, false, site.Now), site.Pool.Size(protocol, false) / 4, site.Pool.Size(protocol, false));
        }

        site.Arrive(1);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
    }

    private static Site Create(FamConfig? fam = null, HamConfig? ham = null) => new(fam, ham, new OutboxOptions { Capacity = 12 });

    /// <summary>Others have so much to say that the outbox takes nothing more.</summary>
    private void Fill(Site site)
    {
        var id = 1UL << 50;
        while (site.Outbox.Send(new Lookup { Id = id + (ulong)_fillers.Count, Client = Other, Protocol = TransportProtocol.Udp, ClientEndpoint = Site.OtherPeer, Server = Site.Server }, site.Now))
        {
            _fillers.Add(id + (ulong)_fillers.Count);
        }

        site.Said.RemoveAll(m => m is Lookup { Id: >= 1UL << 50 });
    }

    /// <summary>They have been answered; the engines get time to use the room. What they then say is not answered yet.</summary>
    private void Drain(Site site)
    {
        foreach (var id in _fillers)
        {
            site.Outbox.Complete(id);
        }

        _fillers.Clear();
        site.Wait(60);
        site.Said.RemoveAll(m => m is Lookup { Id: >= 1UL << 50 });
    }

    private static void AnswerAll(Site site)
    {
        foreach (var message in site.Said.Where(m => site.Outbox.Contains(m.Id)).DistinctBy(m => m.Id).ToList())
        {
            site.Tell(new Ack { Id = message.Id, Status = AckStatus.Ok });
        }
    }

    private static void Placed(Site site, ushort port) => site.Tell(new AnchorRequest
    {
        Id = 1UL << 40, Client = Site.Client, Epoch = new Epoch(1), Protocol = TransportProtocol.Udp, ClientEndpoint = new TransportEndpoint(Site.ClientAddress, port),
    });

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
