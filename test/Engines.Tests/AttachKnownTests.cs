using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Engines.Tests;

/// <summary>What a FAM makes of the answer to "these mappings are attached here".</summary>
public sealed class AttachKnownTests
{
    private const int Mappings = 100;

    [Fact]
    [Trait("Req", "A-08")]
    public void All_that_came_without_an_endpoint_is_attached_by_one_message()
    {
        var site = Served(out var attach);
        Assert.Equal(Mappings, attach.Attachments.Count);
        Assert.Equal(Mappings, attach.Attachments.Select(a => a.FamEndpoint).Distinct().Count());
        site.Tell(new Ack { Id = attach.Id, Status = AckStatus.Ok });
        site.Wait(3_000);
        Assert.Single(site.Said.OfType<AttachKnown>());
        Assert.Single(site.Said.OfType<Arrive>());
    }

    /// <summary>The client is elsewhere, and the news of that is still under way: to ask for it now would fetch it back.</summary>
    [Fact]
    [Trait("Req", "A-12")]
    public void Who_hears_that_another_serves_the_client_hands_over_and_does_not_ask_for_it()
    {
        var site = Served(out var attach);
        site.Tell(new Ack { Id = attach.Id, Status = AckStatus.StaleEpoch });
        site.Wait(10);
        Assert.Single(site.Said.OfType<Arrive>());
        Assert.Equal(Mappings, site.Last<HandOver>().Mappings.Count);
    }

    [Fact]
    [Trait("Req", "A-12")]
    public void Who_is_in_nobodys_books_asks_anew()
    {
        var site = Served(out var attach);
        site.Tell(new Ack { Id = attach.Id, Status = AckStatus.Unknown });
        site.Wait(10);
        Assert.Equal(2, site.Said.OfType<Arrive>().Select(a => a.Id).Distinct().Count());
    }

    /// <summary>An answer of an earlier stay says nothing of this one.</summary>
    [Fact]
    [Trait("Req", "A-12")]
    public void An_answer_that_comes_after_the_next_arrival_changes_nothing()
    {
        var site = Served(out var attach);
        site.Tell(new Ack { Id = attach.Id, Status = AckStatus.Unknown });
        site.Wait(10);
        var arrive = site.Last<Arrive>();
        site.Tell(Reply(arrive.Id, 3, []));
        site.Tell(new Ack { Id = attach.Id, Status = AckStatus.StaleEpoch });
        site.Wait(10);
        Assert.Empty(site.Said.OfType<HandOver>());
        Assert.Equal(arrive.Id, site.Last<Arrive>().Id);
    }

    private static Site Served(out AttachKnown attach)
    {
        var site = new Site();
        site.Fam.OnAssociated(Site.Client, site.Now);
        site.Tell(Reply(site.Last<Arrive>().Id, 2, [.. Enumerable.Range(0, Mappings).Select(Elsewhere)]));
        site.Wait(1);
        attach = Assert.Single(site.Said.OfType<AttachKnown>());
        return site;
    }

    private static MappingRecord Elsewhere(int i) => Site.Elsewhere((ushort)(1_000 + i), default) with
    {
        Mapping = new MappingId(TransportProtocol.Udp, TransportEndpoint.Parse($"10.1.2.10:{5_000 + i}")),
    };

    private static ArriveReply Reply(ulong id, ulong epoch, IReadOnlyList<MappingRecord> mappings) => new()
    {
        Id = id, Client = Site.Client, Status = AckStatus.Ok, Epoch = new Epoch(epoch), PreviousFam = Site.Other, Complete = true, Mappings = mappings,
    };
}
