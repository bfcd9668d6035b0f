using System.Text;
using System.Text.Json;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Logging;

/// <summary>What records say of mappings whose end, or whose beginning, was not heard of: no more than is known.</summary>
public sealed class LostRecordTests
{
    private const long Noon = 1_777_896_000_000;

    private static readonly NodeId s_node = new("ap1");
    private static readonly MacAddress s_client = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly TransportEndpoint s_own = TransportEndpoint.Parse("192.168.77.11:5000");
    private static readonly MappingId s_mapping = new(TransportProtocol.Udp, TransportEndpoint.Parse("10.1.1.10:40000"));

    private readonly List<string> _lines = [];

    /// <summary>The end of one client's mapping and the beginning of another's were lost: the second end is not the first client's.</summary>
    [Fact, Trait("Req", "N-12")]
    public void The_end_of_another_client_s_mapping_is_not_taken_for_one_s_own()
    {
        var book = Book();
        Anchor(book, s_mapping);
        book.Take(new MappingReleased(s_mapping, MacAddress.Parse("02:00:00:00:00:12")), Noon + 400_000);
        var records = _lines.ConvertAll(Read);
        Assert.Equal([("02:00:00:00:00:11", "recordLost"), ("02:00:00:00:00:12", "ended")], records.Select(r => (r.GetProperty("client").GetString()!, r.GetProperty("reason").GetString()!)));
        Assert.Equal(JsonValueKind.Null, records[0].GetProperty("end").ValueKind);
        Assert.Equal(JsonValueKind.Null, records[1].GetProperty("start").ValueKind);
        Assert.Equal(0, book.Count);
    }

    /// <summary>A node that was cut off does not know until when the address was its own; the number of the move that it has missed is the time.</summary>
    [Fact, Trait("Req", "N-12")]
    public void What_a_node_that_was_cut_off_had_is_certain_until_others_had_its_address()
    {
        var book = Book();
        book.Recover([], 0, Noon, patience: 0);
        var other = new MappingId(TransportProtocol.Tcp, TransportEndpoint.Parse("10.1.1.11:40000"));
        Anchor(book, s_mapping);
        Anchor(book, other);
        book.Take(new AddressYielded(s_mapping.Masquerade.Address, new Epoch((ulong)Noon + 60_000), new NodeId("ap3")), Noon + 600_000);
        book.Take(new StartedOver(1, 2, new Epoch((ulong)Noon + 60_000)), Noon + 600_000);
        book.GiveUpRecovered(Noon + 600_000);
        var records = _lines.ConvertAll(Read);
        Assert.Equal([("moved", "addressMoved"), ("mapping", "agentLost")], records.Select(r => (r.GetProperty("record").GetString()!, r.GetProperty("reason").GetString()!)));
        Assert.All(records, r => Assert.Equal(
            (JsonValueKind.Null, "2026-05-04T12:01:00.000Z", "2026-05-04T12:10:00.000Z"),
            (r.GetProperty("end").ValueKind, r.GetProperty("endAfter").GetString(), r.GetProperty("endBefore").GetString())));
    }

    /// <summary>An access point without a clock of its own learns what time it is after it has started.</summary>
    [Fact, Trait("Req", "N-12")]
    public void How_long_mappings_may_be_given_back_is_not_measured_by_a_clock_that_is_set()
    {
        var book = Book();
        book.Recover([], 0, Noon, patience: 60_000, tick: 1_000);
        Anchor(book, s_mapping);
        book.Take(new StartedOver(1, 1), Noon, tick: 5_000);
        book.GiveUpRecovered(Noon + 86_400_000, tick: 5_100);
        Assert.Equal((1, 1), (book.Count, book.RecoveredCount));
        book.GiveUpRecovered(Noon - 86_400_000, tick: 5_200);
        Assert.Equal((1, 1), (book.Count, book.RecoveredCount));
        book.GiveUpRecovered(Noon + 86_400_000, tick: 64_999);
        Assert.Empty(_lines);
        book.GiveUpRecovered(Noon + 86_400_000, tick: 65_000);
        Assert.Equal("agentLost", Read(Assert.Single(_lines)).GetProperty("reason").GetString());

        // By the clock as it is now, not as it was at the start.
        Assert.Equal("2026-05-05T11:59:00.000Z", Read(_lines[0]).GetProperty("endBefore").GetString());
    }

    [Fact, Trait("Req", "N-12")]
    public void What_was_lost_twice_is_certain_until_the_first_time()
    {
        var book = Book();
        book.Recover([new LoggedMapping { Mapping = s_mapping, Client = s_client, ClientEndpoint = s_own, Start = Noon }], lastKnown: Noon + 1_000, now: Noon + 5_000, patience: 60_000);
        book.Take(new StartedOver(0, 0), Noon + 30_000);
        book.GiveUpRecovered(Noon + 100_000);
        Assert.Equal("2026-05-04T12:00:01.000Z", Read(Assert.Single(_lines)).GetProperty("endAfter").GetString());
    }

    /// <summary>The same client has the same endpoint again, for a mapping that was opened after the one in the journal.</summary>
    [Fact, Trait("Req", "N-12")]
    public void Another_life_of_the_same_endpoint_has_a_record_of_its_own()
    {
        var book = Book();
        book.Recover([new LoggedMapping { Mapping = s_mapping, Client = s_client, ClientEndpoint = s_own, Start = Noon }], lastKnown: Noon + 1_000, now: Noon + 400_000, patience: 60_000);
        book.Take(new MappingAnchored(s_mapping, s_client, s_own, Noon + 200_000, Adopted: true, s_mapping.Masquerade), Noon + 401_000);
        Assert.Equal("agentLost", Read(Assert.Single(_lines)).GetProperty("reason").GetString());
        book.Take(new MappingReleased(s_mapping, s_client), Noon + 500_000);
        Assert.Equal("2026-05-04T12:03:20.000Z", Read(_lines[1]).GetProperty("start").GetString());
    }

    /// <summary>Whoever dies between the two finds the mapping in both, and not in neither.</summary>
    [Fact, Trait("Req", "N-12")]
    public void A_record_is_made_before_the_journal_forgets()
    {
        var made = new HashSet<MappingId>();
        var forgotten = 0;
        var book = new MappingBook(s_node, saysBegin: false, line => Note(line, id => made.Add(id)), line => Note(line, id => made.Contains(id) ? id : throw new InvalidOperationException($"{id} is forgotten before it has a record")));
        var all = Enumerable.Range(0, 6).Select(i => s_mapping with { Masquerade = new TransportEndpoint(IpAddress.Parse($"10.1.1.{10 + (i / 2)}"), (ushort)(40_000 + i)) }).ToList();
        all.ForEach(m => Anchor(book, m));
        book.Take(new MappingReleased(all[0], s_client), Noon + 1);
        book.Take(new MappingAnchored(all[1], MacAddress.Parse("02:00:00:00:00:12"), s_own, Noon + 2, Adopted: false, all[1].Masquerade), Noon + 2);
        book.Take(new AddressYielded(all[2].Masquerade.Address, new Epoch(5), new NodeId("ap3")), Noon + 3);
        book.Take(new StartedOver(1, 2), Noon + 4);
        book.GiveUpRecovered(Noon + 200_000);
        Assert.Equal((0, 7), (book.Count, forgotten));

        void Note(byte[] line, Func<MappingId, object> then)
        {
            Assert.True(LogLine.TryRead(line, out var record, out var mapping));
            if (record is not LogLine.Live)
            {
                forgotten += record is LogLine.Gone ? 1 : 0;
                then(mapping.Mapping);
            }
        }
    }

    private static void Anchor(MappingBook book, MappingId mapping) =>
        book.Take(new MappingAnchored(mapping, s_client, s_own, Noon, Adopted: false, mapping.Masquerade), Noon);

    private static JsonElement Read(string line)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    }

    private MappingBook Book() => new(s_node, saysBegin: false, l => _lines.Add(Encoding.UTF8.GetString(l)), _ => { });
}
