using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>
/// The mappings, and clients' blocks of ports, that are alive, on disk, so that the death of the agent loses no record: a line when one begins or is served elsewhere, a line when it ends, and from time to time all that is
/// left of it written anew. What the kernel has taken outlives the process, not a loss of power.
/// </summary>
internal sealed class LiveJournal : IDisposable
{
    /// <summary>It is not written anew for less than this.</summary>
    private const long Least = 1 << 20;

    /// <summary>Octets that wait to be written; instead of more all is written anew.</summary>
    private const long Most = 4 << 20;

    private readonly string _path;
    private readonly MemoryStream _waiting = new();
    private FileStream? _file;
    private long _rewriteAt;

    private LiveJournal(string path) => _path = path;

    /// <summary>Octets that wait to be written.</summary>
    public long Waiting => _waiting.Length;

    /// <summary>Where the journal of a log file is.</summary>
    public static string PathFor(string file) => file + ".live";

    /// <summary>Opens a journal, and tells what was alive when it was last written.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="left">What was alive.</param>
    /// <param name="lastKnown">Until when it was right, milliseconds since 1970; 0 if it does not say so.</param>
    public static LiveJournal Open(string path, out IReadOnlyList<LoggedMapping> left, out long lastKnown)
    {
        left = Read(path, out lastKnown);
        return new LiveJournal(path);
    }

    /// <summary>The mappings that a journal says are alive.</summary>
    public static IReadOnlyList<LoggedMapping> Read(string path) => Read(path, out _);

    private static List<LoggedMapping> Read(string path, out long lastKnown)
    {
        var live = new Dictionary<MappingId, LoggedMapping>();
        lastKnown = 0;
        foreach (var line in LogReader.Lines(path))
        {
            if (!LogLine.TryRead(line, out var record, out var mapping))
            {
                lastKnown = LogLine.TryReadKnown(line, out var until) ? until : lastKnown;
            }
            else if (record is LogLine.Gone)
            {
                live.Remove(mapping.Mapping);
            }
            else
            {
                live[mapping.Mapping] = mapping;
            }
        }

        return [.. live.Values];
    }

    /// <summary>Takes a line, which is written by <see cref="Flush"/>.</summary>
    public void Note(byte[] line)
    {
        if (_file is null)
        {
            // All will be written anew, this included.
            return;
        }

        if (_waiting.Length + line.Length > Most)
        {
            Forsake();
            return;
        }

        _waiting.Write(line);
    }

    /// <summary>What waits is not worth keeping: the next time all is written anew.</summary>
    public void Forsake()
    {
        _waiting.SetLength(0);
        _waiting.Capacity = 0;
        _file?.Dispose();
        _file = null;
    }

    /// <summary>Writes what has been noted, or everything.</summary>
    /// <param name="all">Everything that is alive now.</param>
    /// <exception cref="IOException">It could not be written; the next time it is written anew.</exception>
    public void Flush(IEnumerable<byte[]> all)
    {
        if (_waiting.Length == 0 && _file is not null)
        {
            return;
        }

        try
        {
            if (_file is null || _file.Position > _rewriteAt)
            {
                Rewrite(all);
            }
            else
            {
                _file.Write(_waiting.GetBuffer().AsSpan(0, (int)_waiting.Length));
            }

            _waiting.SetLength(0);
        }
        catch
        {
            Forsake();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file?.Dispose();
        _waiting.Dispose();
    }

    /// <summary>Beside the old one, and then in its place: at any moment one of the two is whole.</summary>
    private void Rewrite(IEnumerable<byte[]> all)
    {
        var beside = _path + ".new";
        File.Delete(beside);
        _file?.Dispose();
        _file = null;
        _file = RotatingFile.OpenPrivate(beside, FileMode.CreateNew);
        using (var lines = new MemoryStream())
        {
            foreach (var line in all)
            {
                lines.Write(line);
                if (lines.Length > Least)
                {
                    _file.Write(lines.GetBuffer().AsSpan(0, (int)lines.Length));
                    lines.SetLength(0);
                }
            }

            _file.Write(lines.GetBuffer().AsSpan(0, (int)lines.Length));
        }

        File.Move(beside, _path, overwrite: true);
        _rewriteAt = Math.Max(Least, _file.Position * 2);
    }
}
