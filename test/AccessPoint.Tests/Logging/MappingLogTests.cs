using System.Text;
using System.Text.Json;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Logging;

/// <summary>The log of mappings as the agent runs it: threads, files, and what happens when they fail.</summary>
public sealed class MappingLogTests : IDisposable
{
    private static readonly NodeId s_node = new("ap1");
    private static readonly MacAddress s_client = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly TransportEndpoint s_own = TransportEndpoint.Parse("192.168.77.11:5000");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-log-");
    private readonly SharedText _said = new();

    private string File1 => Path.Combine(_folder.FullName, "mappings.log");

    public void Dispose()
    {
        _said.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact, Trait("Req", "N-12")]
    public async Task A_mapping_is_in_the_journal_while_it_lives_and_in_the_log_when_it_has_ended()
    {
        await using var log = Open();
        Begin(log, 1);
        Begin(log, 2);
        await JournalAsync(File1, 2);
        Assert.False(new FileInfo(File1).Length > 0);
        End(log, 1);
        await JournalAsync(File1, 1);
        Assert.Equal(1, Assert.Single(Records(File1)).GetProperty("port").GetInt32());
        Assert.Equal((1, 0), (Described(log).GetProperty("written").GetInt32(), Described(log).GetProperty("eventsLost").GetInt32()));
    }

    /// <summary>The files of an agent that is killed are as they are at any moment: another one begins with copies of them.</summary>
    [Fact, Trait("Req", "N-12")]
    public async Task What_lived_when_the_agent_died_goes_on_in_its_record_or_is_written_down_as_lost()
    {
        var copy = Path.Combine(_folder.FullName, "copy.log");
        await using (var log = Open())
        {
            Begin(log, 1);
            Begin(log, 2);
            Begin(log, 3);
            End(log, 3);
            log.Report(new FamSwitched(Mapping(1), TransportEndpoint.Parse("10.1.2.10:7"), new Epoch(2), new NodeId("ap2")), 2_000);
            await JournalAsync(File1, 2);
            await Wait.ForAsync(() => LiveJournal.Read(LiveJournal.PathFor(File1)).Any(m => m.Moves == 1), () => "the move is not in the journal");
            File.Copy(File1, copy);
            File.Copy(LiveJournal.PathFor(File1), LiveJournal.PathFor(copy));
        }

        await using (var log = Open(copy, new MappingLogConfig { File = copy, RecoveryTime = TimeSpan.FromSeconds(3) }))
        {
            log.Report(new MappingAnchored(Mapping(1), s_client, s_own, 1_000, Adopted: true, TransportEndpoint.Parse("10.1.2.10:7")), 60_000);
            await Wait.ForAsync(() => Records(copy).Count == 2, () => File.ReadAllText(copy));
            log.Report(new FamSwitched(Mapping(1), Mapping(1).Masquerade, new Epoch(3), s_node), 61_000);
            End(log, 1);
            await Wait.ForAsync(() => Records(copy).Count == 3, () => File.ReadAllText(copy));
        }

        var records = Records(copy);
        Assert.Equal([3, 2, 1], records.Select(r => r.GetProperty("port").GetInt32()));
        Assert.Equal(["ended", "agentLost", "ended"], records.Select(r => r.GetProperty("reason").GetString()));
        Assert.Equal(JsonValueKind.Null, records[1].GetProperty("end").ValueKind);
        Assert.True(records[1].GetProperty("endBefore").GetDateTimeOffset() >= records[1].GetProperty("endAfter").GetDateTimeOffset());
        Assert.Equal("1970-01-01T00:00:01.000Z", records[2].GetProperty("start").GetString());
        Assert.Equal(["ap1", "ap2", "ap1"], records[2].GetProperty("accessPoints").EnumerateArray().Select(a => a.GetString()));
        Assert.Empty(LiveJournal.Read(LiveJournal.PathFor(copy)));
    }

    /// <summary>As above, with blocks of ports: thousands of mappings, two lines.</summary>
    [Fact, Trait("Req", "N-12"), Trait("Rfc", "6888 REQ-14")]
    public async Task What_blocks_clients_had_when_the_agent_died_goes_on_or_is_written_down_as_lost()
    {
        var copy = Path.Combine(_folder.FullName, "copy.log");
        var (address, other) = (Mapping(1).Masquerade.Address, MacAddress.Parse("02:00:00:00:00:12"));
        var (one, two) = (new PortBlock(address, 4_096, 8_191), new PortBlock(address, 8_192, 12_287));
        await using (var log = Open(blockSize: 4_096))
        {
            log.Report(new BlockTaken(one, s_client, s_own.Address, Adopted: false), 1_000);
            log.Report(new BlockTaken(two, other, s_own.Address, Adopted: false), 1_000);
            for (var port = 4_096; port < 8_192; port++)
            {
                Begin(log, port);
                if (port % 2 == 0)
                {
                    End(log, port);
                }
            }

            await JournalAsync(File1, 2);
            File.Copy(File1, copy);
            File.Copy(LiveJournal.PathFor(File1), LiveJournal.PathFor(copy));
        }

        await using (var log = Open(copy, new MappingLogConfig { File = copy, RecoveryTime = TimeSpan.FromSeconds(3) }, blockSize: 4_096))
        {
            log.Report(new BlockTaken(one, s_client, s_own.Address, Adopted: true), 60_000);
            for (var port = 4_097; port < 8_192; port += 2)
            {
                log.Report(new MappingAnchored(Mapping(port), s_client, s_own, 1_000, Adopted: true, Mapping(port).Masquerade), 60_000);
                End(log, port);
            }

            await Wait.ForAsync(() => Records(copy).Count == 1, () => File.ReadAllText(copy));
            log.Report(new BlockReleased(one, s_client), 200_000);
            await Wait.ForAsync(() => Records(copy).Count == 2, () => File.ReadAllText(copy));
        }

        var records = Records(copy);
        Assert.Equal([8_192, 4_096], records.Select(r => r.GetProperty("port").GetInt32()));
        Assert.Equal(["agentLost", "ended"], records.Select(r => r.GetProperty("reason").GetString()));
        Assert.Equal(("1970-01-01T00:00:01.000Z", "1970-01-01T00:03:20.000Z"), (records[1].GetProperty("start").GetString(), records[1].GetProperty("end").GetString()));
        Assert.Empty(LiveJournal.Read(LiveJournal.PathFor(copy)));
    }

    [Fact, Trait("Req", "N-12")]
    public async Task A_record_that_was_written_before_the_agent_died_is_not_written_again()
    {
        await using (var log = Open())
        {
            Begin(log, 1);
            await JournalAsync(File1, 1);
        }

        var journal = File.ReadAllBytes(LiveJournal.PathFor(File1));
        await using (var log = Open(config: new MappingLogConfig { File = File1, RecoveryTime = TimeSpan.FromDays(1) }))
        {
            log.Report(new MappingAnchored(Mapping(1), s_client, s_own, 1_000, Adopted: true, Mapping(1).Masquerade), 60_000);
            End(log, 1);
            await Wait.ForAsync(() => Records(File1).Count == 1, () => File.ReadAllText(File1));
        }

        // It dies between the record and the journal.
        File.WriteAllBytes(LiveJournal.PathFor(File1), journal);
        await using (Open(comesBack: false))
        {
        }

        Assert.Single(Records(File1));
    }

    [Fact, Trait("Req", "N-12")]
    public async Task Without_a_coordinator_mappings_end_with_the_agent()
    {
        await using (var log = Open(comesBack: false))
        {
            Begin(log, 1);
        }

        Assert.Equal("agentStopped", Assert.Single(Records(File1)).GetProperty("reason").GetString());
        Assert.Empty(LiveJournal.Read(LiveJournal.PathFor(File1)));
    }

    [Fact, Trait("Req", "N-12")]
    public async Task Events_that_find_no_room_are_counted_and_told_in_the_log()
    {
        await using var log = Open(capacity: 16);
        var released = new MappingReleased(Mapping(1), s_client);

        // Far more than a queue of sixteen holds, and far quicker than it is emptied.
        for (var i = 0; i < 20_000; i++)
        {
            log.Report(released, 1);
        }

        await Wait.ForAsync(() => Records(File1).Where(r => Is(r, "queue")).Sum(r => r.GetProperty("count").GetInt64()) == log.EventsLost, () => "what was lost is not told");
        Assert.InRange(log.EventsLost, 1, 20_000);
        Assert.Equal(log.EventsLost, Described(log).GetProperty("eventsLost").GetInt64());
        Assert.Equal(20_000 - log.EventsLost, Records(File1).Count(r => r.GetProperty("record").GetString() is "mapping"));
    }

    [Fact, Trait("Req", "N-12")]
    public async Task A_full_disk_holds_nobody_up_and_what_it_cost_is_told_when_there_is_room()
    {
        using var disk = new SmallDisk(_folder.CreateSubdirectory("disk").FullName, kilobytes: 40_000);
        var path = Path.Combine(disk.Path, "mappings.log");
        File.WriteAllBytes(Path.Combine(disk.Path, "others"), new byte[40_700_000]);
        await using var log = Open(path);
        var count = 0;
        while (log.Unwritten == 0)
        {
            Assert.True(count < 2_000_000, "the disk is never full");
            Begin(log, (++count % 20_000) + 1);
            End(log, (count % 20_000) + 1);
            if (count % 1_000 == 0)
            {
                await Task.Delay(10);
            }
        }

        Assert.NotEqual(string.Empty, Described(log).GetProperty("trouble").GetString());
        Assert.Contains("the mapping log:", _said.ToString(), StringComparison.Ordinal);
        File.Delete(Path.Combine(disk.Path, "others"));
        await Wait.ForAsync(() => Described(log).GetProperty("trouble").GetString()!.Length == 0, () => "the trouble does not end", seconds: 30);
        await Wait.ForAsync(() => Records(path).Where(r => Is(r, "file")).Sum(r => r.GetProperty("count").GetInt64()) is var told and > 0 && told == log.Unwritten, () => "what was lost is not told", seconds: 30);

        // Each mapping has its record, or is counted.
        await Wait.ForAsync(() => Records(path).Count(r => r.GetProperty("record").GetString() is "mapping") + log.Unwritten + log.EventsLost >= count, () => "there are records missing that are not counted", seconds: 30, every: 200);
    }

    /// <summary>The journal waits for nothing that will be written anew.</summary>
    [Fact, Trait("Req", "N-12")]
    public async Task While_nothing_can_be_written_memory_does_not_grow_and_the_journal_is_right_afterwards()
    {
        var folder = _folder.CreateSubdirectory("gone");
        var path = Path.Combine(folder.FullName, "mappings.log");
        await using var log = Open(path);
        Begin(log, 60_000);
        await JournalAsync(path, 1);
        folder.Delete(recursive: true);
        for (var i = 0; i < 40_000; i++)
        {
            Begin(log, 1 + (i % 50_000));
            End(log, 1 + (i % 50_000));
            if (i % 1_000 == 0)
            {
                await Task.Delay(10);
                Assert.InRange(log.JournalWaiting, 0, 1 << 20);
            }
        }

        await Wait.ForAsync(() => log.Unwritten > 0, () => "all is written, though there is no folder");
        Assert.InRange(log.JournalWaiting, 0, 1 << 20);
        folder.Create();
        Begin(log, 60_001);
        await JournalAsync(path, 2);
        await Wait.ForAsync(() => Records(path).Where(r => Is(r, "file")).Sum(r => r.GetProperty("count").GetInt64()) is var told and > 0 && told == log.Unwritten, () => "what was lost is not told");
    }

    [Fact, Trait("Req", "N-12")]
    public void A_journal_that_is_not_written_does_not_grow_in_memory()
    {
        using var journal = LiveJournal.Open(LiveJournal.PathFor(File1), out _, out _);
        var line = LogLine.Of(LogLine.Live, s_node, new LoggedMapping { Mapping = Mapping(1), Client = s_client });
        journal.Flush([line]);
        for (var i = 0; i < 100_000; i++)
        {
            journal.Note(line);
            Assert.InRange(journal.Waiting, 0, 4 << 20);
        }

        journal.Flush([LogLine.Of(LogLine.Live, s_node, new LoggedMapping { Mapping = Mapping(2), Client = s_client })]);
        Assert.Equal(2, Assert.Single(LiveJournal.Read(LiveJournal.PathFor(File1))).Mapping.Masquerade.Port);
    }

    /// <summary>What nobody has thought of ends the log no more than a full disk does: there is a pipe where the file was.</summary>
    [Fact, Trait("Req", "N-12")]
    public async Task Whatever_goes_wrong_is_told_and_the_log_goes_on_when_it_is_over()
    {
        await using var log = Open();
        Begin(log, 1);
        End(log, 1);
        await Wait.ForAsync(() => Records(File1).Count == 1, () => "no record");
        File.Move(File1, File1 + "-aside");
        var (code, _, error) = OutsideProgram.Run("mkfifo", [File1]);
        Assert.True(code == 0, error);
        Begin(log, 2);
        End(log, 2);
        await Wait.ForAsync(() => Described(log).GetProperty("trouble").GetString()!.Length > 0, () => "a pipe is no trouble");
        File.Delete(File1);
        Begin(log, 3);
        End(log, 3);
        await Wait.ForAsync(() => Records(File1).Count(r => r.GetProperty("record").GetString() is "mapping") == 2, () => File.Exists(File1) ? File.ReadAllText(File1) : "there is no log any more");
    }

    /// <summary>An address moves with all its mappings, the disk is full in the midst of it, and the agent dies: each mapping has one record in the end.</summary>
    [Fact, Trait("Req", "N-12")]
    public async Task An_agent_that_dies_while_an_address_moves_writes_no_record_twice()
    {
        const int Count = 30_000;
        var aside = _folder.CreateSubdirectory("aside");
        using var disk = new SmallDisk(_folder.CreateSubdirectory("disk").FullName, kilobytes: 32_000);
        var path = Path.Combine(disk.Path, "mappings.log");
        var config = new MappingLogConfig { File = path, MaxBytes = 65_536, Keep = 1_000 };
        await using (var log = Open(config: config))
        {
            for (var i = 1; i <= Count; i++)
            {
                Begin(log, i);
            }

            await JournalAsync(path, Count);
            var free = 32_000_000L - new FileInfo(LiveJournal.PathFor(path)).Length;
            File.WriteAllBytes(Path.Combine(disk.Path, "others"), new byte[free - 5_000_000]);
            log.Report(new AddressYielded(Mapping(1).Masquerade.Address, new Epoch(5), new NodeId("ap2")), 4_000);
            await Wait.ForAsync(() => Described(log).GetProperty("trouble").GetString()!.Length > 0, () => "the disk is not full");

            // It tries again and again, and may have written a little more meanwhile.
            for (var before = -1L; before != log.Written;)
            {
                before = log.Written;
                foreach (var file in aside.GetFiles())
                {
                    file.Delete();
                }

                foreach (var file in new DirectoryInfo(disk.Path).GetFiles("mappings.log*"))
                {
                    file.CopyTo(Path.Combine(aside.FullName, file.Name));
                }

                await Task.Delay(2_500);
            }
        }

        var copy = Path.Combine(aside.FullName, "mappings.log");
        Assert.InRange(aside.GetFiles().Length, 20, 1_000);
        await using (Open(config: config with { File = copy }, comesBack: false))
        {
        }

        var ports = aside.GetFiles().Where(f => !f.Name.Contains("live", StringComparison.Ordinal)).SelectMany(f => Records(f.FullName)).Select(r => r.GetProperty("port").GetInt32()).Order().ToList();
        Assert.Equal(Enumerable.Range(1, Count), ports);
        Assert.Empty(LiveJournal.Read(LiveJournal.PathFor(copy)));
    }

    /// <summary>What the journal says is known until it says so for the last time, whatever its file's time of writing is by now.</summary>
    [Fact, Trait("Req", "N-12")]
    public async Task The_journal_says_until_when_it_is_right_and_what_is_lost_is_certain_until_then()
    {
        var copy = Path.Combine(_folder.FullName, "copy.log");
        await using (var log = Open())
        {
            Begin(log, 1);
            await JournalAsync(File1, 1);
            await Wait.ForAsync(() => Known(File1) > DateTimeOffset.MinValue, () => "the journal does not say when it was right");
            var first = Known(File1);
            await Wait.ForAsync(() => Known(File1) > first.AddSeconds(5), () => "the journal does not say again that it is right, though nothing happens", seconds: 30, every: 100);
            File.Copy(LiveJournal.PathFor(File1), LiveJournal.PathFor(copy));
        }

        var known = Known(copy);
        await using (Open(copy, comesBack: false))
        {
        }

        var record = Assert.Single(Records(copy));
        Assert.Equal(("agentLost", known), (record.GetProperty("reason").GetString(), record.GetProperty("endAfter").GetDateTimeOffset()));
    }

    /// <summary>When the first of them was lost is told: whatever was alive then is not certain from then on.</summary>
    [Fact, Trait("Req", "N-12")]
    public async Task Since_when_events_were_lost_is_told()
    {
        await using var log = Open(capacity: 16);
        for (var i = 0; i < 20_000; i++)
        {
            log.Report(new MappingReleased(Mapping(1), s_client), 5_000_000 + i);
        }

        await Wait.ForAsync(() => Records(File1).Any(r => Is(r, "queue")), () => "what was lost is not told");
        var lost = Records(File1).First(r => Is(r, "queue"));
        Assert.InRange(lost.GetProperty("since").GetDateTimeOffset().ToUnixTimeMilliseconds(), 5_000_000, 5_020_000);
    }

    [Fact, Trait("Req", "N-12")]
    public async Task A_clock_that_is_set_neither_closes_records_nor_keeps_them_open()
    {
        using var journal = LiveJournal.Open(LiveJournal.PathFor(File1), out _, out _);
        journal.Flush([LogLine.Of(LogLine.Live, s_node, new LoggedMapping { Mapping = Mapping(1), Client = s_client, Start = 1_000 })]);
        var time = new SetTime { Shift = TimeSpan.FromDays(-1_000) };
        await using var log = new MappingLog(new MappingLogConfig { File = File1, RecoveryTime = TimeSpan.FromSeconds(8) }, s_node, comesBack: true, time, _said);
        time.Shift = TimeSpan.FromDays(1_000);
        await Task.Delay(2_000);
        Assert.Empty(Records(File1));
        time.Shift = TimeSpan.FromDays(-1_000);
        await Wait.ForAsync(() => Records(File1).Count == 1, () => "what nobody gives back is not closed");
    }

    private sealed class SetTime : TimeProvider
    {
        public TimeSpan Shift { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Shift;
    }

    [Fact, Trait("Req", "N-12")]
    public async Task Asked_to_the_agent_opens_its_log_again()
    {
        await using var log = Open();
        Begin(log, 1);
        End(log, 1);
        await Wait.ForAsync(() => Records(File1).Count == 1, () => "no record");
        File.Move(File1, File1 + "-aside");
        log.Reopen();
        Begin(log, 2);
        End(log, 2);
        await Wait.ForAsync(() => Records(File1).Count == 1, () => "no record in the new file");
        Assert.Single(Records(File1 + "-aside"));
    }

    [Fact, Trait("Req", "N-12")]
    public async Task The_journal_does_not_grow_with_what_has_ended()
    {
        await using var log = Open();
        Begin(log, 60_000);
        for (var i = 0; i < 30_000; i++)
        {
            Begin(log, 1 + (i % 50_000));
            End(log, 1 + (i % 50_000));
            if (i % 2_000 == 0)
            {
                await Task.Delay(20);
            }
        }

        await Wait.ForAsync(() => log.Written == 30_000, () => $"{log.Written} records", seconds: 60);
        await JournalAsync(File1, 1);
        Assert.InRange(new FileInfo(LiveJournal.PathFor(File1)).Length, 1, 8 << 20);
        Assert.Equal(0, log.EventsLost);
    }

    /// <summary>Until when a log's journal says that it is right.</summary>
    private static DateTimeOffset Known(string file) => Records(LiveJournal.PathFor(file))
        .Where(r => r.GetProperty("record").GetString() is "known").Select(r => r.GetProperty("time").GetDateTimeOffset()).LastOrDefault(DateTimeOffset.MinValue);

    private static bool Is(JsonElement record, string where) =>
        record.GetProperty("record").GetString() is "lost" && record.GetProperty("where").GetString() == where;

    private static MappingId Mapping(int port) => new(TransportProtocol.Udp, new TransportEndpoint(IpAddress.Parse("10.1.1.10"), (ushort)port));

    private static void Begin(MappingLog log, int port) => log.Report(new MappingAnchored(Mapping(port), s_client, s_own, 1_000, Adopted: false, Mapping(port).Masquerade), 1_000);

    private static void End(MappingLog log, int port) => log.Report(new MappingReleased(Mapping(port), s_client), 3_000);

    private static List<JsonElement> Records(string path)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(file, Encoding.UTF8);
        var text = reader.ReadToEnd();
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l =>
        {
            using var document = JsonDocument.Parse(l);
            return document.RootElement.Clone();
        })];
    }

    private static JsonElement Described(MappingLog log)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            log.Describe(writer);
            writer.WriteEndObject();
        }

        using var document = JsonDocument.Parse(buffer.ToArray());
        return document.RootElement.GetProperty("mappingLog").Clone();
    }

    private static Task JournalAsync(string file, int count) =>
        Wait.ForAsync(() => LiveJournal.Read(LiveJournal.PathFor(file)).Count == count, () => $"{LiveJournal.Read(LiveJournal.PathFor(file)).Count} mappings in the journal and not {count}");

    private MappingLog Open(string? path = null, MappingLogConfig? config = null, bool comesBack = true, int capacity = 65_536, int blockSize = 0) =>
        new(config ?? new MappingLogConfig { File = path ?? File1 }, s_node, comesBack, TimeProvider.System, _said, capacity, blockSize);
}
