using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.Engines.Tests;

/// <summary>A FAM that dies says nothing any more: what is established and has lasted is told before, once (RFC 5382 REQ-5).</summary>
[Trait("Rfc", "5382 REQ-5")]
[Trait("Req", "N-03")]
public sealed class EstablishedNewsTests
{
    private static readonly TransportEndpoint Client = new(Site.ClientAddress, 40_000);

    /// <summary>The coordinator has heard of a connection as opening. If the FAM dies later on, the next one knows that it is established, and keeps it for the time of such.</summary>
    [Fact]
    public void The_next_FAM_knows_that_a_connection_is_established_though_the_last_one_died()
    {
        var site = new Site();
        site.Arrive(1);
        site.Out(Segments.Make(Client, Site.Server, Segments.Syn), out _);
        Hear(site, 10);
        Assert.Equal(ConnectionState.Opening, Assert.Single(Assert.Single(Announced(site)).Connections).State);
        Complete(site);
        Hear(site, 9_000);
        Assert.Single(Announced(site));
        Hear(site, 2_000);
        Assert.Equal(2, Announced(site).Count);
        var known = Announced(site)[^1];
        Assert.Equal(ConnectionState.Established, Assert.Single(known.Connections).State);
        Hear(site, 600_000);
        Assert.Equal(2, Announced(site).Count);
        Assert.Equal(1, site.Fam.ConnectionCount);

        // The node dies; what is left of it is what was announced.
        var next = new Site(null, null, IpAddress.Parse("10.1.9.10"));
        next.Arrive(2, mappings: [known with { Ham = Site.Other, FamEndpoint = TransportEndpoint.None }]);
        next.Wait(300_000);
        Assert.Equal(1, next.Fam.ConnectionCount);
        next.Wait(3_000_000);
        Assert.Equal(1, next.Fam.ConnectionCount);
    }

    [Fact]
    public void What_is_over_before_costs_no_message_and_what_is_known_is_not_said_again()
    {
        var site = new Site();
        site.Arrive(1);

        // Established before the first announcement goes out: that says it already.
        site.Out(Segments.Make(Client, Site.Server, Segments.Syn), out _);
        Complete(site);
        Hear(site, 30_000);
        Assert.Equal(ConnectionState.Established, Assert.Single(Assert.Single(Announced(site)).Connections).State);

        // Reset by the client before it has lasted.
        var brief = Client with { Port = 40_001 };
        site.Out(Segments.Make(brief, Site.Server, Segments.Syn), out _);
        Hear(site, 10);
        var said = Announced(site).Count;
        Complete(site, brief);
        Hear(site, 1_000);
        site.Out(Segments.Make(brief, Site.Server, Segments.RstAck, 1, 1), out _);
        Hear(site, 30_000);
        Assert.Equal(said, Announced(site).Count);
    }

    private static void Complete(Site site, TransportEndpoint? client = null)
    {
        var masquerade = site.Seen();
        site.In(Segments.Make(Site.Server, masquerade, Segments.SynAck, 0, 1));
        site.Out(Segments.Make(client ?? Client, Site.Server, Segments.Ack, 1, 1), out _);
    }

    private static void Hear(Site site, double milliseconds)
    {
        site.Wait(milliseconds);

        // What came up by that is said a moment later.
        site.Wait(10);
        foreach (var announce in site.Said.OfType<Announce>().ToList())
        {
            site.Tell(new Ack { Id = announce.Id, Status = AckStatus.Ok });
        }
    }

    private static List<MappingRecord> Announced(Site site) => [.. site.Said.OfType<Announce>().DistinctBy(a => a.Id).SelectMany(a => a.Mappings)];
}
