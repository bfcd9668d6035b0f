using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>What was lost on the way, or came too late. Each of these was found by a seed of SimWorld.</summary>
public sealed class LostNewsTests
{
    private static readonly TransportEndpoint First = TransportEndpoint.Parse("10.1.2.10:6000");
    private static readonly TransportEndpoint Second = TransportEndpoint.Parse("10.1.2.10:6001");

    /// <summary>Seed 14915505184075: a coordinator with its store in memory was restarted and counted its messages from 1 again.</summary>
    [Fact]
    [Trait("Req", "A-29")]
    public void A_coordinator_that_has_forgotten_how_far_it_had_counted_is_heard()
    {
        var site = new Site();
        site.Tell(new AnchorRequest { Id = 58, Client = Site.Client, Epoch = new Epoch(3), Protocol = TransportProtocol.Udp, ClientEndpoint = new TransportEndpoint(Site.ClientAddress, 1000) });
        var masquerade = site.Last<AnchorReply>().Masquerade;
        FamChange Change(ulong id, TransportEndpoint to) => new()
        {
            Id = id, Client = Site.Client, Epoch = new Epoch(3), NewFam = Site.Other, Token = 1,
            Routes = [new FamRoute(new MappingId(TransportProtocol.Udp, masquerade), Site.Self, TransportEndpoint.None, to)],
        };
        site.Tell(Change(59, First));
        site.FromServer(masquerade);
        Assert.Equal(First, Site.Parse(site.Uplink[^1]).Tuple.Destination);

        // Within one life of the coordinator a lower number is an older word.
        site.Tell(Change(9, Second));
        site.FromServer(masquerade);
        Assert.Equal(First, Site.Parse(site.Uplink[^1]).Tuple.Destination);
        site.Ham.OnCoordinatorUp(storeChanged: true, site.Now);
        site.Tell(Change(9, Second));
        site.FromServer(masquerade);
        Assert.Equal(Second, Site.Parse(site.Uplink[^1]).Tuple.Destination);
    }

    /// <summary>
    /// Seed 70085 of the storms: the client was gone and forgotten here when the coordinator, which had counted this node in as HAM, said where it had gone; the HAM disowned the mapping,
    /// and the repeated answer anchored it after that.
    /// </summary>
    [Fact]
    [Trait("Req", "A-09")]
    [Trait("Req", "A-12")]
    public void What_was_asked_for_is_anchored_when_others_count_it_in_although_the_client_has_gone()
    {
        var site = new Site(new FamConfig { Anchoring = AnchorPolicy.AskCoordinator });
        site.Arrive(1);
        site.FromClient(1000);
        var attach = site.Last<Attach>();
        site.Fam.OnDisassociated(Site.Client, site.Now);
        for (var i = 0; i < 25; i++)
        {
            site.Wait(10);
        }

        site.Tell(new Ack { Id = site.Last<Depart>().Id, Status = AckStatus.Ok });
        Assert.Equal(0, site.Fam.ClientCount);
        var mapping = new MappingId(TransportProtocol.Udp, attach.FamEndpoint);
        site.Tell(new FamChange
        {
            Id = 8, Client = Site.Client, Epoch = new Epoch(2), NewFam = Site.Other, Token = 1, Routes = [new FamRoute(mapping, Site.Self, TransportEndpoint.None, First)],
        });
        Assert.True(site.Ham.Owns(mapping, Site.Client));
        Assert.DoesNotContain(site.Said, m => m is ReleaseMappings);
        site.FromServer(attach.FamEndpoint);
        Assert.Equal(First, Site.Parse(site.Uplink[^1]).Tuple.Destination);

        // The answer, late, says nothing new.
        site.Tell(new AttachReply { Id = attach.Id, Status = AttachStatus.Established, Client = Site.Client });
        Assert.Equal(1, site.Ham.MappingCount);
        Assert.False(site.Outbox.Contains(attach.Id));
    }

    /// <summary>Seed 520049 of the worlds with many coordinators: one of them had a mapping placed here and died before it could write it down.</summary>
    [Fact]
    [Trait("Req", "A-07")]
    [Trait("Req", "A-17")]
    public void A_mapping_that_was_placed_here_and_that_nobody_knows_of_goes_soon()
    {
        var site = new Site();
        AnchorRequest Place(ulong id, ushort port) => new()
        {
            Id = id, Client = Site.Client, Epoch = new Epoch(3), Protocol = TransportProtocol.Udp, ClientEndpoint = new TransportEndpoint(Site.ClientAddress, port),
        };
        site.Tell(Place(58, 1000));
        site.Tell(Place(59, 1001));
        var wanted = new MappingId(TransportProtocol.Udp, site.Last<AnchorReply>().Masquerade);
        site.Tell(new FamChange { Id = 60, Client = Site.Client, Epoch = new Epoch(3), NewFam = Site.Other, Token = 1, Routes = [new FamRoute(wanted, Site.Self, TransportEndpoint.None, First)] });
        site.Wait(1_000);
        Assert.Empty(site.Said.OfType<FamQuery>());

        // The first question may get lost.
        site.Wait(2_000);
        site.Wait(3_000);
        Assert.Equal(2, site.Said.OfType<FamQuery>().Count());
        Assert.DoesNotContain(site.Said.OfType<FamQuery>(), q => q.Mapping == wanted);
        site.Tell(new FamQueryReply { Id = site.Last<FamQuery>().Id, Client = Site.Client, Epoch = new Epoch(3), Status = AckStatus.Unknown });
        Assert.True(site.Ham.Owns(wanted, Site.Client));
        Assert.Equal(1, site.Ham.MappingCount);
    }

    /// <summary>Seed 36 of the takeovers: the access point had just got its addresses back, and the one of this family was not settled when the client arrived.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void Mappings_that_there_was_no_endpoint_for_are_asked_for_when_there_is_one()
    {
        var site = new Site();
        site.Pool.TryHold(Site.Own, settled: false);
        site.Arrive(2, complete: true, previous: Site.Other, Site.Elsewhere(1000, TransportEndpoint.None));
        Assert.Equal(0, site.Fam.MappingCount);

        // Not a new connection, for all that is known here.
        Assert.Equal(VerdictKind.Drop, site.FromClient(1000).Kind);
        Assert.Equal(1, site.Drops[DropReason.PortsExhausted]);
        site.Pool.TryHold(Site.Own, settled: true);
        site.Fam.OnEndpointsFree(site.Now);
        Assert.Equal(2, site.Said.OfType<Arrive>().Count());
        var offer = site.Last<Arrive>().Offers.First(o => o.Protocol == TransportProtocol.Udp);
        site.Answer(3, complete: true, previous: Site.Self, Site.Elsewhere(1000, offer.Endpoint));
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        Assert.Equal("10.1.2.10:5000", site.Seen().ToString());
        site.Fam.OnEndpointsFree(site.Now);
        Assert.Equal(2, site.Said.OfType<Arrive>().Count());
    }

    /// <summary>Seed 70066 of the takeovers: a question was repeated after the address that it named had gone to another node.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    public void A_question_that_names_an_address_that_has_gone_is_asked_with_another_one()
    {
        var second = IpAddress.Parse("10.1.1.11");
        var site = new Site(new FamConfig { Anchoring = AnchorPolicy.AskCoordinator }, null, Site.Own, second);
        site.Arrive(1);
        site.FromClient(1000);
        var attach = site.Last<Attach>();
        var left = attach.FamEndpoint.Address == second ? Site.Own : second;
        site.Pool.Yield(attach.FamEndpoint.Address);
        site.Fam.Yield(attach.FamEndpoint.Address, Site.Other, site.Now);
        site.Ham.Yield(attach.FamEndpoint.Address);
        Assert.False(site.Outbox.Contains(attach.Id));
        var again = site.Last<Attach>();
        Assert.Equal((attach.ClientEndpoint, left), (again.ClientEndpoint, again.FamEndpoint.Address));
        site.Tell(new AttachReply { Id = attach.Id, Status = AttachStatus.Established, Client = Site.Client });
        Assert.Equal(0, site.Ham.MappingCount);
        site.Tell(new AttachReply { Id = again.Id, Status = AttachStatus.Established, Client = Site.Client });
        Assert.Equal(again.FamEndpoint, site.Seen());
    }

    /// <summary>Seed 500065 of the takeovers: the answer to an arrival came before what this node was given as a HAM, and what it said to have ended had been given to it by then.</summary>
    [Fact]
    [Trait("Req", "A-15")]
    [Trait("Req", "A-16")]
    public void What_was_given_up_as_unknown_lives_if_it_is_adopted_before_that_could_be_said()
    {
        var site = new Site();
        var record = Site.Elsewhere(1000, TransportEndpoint.None) with { Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(Site.Own, 40_000)), Ham = Site.Self };
        site.Arrive(5, complete: true, previous: Site.Other, record with { FamEndpoint = record.Mapping.Masquerade });
        Assert.Equal(0, site.Fam.MappingCount);

        // As the node does it: the HAM first.
        var adopt = new AdoptMappings { Id = 7, Client = Site.Client, Epoch = new Epoch(3), Mappings = [record] };
        site.Ham.OnControl(adopt, site.Now);
        site.Fam.OnControl(adopt, site.Now);
        site.Wait(100);
        Assert.DoesNotContain(site.Said.OfType<Announce>(), a => a.Ended.Count > 0);
        Assert.Equal(VerdictKind.ForwardUplink, site.FromClient(1000).Kind);
        Assert.Equal(record.Mapping.Masquerade, site.Seen());
    }

    /// <summary>
    /// Seed 500043 of the storms: the coordinator and the client's FAM were lost together, and with them with whom it spoke. The client had closed and waited; what the server still had to
    /// say was filtered for ever.
    /// </summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void What_a_server_says_on_a_connection_that_was_forgotten_reaches_a_silent_client()
    {
        var site = new Site();
        var masquerade = new TransportEndpoint(Site.Own, 40_000);
        var record = Site.Elsewhere(1000, masquerade) with { Mapping = new MappingId(TransportProtocol.Tcp, masquerade), Ham = Site.Self, Connections = [] };
        var adopt = new AdoptMappings { Id = 7, Client = Site.Client, Epoch = new Epoch(3), Mappings = [record] };
        site.Ham.OnControl(adopt, site.Now);
        site.Arrive(5, complete: true, previous: default, record);
        var client = new TransportEndpoint(Site.ClientAddress, 1000);
        Assert.Equal(VerdictKind.ForwardClient, site.In(Site.Tcp(Site.Server, masquerade, TcpFlags.Ack)).Kind);
        Assert.Equal(VerdictKind.Drop, site.In(Site.Tcp(Site.Server, masquerade, TcpFlags.Syn)).Kind);
        Assert.Equal(VerdictKind.Drop, site.In(Site.Tcp(Site.Server, masquerade, TcpFlags.Rst)).Kind);

        // The client's answer shows with whom it speaks, and strangers are filtered again.
        Assert.Equal(VerdictKind.ForwardUplink, site.Out(Site.Tcp(client, Site.Server, TcpFlags.Ack), out _).Kind);
        Assert.Equal(VerdictKind.ForwardClient, site.In(Site.Tcp(Site.Server, masquerade, TcpFlags.Ack)).Kind);
        Assert.Equal(VerdictKind.Drop, site.In(Site.Tcp(TransportEndpoint.Parse("203.0.113.66:1"), masquerade, TcpFlags.Ack)).Kind);
    }
}
