using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

/// <summary>A FAM attaches what an arrival brought beyond its offers: all of it in one message.</summary>
public sealed class AttachKnownTests
{
    private const int Mappings = 1_000;

    [Fact]
    [Trait("Req", "A-08")]
    public void A_thousand_mappings_are_attached_by_one_message_and_each_ham_hears_of_its_own_in_one()
    {
        var bench = Arrived();
        var sent = bench.Tell(2, Known(bench, 2, 0, Mappings));
        Assert.Equal(AckStatus.Ok, sent.Where(s => s.Session == 2).Select(s => s.Message).OfType<Ack>().Single().Status);

        // AP1 is a HAM and was the FAM of all.
        Assert.Equal(Mappings, sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<FamChange>().Single().Routes.Count);
        Assert.Equal(Mappings / 2, sent.Where(s => s.Session == 3).Select(s => s.Message).OfType<FamChange>().Single().Routes.Count);
        Assert.All(bench.Record.Mappings.Values, e => Assert.Equal(e.Record.Mapping.Masquerade.Port + 20_000, e.EndpointAt(Ap2).Port));
    }

    /// <summary>Packets go by the FAM before until the HAM has drained it, as in a move.</summary>
    [Fact]
    [Trait("Req", "A-10")]
    public void Who_was_their_fam_before_is_drained()
    {
        var bench = Arrived();
        var change = bench.Tell(2, Known(bench, 2, 0, 1)).Where(s => s.Session == 1).Select(s => s.Message).OfType<FamChange>().Single();
        Assert.Equal((Ap1, Ap2), (change.PreviousFam, change.NewFam));
    }

    [Fact]
    [Trait("Req", "A-08")]
    public void Who_does_not_serve_the_client_attaches_nothing()
    {
        var bench = Arrived();
        var before = bench.Record;
        Assert.Equal(AckStatus.StaleEpoch, bench.Ask<Ack>(1, Known(bench, 1, 0, 1)).Status);
        Assert.Equal(AckStatus.Unknown, bench.Ask<Ack>(2, Known(bench, 1, 0, 1)).Status);
        Assert.Same(before, bench.Record);
    }

    /// <summary>Nobody sends a HAM's packets to somebody else; and who has just got an address is asked again once that is known.</summary>
    [Fact]
    [Trait("Req", "A-08")]
    public void An_endpoint_at_an_address_that_is_not_the_senders_is_left_out_and_there_is_no_answer()
    {
        var bench = Arrived();
        var known = Known(bench, 2, 0, 2);
        var sent = bench.Tell(2, known with { Attachments = [known.Attachments[0], new Attachment(known.Attachments[1].Mapping, At(3, 9))] });
        Assert.DoesNotContain(sent, s => s.Message is Ack);
        Assert.Single(bench.Record.Mappings.Values, e => !e.EndpointAt(Ap2).IsNone);
    }

    [Fact]
    [Trait("Req", "A-08")]
    public void What_is_right_already_is_told_to_the_hams_and_not_written_again()
    {
        var bench = Arrived();
        bench.Tell(2, Known(bench, 2, 0, 4));
        var before = bench.Record;
        var sent = bench.Tell(2, Known(bench, 2, 0, 4));
        Assert.Equal(2, sent.Where(s => s.Session == 1).Select(s => s.Message).OfType<FamChange>().Single().Routes.Count);
        Assert.Same(before, bench.Record);
    }

    [Fact]
    [Trait("Req", "A-08")]
    public void What_is_in_nobodys_books_is_said_and_the_rest_is_attached()
    {
        var bench = Arrived();
        Assert.Equal(AckStatus.Unknown, bench.Ask<Ack>(2, Known(bench, 2, Mappings - 1, 2)).Status);
        Assert.Single(bench.Record.Mappings.Values, e => !e.EndpointAt(Ap2).IsNone);
    }

    /// <summary>A client with mappings at AP1 and AP3 has arrived at AP2, which offered nothing.</summary>
    private static CoordinatorBench Arrived()
    {
        var bench = new CoordinatorBench();
        bench.Tell(1, bench.Arrive(1));
        bench.Tell(1, bench.Announce(1, [.. Enumerable.Range(0, Mappings).Select(i => Mapping(i % 2 == 0 ? 1UL : 3, 5_000 + i, 1))]));
        bench.Tell(2, bench.Arrive(2));
        Assert.All(bench.Record.Mappings.Values, e => Assert.True(e.EndpointAt(Ap2).IsNone));
        return bench;
    }

    private static AttachKnown Known(CoordinatorBench bench, ulong epoch, int first, int count) => new()
    {
        Id = bench.NextId(),
        Client = Client,
        Epoch = new Epoch(epoch),
        Attachments = [.. Enumerable.Range(first, count).Select(i => new Attachment(Mapping(i % 2 == 0 ? 1UL : 3, 5_000 + i, 1).Mapping, At(2, 25_000 + i)))],
    };
}
