using System.Text.Json;
using System.Threading.Channels;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>
/// The log of mappings (N-12, RFC 6888 section 4): who had which masquerade endpoint, and when. Written by the HAM, which a complaint names, not by the access point that happens to serve the
/// client. The data thread never waits for a disk or a receiver: events go into a bounded queue, lines that a full disk does not take into another, and what finds no room is counted and told in the
/// log itself.
/// </summary>
internal sealed class MappingLog : IAsyncDisposable
{
    /// <summary>Events that wait to become lines.</summary>
    private const int Capacity = 65_536;

    /// <summary>Lines that wait for a disk that takes nothing.</summary>
    private const int Backlog = 16_384;

    /// <summary>Events that are taken, or lines that are made, before any are written.</summary>
    private const int Turn = 1_024;

    /// <summary>Octets that are written at once; far below the smallest size of a file.</summary>
    private const int Batch = 32_768;

    /// <summary>
    /// How much of the log's end is looked through for mappings whose record was written, and not yet taken out of the journal, when the agent died: far more than all lines that can have waited.
    /// </summary>
    private const long Overlap = 16 << 20;

    /// <summary>The journal says that it is right after so many milliseconds in which something has happened.</summary>
    private const long BeatWhenBusy = 1_000;

    /// <summary>The journal says that it is right after so many milliseconds.</summary>
    private const long Beat = 10_000;

    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    private readonly NodeId _node;
    private readonly TimeProvider _time;
    private readonly TextWriter _log;
    private readonly bool _comesBack;
    private readonly Channel<(EngineEvent? Event, long At)> _events;
    private readonly Queue<byte[]> _lines = new();
    private readonly MemoryStream _batch = new();
    private readonly MappingBook _book;
    private readonly RotatingFile? _file;
    private readonly LiveJournal? _journal;
    private readonly SyslogSender? _syslog;
    private readonly Task _writing;
    private string _trouble = string.Empty;
    private long _eventsLost;
    private long _eventsLostSince;
    private long _eventsTold;
    private long _written;
    private long _unwritten;
    private long _unwrittenTold;
    private long _knownUntil;
    private long _knownTold;
    private int _live;
    private int _reopen;

    /// <summary>Opens the files, and begins to write.</summary>
    /// <param name="config">What is to be logged, and where.</param>
    /// <param name="node">This node.</param>
    /// <param name="comesBack">Whether a coordinator gives the node its mappings back when it starts again; else they end with the agent.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where trouble with the log is told.</param>
    /// <param name="capacity">Events that wait.</param>
    /// <param name="blockSize">How many ports a client's blocks have; 0: there are none.</param>
    /// <exception cref="IOException">A file cannot be opened.</exception>
    public MappingLog(MappingLogConfig config, NodeId node, bool comesBack, TimeProvider time, TextWriter log, int capacity = Capacity, int blockSize = 0)
    {
        (_node, _time, _log) = (node, time, log);
        _events = Channel.CreateBounded<(EngineEvent?, long)>(new BoundedChannelOptions(capacity) { SingleReader = true });
        _book = new MappingBook(node, config.Record == MappingLogRecord.BeginAndEnd, Take, line => _journal?.Note(line), blockSize);
        _syslog = config.Syslog is null ? null : new SyslogSender(config.Syslog, config.SyslogFacility, count => LogLine.OfLost(node, count, "syslog", Now), time);
        if (config.File.Length > 0)
        {
            _file = new RotatingFile(config.File, config.MaxBytes, config.Keep);
            _journal = LiveJournal.Open(LiveJournal.PathFor(config.File), out var left, out var lastKnown);
            var patience = comesBack ? (long)config.RecoveryTime.TotalMilliseconds : 0;
            _book.Recover(WithoutRecord(left, config.File), lastKnown, Now, patience, Tick);
        }

        _comesBack = comesBack && _journal is not null;
        _live = _book.Count;
        _writing = Task.Run(WriteAllAsync);
    }

    /// <summary>Events that found no room in the queue.</summary>
    public long EventsLost => Volatile.Read(ref _eventsLost);

    /// <summary>Lines that are in the file.</summary>
    public long Written => Volatile.Read(ref _written);

    /// <summary>Lines that a disk which took nothing has cost.</summary>
    public long Unwritten => Volatile.Read(ref _unwritten);

    /// <summary>Octets that wait for the journal.</summary>
    public long JournalWaiting => _journal?.Waiting ?? 0;

    private long Now => _time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Milliseconds by a clock that nobody sets.</summary>
    private long Tick => (long)_time.GetElapsedTime(0).TotalMilliseconds;

    /// <summary>Takes an event; never waits.</summary>
    /// <param name="engineEvent">The event; most are no concern of this log.</param>
    /// <param name="at">When it happened, milliseconds since 1970.</param>
    public void Report(EngineEvent engineEvent, long at)
    {
        if (MappingBook.Concerns(engineEvent) && !_events.Writer.TryWrite((engineEvent, at)))
        {
            NoteLost(at);
        }
    }

    /// <summary>Opens the file by its name again: it has been moved.</summary>
    public void Reopen()
    {
        Volatile.Write(ref _reopen, 1);
        _events.Writer.TryWrite(default);
    }

    /// <summary>How the log is, for the agent's state.</summary>
    public void Describe(Utf8JsonWriter json)
    {
        json.WriteStartObject("mappingLog");
        json.WriteNumber("live", Volatile.Read(ref _live));
        json.WriteNumber("eventsLost", EventsLost);
        if (_file is not null)
        {
            json.WriteNumber("written", Written);
            json.WriteNumber("unwritten", Unwritten);
            json.WriteString("trouble", Volatile.Read(ref _trouble));
        }

        if (_syslog is not null)
        {
            json.WriteNumber("syslogSent", _syslog.Sent);
            json.WriteNumber("syslogLost", _syslog.Lost);
        }

        json.WriteEndObject();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _events.Writer.TryComplete();
        await _writing.ConfigureAwait(false);
        if (_syslog is not null)
        {
            await _syslog.DisposeAsync().ConfigureAwait(false);
        }

        _file?.Dispose();
        _journal?.Dispose();
        _batch.Dispose();
    }

    private async Task WriteAllAsync()
    {
        var more = _events.Reader.WaitToReadAsync().AsTask();
        var tick = Task.CompletedTask;
        while (true)
        {
            if (_file is null)
            {
                await more.ConfigureAwait(false);
            }
            else
            {
                // There is something to do even if nothing happens: what has failed, what nobody gives back, and to say that all is as it was.
                tick = tick.IsCompleted ? Task.Delay(Again, _time) : tick;
                await Task.WhenAny(more, tick).ConfigureAwait(false);
            }

            var now = Now;
            var isMore = more.IsCompleted;
            var isOver = isMore && !await more.ConfigureAwait(false);
            try
            {
                TakeTurn(isMore, isOver, now);
            }
            catch (Exception e)
            {
                // Nobody has thought of it. An event, or lines, may be missing, and the log must go on.
                NoteLost(now);
                Trouble(e.Message);
            }

            if (isOver)
            {
                return;
            }

            more = isMore ? _events.Reader.WaitToReadAsync().AsTask() : more;
        }
    }

    private void TakeTurn(bool isMore, bool isOver, long now)
    {
        if (isMore)
        {
            TakeEvents(now);
        }
        else
        {
            _knownUntil = now;
        }

        _book.GiveUpRecovered(Now, Tick);
        if (isOver && !_comesBack)
        {
            _book.EndAll(Now);
        }

        WriteLines();
        Volatile.Write(ref _live, _book.Count);
    }

    private void TakeEvents(long now)
    {
        var known = 0L;
        for (var taken = 0; taken < Turn; taken++)
        {
            if (!_events.Reader.TryRead(out var happened))
            {
                known = now;
                break;
            }

            if (happened.Event is { } engineEvent)
            {
                known = happened.At;
                _book.Take(engineEvent, happened.At, Tick);
            }
        }

        _knownUntil = known;

        // Where there is no room for this line it is told later: without it the log would claim what it does not know.
        if (EventsLost > _eventsTold && _lines.Count < Backlog)
        {
            var since = Interlocked.Exchange(ref _eventsLostSince, 0);
            var lost = EventsLost;
            _book.NoteLost(lost - _eventsTold, "queue", Now, since);
            _eventsTold = lost;
        }
    }

    private void NoteLost(long at)
    {
        Interlocked.CompareExchange(ref _eventsLostSince, at, 0);
        Interlocked.Increment(ref _eventsLost);
    }

    private void Take(byte[] line)
    {
        _syslog?.Offer(line);
        if (_file is null)
        {
            return;
        }

        if (_lines.Count >= Turn && _trouble.Length == 0)
        {
            // An address with all its mappings has moved, or all that was alive is given up. What the journal has forgotten by now is among these lines.
            WriteLines();
        }

        if (_lines.Count < Backlog)
        {
            _lines.Enqueue(line);
        }
        else
        {
            Interlocked.Increment(ref _unwritten);
        }
    }

    /// <summary>The records first and the journal after them: what dies in between is in both, which can be told, and not in neither.</summary>
    private void WriteLines()
    {
        if (_file is null)
        {
            return;
        }

        try
        {
            if (Interlocked.Exchange(ref _reopen, 0) != 0)
            {
                _file.Reopen();
            }

            while (true)
            {
                if (Unwritten is var missing && missing > _unwrittenTold && _lines.Count < Backlog)
                {
                    _lines.Enqueue(LogLine.OfLost(_node, missing - _unwrittenTold, "file", Now));
                    _unwrittenTold = missing;
                }

                if (_lines.Count == 0)
                {
                    break;
                }

                _batch.SetLength(0);
                var taken = 0;
                foreach (var line in _lines)
                {
                    if (taken > 0 && _batch.Length + line.Length > Batch)
                    {
                        break;
                    }

                    _batch.Write(line);
                    taken++;
                }

                _file.Write(_batch.GetBuffer().AsSpan(0, (int)_batch.Length));
                for (var i = 0; i < taken; i++)
                {
                    _lines.Dequeue();
                }

                Interlocked.Add(ref _written, taken);
            }

            FlushJournal();
            Trouble(string.Empty);
        }
        catch (Exception e)
        {
            // Whatever it is: a full disk, a folder that is gone, something else in the file's place.
            _journal!.Forsake();
            Trouble(e.Message);
        }
    }

    private void FlushJournal()
    {
        var known = LogLine.OfKnown(_node, _knownUntil);
        if (_book.Count > 0 && _knownUntil != 0 && Math.Abs(_knownUntil - _knownTold) >= (_journal!.Waiting > 0 ? BeatWhenBusy : Beat))
        {
            _journal.Note(known);
            _knownTold = _knownUntil;
        }

        _journal!.Flush(_knownUntil == 0 ? _book.Journal : _book.Journal.Append(known));
    }

    private void Trouble(string trouble)
    {
        if (!string.Equals(trouble, _trouble, StringComparison.Ordinal))
        {
            Volatile.Write(ref _trouble, trouble);
            try
            {
                _log.WriteLine(trouble.Length > 0 ? $"{_node}: the mapping log: {trouble}" : $"{_node}: the mapping log is written again");
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // Nobody reads what the agent says; its state tells it.
            }
        }
    }

    /// <summary>Of what was alive, what has no record yet.</summary>
    private static IEnumerable<LoggedMapping> WithoutRecord(IReadOnlyList<LoggedMapping> left, string file)
    {
        if (left.Count == 0)
        {
            return [];
        }

        // Several small files may have been written in the meantime.
        var written = new List<LoggedMapping>();
        var number = 0;
        for (var bytes = Overlap; bytes > 0 && (number == 0 ? file : $"{file}.{number}") is var path && File.Exists(path); number++)
        {
            written.AddRange(LogReader.Mappings(path, bytes).Where(l => l.Record is LogLine.Whole or LogLine.Block or LogLine.Moved).Select(l => l.Mapping));
            bytes -= new FileInfo(path).Length;
        }

        var records = written.ToLookup(m => m.Mapping);
        return left.Where(m => !records[m.Mapping].Any(m.IsSameAs));
    }
}
