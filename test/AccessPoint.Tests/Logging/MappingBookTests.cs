using System.Text;
using System.Text.Json;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.AccessPoint.Tests.Node;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.AccessPoint.Tests.Logging;

/// <summary>Which records come of what happens to mappings.</summary>
public sealed class MappingBookTests(ITestOutputHelper output)
{
    private const long Noon = 1_777_896_000_000;

    private static readonly NodeId s_node = new("ap1");
    private static readonly MacAddress s_client = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly TransportEndpoint s_own = TransportEndpoint.Parse("192.168.77.11:5000");
    private static readonly MappingId s_mapping = new(TransportProtocol.Udp, TransportEndpoint.Parse("10.1.1.10:40000"));
    private static readonly TransportEndpoint s_server = TransportEndpoint.Parse("203.0.113.9:53");

    private readonly List<string> _lines = [];
    private readonly List<string> _journal = [];

    [Fact, Trait("Req", "N-12"), Trait("Rfc", "6888 REQ-12")]
    public void One_record_tells_a_mapping_s_whole_life_wherever_its_client_was_and_not_with_whom_it_spoke()
    {
        var pair = new RoamingPair(change: model => model with { WallClock = now => Noon + (now.Nanoseconds / 1_000_000) });
        var masquerade = pair.Open(s_own, s_server);
        pair.Wait(1_000);
        pair.Leave();
        pair.Roam();
        pair.Wait(1_000);
        pair.Leave();
        pair.Roam();
        pair.Wait(600_000);

        var book = Book();
        Replay(book, pair.Events(0));
        var record = Read(Assert.Single(_lines));
        Assert.Equal("mapping", record.GetProperty("record").GetString());
        Assert.Equal("ap1", record.GetProperty("ham").GetString());
        Assert.Equal("udp", record.GetProperty("protocol").GetString());
        Assert.Equal(masquerade, new TransportEndpoint(IpAddress.Parse(record.GetProperty("address").GetString()!), record.GetProperty("port").GetUInt16()));
        Assert.Equal("02:00:00:00:00:11", record.GetProperty("client").GetString());
        Assert.Equal("192.168.77.11", record.GetProperty("clientAddress").GetString());
        Assert.Equal(5_000, record.GetProperty("clientPort").GetInt32());
        Assert.Equal("2026-05-04T12:00:00.001Z", record.GetProperty("start").GetString());
        Assert.Equal("ended", record.GetProperty("reason").GetString());
        Assert.Equal(["ap1", "ap2", "ap1"], record.GetProperty("accessPoints").EnumerateArray().Select(a => a.GetString()));
        Assert.Equal(2, record.GetProperty("moves").GetInt32());
        Assert.DoesNotContain("203.0.113.9", _lines[0], StringComparison.Ordinal);
        Assert.Equal(0, book.Count);
    }

    [Fact, Trait("Req", "N-12"), Trait("Rfc", "6888 REQ-12")]
    public void Destinations_are_there_only_where_they_are_asked_for()
    {
        foreach (var asked in new[] { false, true })
        {
            var pair = new RoamingPair(change: model => model with { ReportsConnections = asked });
            var masquerade = pair.Open(s_own, s_server);
            pair.Open(s_own, TransportEndpoint.Parse("203.0.113.9:54"));
            pair.Roam();
            _lines.Clear();
            Replay(Book(), pair.Events(0));
            if (!asked)
            {
                Assert.Empty(_lines);
                continue;
            }

            Assert.Equal([53, 54], _lines.Select(l => Read(l).GetProperty("destinationPort").GetInt32()));
            Assert.All(_lines, l => Assert.Equal(
                ("connection", masquerade.Port, "203.0.113.9"),
                (Read(l).GetProperty("record").GetString(), Read(l).GetProperty("port").GetUInt16(), Read(l).GetProperty("destination").GetString())));
        }
    }

    [Fact, Trait("Req", "N-12")]
    public void Who_takes_a_mapping_over_goes_on_with_its_record()
    {
        var book = Book();
        book.Take(new MappingAnchored(s_mapping, s_client, s_own, Noon, Adopted: true, TransportEndpoint.Parse("10.1.3.10:2000")), Noon + 60_000);
        book.Take(new MappingReleased(s_mapping, s_client, MappingEnd.Unserved), Noon + 90_000);
        var record = Read(Assert.Single(_lines));
        Assert.Equal("2026-05-04T12:00:00.000Z", record.GetProperty("start").GetString());
        Assert.Equal("2026-05-04T12:01:00.000Z", record.GetProperty("adopted").GetString());
        Assert.Equal("2026-05-04T12:01:30.000Z", record.GetProperty("end").GetString());
        Assert.Equal("unserved", record.GetProperty("reason").GetString());
        Assert.Equal(["10.1.3.10"], record.GetProperty("accessPoints").EnumerateArray().Select(a => a.GetString()));
    }

    [Fact, Trait("Req", "N-12")]
    public void Who_gives_an_address_up_says_who_goes_on_with_its_mappings()
    {
        var book = Book();
        Anchor(book, s_mapping);
        var other = new MappingId(TransportProtocol.Tcp, TransportEndpoint.Parse("10.1.1.11:40000"));
        Anchor(book, other);
        book.Take(new AddressYielded(s_mapping.Masquerade.Address, new Epoch(5), new NodeId("ap3")), Noon + 5_000);
        var moved = Read(Assert.Single(_lines));
        Assert.Equal(("moved", "addressMoved", "ap3"), (moved.GetProperty("record").GetString(), moved.GetProperty("reason").GetString(), moved.GetProperty("to").GetString()));
        Assert.Equal(1, book.Count);
    }

    [Fact, Trait("Req", "N-12")]
    public void A_node_that_starts_over_goes_on_with_what_it_is_given_back()
    {
        var book = Book();
        book.Recover([], 0, Noon, patience: 60_000);
        var lost = new MappingId(TransportProtocol.Tcp, TransportEndpoint.Parse("10.1.1.10:40001"));
        Anchor(book, s_mapping);
        Anchor(book, lost);
        book.Take(new StartedOver(1, 2), Noon + 10_000);
        book.Take(new AddressYielded(s_mapping.Masquerade.Address, Epoch.None, NodeId.None), Noon + 10_000);
        book.Take(new MappingAnchored(s_mapping, s_client, s_own, Noon, Adopted: true, s_mapping.Masquerade), Noon + 11_000);
        book.GiveUpRecovered(Noon + 69_000);
        Assert.Empty(_lines);
        book.GiveUpRecovered(Noon + 71_000);
        var record = Read(Assert.Single(_lines));
        Assert.Equal(("agentLost", 40_001), (record.GetProperty("reason").GetString(), record.GetProperty("port").GetInt32()));
        Assert.Equal(JsonValueKind.Null, record.GetProperty("end").ValueKind);
        Assert.Equal("2026-05-04T12:00:10.000Z", record.GetProperty("endBefore").GetString());
        Assert.Equal((1, 0), (book.Count, book.RecoveredCount));
    }

    /// <summary>The time of the journal's last writing is coarser than the clock.</summary>
    [Fact, Trait("Req", "N-12")]
    public void A_mapping_that_was_lost_did_not_end_before_it_began()
    {
        var book = Book();
        book.Recover([new LoggedMapping { Mapping = s_mapping, Client = s_client, ClientEndpoint = s_own, Start = Noon + 4 }], lastKnown: Noon, now: Noon + 5_000, patience: 0);
        book.GiveUpRecovered(Noon + 5_000);
        var record = Read(Assert.Single(_lines));
        Assert.Equal(("2026-05-04T12:00:00.004Z", "2026-05-04T12:00:05.000Z"), (record.GetProperty("endAfter").GetString(), record.GetProperty("endBefore").GetString()));
    }

    [Fact, Trait("Req", "N-12")]
    public void Where_an_end_was_not_heard_of_the_next_beginning_tells_it()
    {
        var book = Book();
        Anchor(book, s_mapping);
        book.NoteLost(3, "queue", Noon + 1);
        book.Take(new MappingAnchored(s_mapping, MacAddress.Parse("02:00:00:00:00:12"), s_own, Noon + 300_000, Adopted: false, s_mapping.Masquerade), Noon + 300_000);
        Assert.Equal(["lost", "mapping"], _lines.Select(l => Read(l).GetProperty("record").GetString()));
        Assert.Equal(3, Read(_lines[0]).GetProperty("count").GetInt32());
        Assert.Equal(("02:00:00:00:00:11", "recordLost"), (Read(_lines[1]).GetProperty("client").GetString(), Read(_lines[1]).GetProperty("reason").GetString()));

        // And where a beginning was not heard of, the end tells what it knows.
        book.Take(new MappingReleased(new MappingId(TransportProtocol.Icmp, s_mapping.Masquerade), s_client), Noon + 400_000);
        Assert.Equal(JsonValueKind.Null, Read(_lines[2]).GetProperty("start").ValueKind);
    }

    [Fact, Trait("Req", "N-12")]
    public void A_name_that_is_heard_later_is_not_another_access_point()
    {
        var book = Book();
        book.Take(new MappingAnchored(s_mapping, s_client, s_own, Noon, Adopted: true, TransportEndpoint.Parse("10.1.3.10:2000")), Noon + 1);
        book.Take(new FamSwitched(s_mapping, TransportEndpoint.Parse("10.1.3.10:2001"), new Epoch(4), new NodeId("ap3")), Noon + 2);
        book.Take(new FamSwitched(s_mapping, TransportEndpoint.Parse("10.1.2.10:7"), new Epoch(5), new NodeId("ap2")), Noon + 3);
        book.Take(new MappingReleased(s_mapping, s_client), Noon + 4);
        var record = Read(Assert.Single(_lines));
        Assert.Equal(["ap3", "ap2"], record.GetProperty("accessPoints").EnumerateArray().Select(a => a.GetString()));
        Assert.Equal(1, record.GetProperty("moves").GetInt32());
    }

    /// <summary>Some of a client's packets go by another access point than its FAM (A-13).</summary>
    [Fact, Trait("Req", "N-12"), Trait("Req", "A-13")]
    public void Further_access_points_are_named_too()
    {
        var pair = new RoamingPair(change: model => model with { WallClock = now => Noon + (now.Nanoseconds / 1_000_000) });
        var mapping = new MappingId(TransportProtocol.Udp, pair.Open(s_own, s_server));
        pair.Roam();
        var fam = pair.Events(0).OfType<FamSwitched>().Last().FamEndpoint;
        for (ulong id = 1; id < 3; id++)
        {
            pair.Node(0).OnControl(new FamChange
            {
                Id = 9_000 + id, Client = s_client, Epoch = new Epoch(2), NewFam = new NodeId("ap2"), Token = 8, Choice = FamChoice.RoundRobin,
                Routes = [new FamRoute(mapping, s_node, default, fam) { Further = [TransportEndpoint.Parse("10.1.7.10:77"), mapping.Masquerade] }],
            }, pair.Now);
        }

        var book = Book();
        Replay(book, pair.Events(0));
        Assert.Empty(_lines);
        var alive = Read(_journal[^1]);
        Assert.Equal(["10.1.7.10", "ap1"], alive.GetProperty("furtherAccessPoints").EnumerateArray().Select(a => a.GetString()));
        Assert.Equal(["ap1", "ap2"], alive.GetProperty("accessPoints").EnumerateArray().Select(a => a.GetString()));
        Assert.True(LogLine.TryRead(Encoding.UTF8.GetBytes(_journal[^1]), out _, out var read));
        Assert.Equal(["10.1.7.10", "ap1"], read.FurtherAccessPoints);
        book.EndAll(Noon + 1_000_000);
        Assert.Equal(2, Read(Assert.Single(_lines)).GetProperty("furtherAccessPoints").GetArrayLength());
    }

    [Fact, Trait("Req", "N-12")]
    public void A_beginning_has_a_line_of_its_own_where_that_is_wanted()
    {
        var book = Book(saysBegin: true);
        Anchor(book, s_mapping);
        book.Take(new MappingReleased(s_mapping, s_client), Noon + 1);
        Assert.Equal(["begin", "mapping"], _lines.Select(l => Read(l).GetProperty("record").GetString()));
    }

    [Fact, Trait("Req", "N-12")]
    public void A_client_that_walks_for_ever_has_a_bounded_record()
    {
        var book = Book();
        Anchor(book, s_mapping);
        for (var i = 0; i < 1_000; i++)
        {
            book.Take(new FamSwitched(s_mapping, TransportEndpoint.Parse("10.1.3.10:2000"), new Epoch((ulong)i), new NodeId($"ap{i % 7}")), Noon + i);
        }

        book.Take(new MappingReleased(s_mapping, s_client), Noon + 1_000);
        Assert.Equal(LoggedMapping.MostAccessPoints, Read(_lines[0]).GetProperty("accessPoints").GetArrayLength());
        Assert.InRange(_lines[0].Length, 1, 2_000);
        Assert.True(LogLine.TryRead(Encoding.UTF8.GetBytes(_lines[0]), out _, out var read));
        Assert.InRange(read.Moves, 999, 1_000);
    }

    [Fact, Trait("Req", "N-12")]
    public void What_is_written_is_read_back()
    {
        var random = Seed.Fresh(output);
        for (var i = 0; i < 200; i++)
        {
            var mapping = new LoggedMapping
            {
                Mapping = new MappingId(random.Chance(0.5) ? TransportProtocol.Udp : TransportProtocol.Icmp, new TransportEndpoint(random.Chance(0.5) ? IpAddress.Parse("2001:db8::7") : IpAddress.Parse("10.0.0.1"), (ushort)random.NextInt(65_536))),
                LastPort = 0,
                Client = s_client,
                ClientEndpoint = s_own,
                Start = random.Chance(0.2) ? 0 : Noon + random.NextInt(1_000_000),
                AccessPoints = [.. Enumerable.Range(0, random.NextInt(4)).Select(n => $"ap{n}")],
                Moves = random.NextInt(100),
            };
            var line = LogLine.Of(LogLine.Live, s_node, mapping);
            Assert.True(LogLine.TryRead(line, out var record, out var read), Encoding.UTF8.GetString(line));
            Assert.Equal(LogLine.Live, record);
            Assert.True(read.IsSameAs(mapping) && read.ClientEndpoint == s_own && read.Moves == mapping.Moves && read.AccessPoints.SequenceEqual(mapping.AccessPoints), Encoding.UTF8.GetString(line));

            var block = new LoggedMapping
            {
                Mapping = LoggedMapping.IdOf(new PortBlock(mapping.Mapping.Masquerade.Address, 2_048, 2_111)), LastPort = 2_111, Client = s_client, ClientEndpoint = s_own with { Port = 0 }, Start = Noon,
                Since = random.Chance(0.5) ? 0 : Noon - 1_000 - random.NextInt(1_000), AccessPoints = mapping.AccessPoints, Moves = mapping.Moves,
            };
            line = LogLine.Of(random.Chance(0.5) ? LogLine.Live : LogLine.Whole, s_node, block, new LoggedEnd("ended", Noon + 1));
            Assert.True(LogLine.TryRead(line, out record, out read), Encoding.UTF8.GetString(line));
            Assert.True(record is LogLine.Live or LogLine.Block && read.IsBlock && read.IsSameAs(block) && read.ClientEndpoint == block.ClientEndpoint && read.Since == block.Since, Encoding.UTF8.GetString(line));

            // Half of it, or some of it changed, is refused or read as something else, and never throws.
            line[random.NextInt(line.Length)] = (byte)random.NextInt(256);
            LogLine.TryRead(line.AsMemory(0, random.NextInt(line.Length)), out _, out _);
            LogLine.TryRead(line, out _, out _);
        }
    }

    /// <summary>Two whole nodes, hundreds of mappings, and a walk: the log of the node that anchors them has one line.</summary>
    [Theory, Trait("Req", "N-12"), Trait("Rfc", "6888 REQ-14")]
    [InlineData("192.168.77.11", "203.0.113.9")]
    [InlineData("fd00:77::11", "2001:db8::9")]
    public void Of_a_client_with_a_block_of_ports_one_record_tells_the_whole_time(string own, string server)
    {
        var pair = new RoamingPair(change: model => model with { PortBlockSize = 256, WallClock = now => Noon + (now.Nanoseconds / 1_000_000) });
        var (book, told) = (Book(blockSize: 256), 0);
        var ports = new List<ushort>();
        void Tell()
        {
            foreach (var engineEvent in pair.Events(0).Skip(told).Where(MappingBook.Concerns))
            {
                book.Take(engineEvent, Noon + (pair.Now.Nanoseconds / 1_000_000));
            }

            told = pair.Events(0).Count;
        }

        for (ushort port = 5_000; port < 5_012; port++)
        {
            ports.Add(pair.Open(new TransportEndpoint(IpAddress.Parse(own), port), new TransportEndpoint(IpAddress.Parse(server), 53)).Port);
        }

        pair.Wait(1_000);
        Tell();
        pair.Leave();
        pair.Roam();
        pair.Wait(1_000);
        Tell();
        pair.Leave();
        pair.Roam();
        for (ushort port = 6_000; port < 6_200; port++)
        {
            ports.Add(pair.Open(new TransportEndpoint(IpAddress.Parse(own), port), new TransportEndpoint(IpAddress.Parse(server), 53)).Port);
            pair.Wait(10);
        }

        Tell();
        Assert.Empty(_lines);
        Assert.Equal(1, book.Count);
        for (var minute = 0; minute < 15; minute++)
        {
            pair.Wait(60_000);
            Tell();
        }

        var record = Read(Assert.Single(_lines));
        Assert.Equal(("block", "ap1", "02:00:00:00:00:11", own, "ended"), (
            record.GetProperty("record").GetString(), record.GetProperty("ham").GetString(), record.GetProperty("client").GetString(), record.GetProperty("clientAddress").GetString(),
            record.GetProperty("reason").GetString()));
        Assert.False(record.TryGetProperty("protocol", out _) || record.TryGetProperty("clientPort", out _) || record.TryGetProperty("since", out _));
        var (first, last) = (record.GetProperty("port").GetInt32(), record.GetProperty("lastPort").GetInt32());
        Assert.Equal(255, last - first);
        Assert.Equal(212, ports.Distinct().Count());
        Assert.All(ports, port => Assert.InRange(port, first, last));
        Assert.Equal(["ap1", "ap2", "ap1"], record.GetProperty("accessPoints").EnumerateArray().Select(a => a.GetString()));

        // A UDP mapping lives for five minutes after its last packet, and its port rests for two.
        Assert.InRange(record.GetProperty("end").GetDateTimeOffset() - record.GetProperty("start").GetDateTimeOffset(), TimeSpan.FromMinutes(7), TimeSpan.FromMinutes(11));
        Assert.Equal(0, book.Count);
        Assert.Empty(ReadJournal());
    }

    [Fact, Trait("Req", "N-12")]
    public void Another_client_s_mapping_in_a_block_has_a_record_of_its_own()
    {
        var book = Book(saysBegin: true, blockSize: 64);
        var block = new PortBlock(s_mapping.Masquerade.Address, 39_936, 39_999);
        var (inside, another) = (Mapping(39_940), MacAddress.Parse("02:00:00:00:00:12"));
        book.Take(new BlockTaken(block, s_client, s_own.Address, Adopted: false), Noon);
        Anchor(book, inside);
        Anchor(book, Mapping(39_941), another);
        Anchor(book, s_mapping);
        book.Take(new MappingReleased(inside, s_client), Noon + 1_000);
        book.Take(new MappingReleased(Mapping(39_941), another), Noon + 2_000);
        book.Take(new MappingReleased(Mapping(39_942), another), Noon + 2_000);
        book.Take(new MappingReleased(s_mapping, s_client), Noon + 3_000);
        book.Take(new BlockReleased(block, s_client), Noon + 4_000);
        Assert.Equal(
            ["begin 39936-39999", "begin 39941", "begin 40000", "mapping 39941", "mapping 39942", "mapping 40000", "block 39936-39999"],
            _lines.Select(l => Read(l)).Select(l => $"{l.GetProperty("record").GetString()} {l.GetProperty("port").GetInt32()}{(l.TryGetProperty("lastPort", out var last) ? $"-{last}" : string.Empty)}"));
        Assert.Empty(ReadJournal());

        // And where the beginning of a block was not heard of, the end tells what it knows, and the mappings have their own.
        _lines.Clear();
        Anchor(book, inside);
        book.Take(new BlockReleased(block, s_client), Noon + 9_000);
        Assert.Equal(["begin", "block"], _lines.Select(l => Read(l).GetProperty("record").GetString()));
        Assert.Equal(JsonValueKind.Null, Read(_lines[1]).GetProperty("start").ValueKind);
    }

    [Fact, Trait("Req", "N-12")]
    public void A_block_goes_on_after_a_restart_if_its_client_is_given_back_what_it_had_there()
    {
        var one = new PortBlock(s_mapping.Masquerade.Address, 40_000, 40_063);
        var (two, three) = (one with { First = 40_064, Last = 40_127 }, one with { First = 40_128, Last = 40_191 });
        var before = Book(blockSize: 64);
        foreach (var block in new[] { one, two, three })
        {
            before.Take(new BlockTaken(block, s_client, s_own.Address, Adopted: false), Noon);
        }

        Anchor(before, s_mapping);
        var left = ReadJournal();
        Assert.Equal(3, left.Count);

        // The first is given back, the second is another's now, and nobody has the third any more.
        var another = MacAddress.Parse("02:00:00:00:00:12");
        var book = Book(blockSize: 64);
        book.Recover(left, lastKnown: Noon + 5_000, now: Noon + 60_000, patience: 60_000);
        book.Take(new BlockTaken(one, s_client, s_own.Address, Adopted: true), Noon + 61_000);
        book.Take(new MappingAnchored(s_mapping, s_client, s_own, Noon, Adopted: true, s_mapping.Masquerade), Noon + 61_000);
        book.Take(new BlockTaken(two, another, s_own.Address, Adopted: true), Noon + 62_000);
        book.Take(new MappingAnchored(Mapping(40_070), another, s_own, Noon + 20_000, Adopted: true, s_mapping.Masquerade), Noon + 62_000);
        book.Take(new MappingAnchored(Mapping(40_071), another, s_own, Noon + 30_000, Adopted: true, s_mapping.Masquerade), Noon + 62_000);
        book.GiveUpRecovered(Noon + 200_000);
        Assert.Equal((2, 0), (book.Count, book.RecoveredCount));
        book.Take(new MappingReleased(s_mapping, s_client), Noon + 300_000);
        book.Take(new BlockReleased(one, s_client), Noon + 420_000);
        book.Take(new AddressYielded(one.Address, new Epoch(5), new NodeId("ap3")), Noon + 430_000);
        var records = _lines.ConvertAll(Read);
        Assert.Equal(
            [("block", 40_064, "agentLost"), ("block", 40_128, "agentLost"), ("block", 40_000, "ended"), ("moved", 40_064, "addressMoved")],
            records.Select(r => (r.GetProperty("record").GetString()!, r.GetProperty("port").GetInt32(), r.GetProperty("reason").GetString()!)));
        Assert.Equal("2026-05-04T12:00:05.000Z", records[0].GetProperty("endAfter").GetString());
        Assert.Equal(("2026-05-04T12:00:00.000Z", false), (records[2].GetProperty("start").GetString(), records[2].TryGetProperty("since", out _)));
        Assert.Equal(("2026-05-04T12:01:02.000Z", "2026-05-04T12:00:20.000Z", "ap3"), (
            records[3].GetProperty("start").GetString(), records[3].GetProperty("since").GetString(), records[3].GetProperty("to").GetString()));
        Assert.Equal(0, book.Count);
    }

    [Fact, Trait("Req", "N-12")]
    public void A_node_that_starts_over_goes_on_with_the_blocks_that_it_is_given_back()
    {
        var block = new PortBlock(s_mapping.Masquerade.Address, 40_000, 40_063);
        var book = Book(blockSize: 64);
        book.Recover([], 0, Noon, patience: 60_000);
        book.Take(new BlockTaken(block, s_client, s_own.Address, Adopted: false), Noon);
        Anchor(book, s_mapping);
        book.Take(new StartedOver(1, 1), Noon + 10_000);

        // Until it is, what is anchored there is in no block.
        Anchor(book, Mapping(40_001), MacAddress.Parse("02:00:00:00:00:12"));
        book.Take(new BlockTaken(block, s_client, s_own.Address, Adopted: true), Noon + 11_000);
        book.Take(new MappingAnchored(s_mapping, s_client, s_own, Noon, Adopted: true, s_mapping.Masquerade), Noon + 11_000);
        book.GiveUpRecovered(Noon + 100_000);
        Assert.Empty(_lines);
        book.EndAll(Noon + 100_000);
        Assert.Equal(["block", "mapping"], _lines.Select(l => Read(l).GetProperty("record").GetString()!).Order(StringComparer.Ordinal));
    }

    private static MappingId Mapping(int port) => s_mapping with { Masquerade = s_mapping.Masquerade with { Port = (ushort)port } };

    /// <summary>What the journal says is alive.</summary>
    private List<LoggedMapping> ReadJournal()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllLines(path, _journal.Select(l => l.TrimEnd('\n')));
            return [.. LiveJournal.Read(path)];
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void Anchor(MappingBook book, MappingId mapping, MacAddress client) =>
        book.Take(new MappingAnchored(mapping, client, s_own, Noon, Adopted: false, mapping.Masquerade), Noon);

    private static void Anchor(MappingBook book, MappingId mapping) =>
        book.Take(new MappingAnchored(mapping, s_client, s_own, Noon, Adopted: false, mapping.Masquerade), Noon);

    private static void Replay(MappingBook book, IEnumerable<EngineEvent> events)
    {
        var at = Noon;
        foreach (var engineEvent in events.Where(MappingBook.Concerns))
        {
            book.Take(engineEvent, at += 10);
        }
    }

    private static JsonElement Read(string line)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    }

    private MappingBook Book(bool saysBegin = false, int blockSize = 0) =>
        new(s_node, saysBegin, l => _lines.Add(Encoding.UTF8.GetString(l)), l => _journal.Add(Encoding.UTF8.GetString(l)), blockSize);
}
