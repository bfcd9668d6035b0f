using System.Text;
using Masquerade.Cli.Site;
using Masquerade.Core.Flow;

namespace Masquerade.Cli.Logs;

/// <summary>The files of a log of mappings: those that were moved aside, the one that is written, and the journal of what is alive.</summary>
internal static class LogFiles
{
    /// <summary>Longer lines are in no such log.</summary>
    private const int LongestLine = 16_384;

    /// <summary>All records about an endpoint, those of blocks that it is in included; what several lines say about the same is one of them. Also how many records a log itself says are missing.</summary>
    /// <param name="logs">The logs, by the name of the file that is written.</param>
    /// <param name="endpoint">The masquerade endpoint.</param>
    /// <param name="protocol">The protocol; empty for any.</param>
    /// <param name="missing">How many events or lines did not find room.</param>
    public static List<LogEntry> Find(IEnumerable<string> logs, TransportEndpoint endpoint, string protocol, out long missing)
    {
        var found = new Dictionary<(string, IpAddress, int, int, TransportEndpoint, string, DateTimeOffset?), List<LogEntry>>();
        var lost = new List<(string Ham, DateTimeOffset At)>();
        missing = 0;
        foreach (var log in logs)
        {
            foreach (var file in FilesOf(log))
            {
                foreach (var line in Lines(file))
                {
                    if (line.Contains("\"record\":\"lost\"", StringComparison.Ordinal))
                    {
                        missing += Missing(line, lost);
                    }
                    else if (LogEntry.Read(line) is { Record: "mapping" or "block" or "moved" or "begin" } entry && IsAbout(entry, endpoint, protocol))
                    {
                        Keep(found, entry);
                    }
                }
            }

            foreach (var entry in Alive(log + ".live").Where(e => IsAbout(e, endpoint, protocol)))
            {
                Keep(found, entry);
            }
        }

        var losses = lost.ToLookup(l => l.Ham, l => l.At, StringComparer.Ordinal);
        return [.. found.Values.Select(lines => LogEntry.Of(lines, losses)).OrderBy(e => e.Start ?? DateTimeOffset.MinValue)];
    }

    private static void Keep(Dictionary<(string, IpAddress, int, int, TransportEndpoint, string, DateTimeOffset?), List<LogEntry>> found, LogEntry entry)
    {
        if (!found.TryGetValue(entry.Identity, out var lines))
        {
            found[entry.Identity] = lines = [];
        }

        lines.Add(entry);
    }

    private static bool IsAbout(LogEntry entry, TransportEndpoint endpoint, string protocol) =>
        entry.Address == endpoint.Address && entry.Port <= endpoint.Port && endpoint.Port <= entry.LastPort && (protocol.Length == 0 || entry.IsBlock || string.Equals(entry.Protocol, protocol, StringComparison.Ordinal));

    private static List<string> FilesOf(string log)
    {
        var moved = new List<string>();
        for (var number = 1; File.Exists($"{log}.{number}"); number++)
        {
            moved.Add($"{log}.{number}");
        }

        moved.Reverse();
        if (File.Exists(log))
        {
            moved.Add(log);
        }

        return moved.Count > 0 || File.Exists(log + ".live") ? moved : throw new CliException($"{log}: there is no such log");
    }

    /// <summary>What a journal says is alive, the last word on each, and until when it says so.</summary>
    private static List<LogEntry> Alive(string journal)
    {
        var alive = new Dictionary<(string, IpAddress, int, TransportEndpoint), LogEntry>();
        DateTimeOffset? known = null;
        foreach (var line in File.Exists(journal) ? Lines(journal) : [])
        {
            if (line.Contains("\"record\":\"known\"", StringComparison.Ordinal))
            {
                known = Read(line, root => LogEntry.Time(root, "time")) ?? known;
                continue;
            }

            var entry = LogEntry.Read(line);
            switch (entry?.Record)
            {
                case "live":
                    alive[(entry.Protocol, entry.Address, entry.Port, entry.Server)] = entry;
                    break;
                case "gone":
                    alive.Remove((entry.Protocol, entry.Address, entry.Port, entry.Server));
                    break;
            }
        }

        return [.. alive.Values.Select(e => known > e.KnownUntil ? e with { KnownUntil = known } : e)];
    }

    private static IEnumerable<string> Lines(string path)
    {
        StreamReader reader;
        try
        {
            reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete), Encoding.UTF8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"{path}: {e.Message}");
        }

        using (reader)
        {
            while (reader.ReadLine() is { } line)
            {
                if (line.Length is > 0 and <= LongestLine)
                {
                    yield return line;
                }
            }
        }
    }

    /// <summary>How many a line says are missing; and, where that leaves in doubt what has ended, since when.</summary>
    private static long Missing(string line, List<(string Ham, DateTimeOffset At)> lost) => Read(line, root =>
    {
        if (LogEntry.Text(root, "where") is "queue" && (LogEntry.Time(root, "since") ?? LogEntry.Time(root, "time")) is { } at)
        {
            lost.Add((LogEntry.Text(root, "ham"), at));
        }

        return root.TryGetProperty("count", out var count) && count.TryGetInt64(out var number) ? number : 0;
    });

    private static T? Read<T>(string line, Func<System.Text.Json.JsonElement, T> read)
    {
        try
        {
            using var document = System.Text.Json.JsonDocument.Parse(line);
            return read(document.RootElement);
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException)
        {
            return default;
        }
    }
}
