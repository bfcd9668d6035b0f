using System.Text.Json;
using Masquerade.Core.Flow;

namespace Masquerade.Cli.Logs;

/// <summary>One record of a log of mappings, as far as the question who it was is concerned.</summary>
internal sealed record LogEntry
{
    /// <summary>A word that something lives is taken for the last one if another is not later by more than this: clocks differ, and a journal says seldom that it is right.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(30);

    public required string Record { get; init; }

    public required string Ham { get; init; }

    public required string Protocol { get; init; }

    public required IpAddress Address { get; init; }

    public required int Port { get; init; }

    /// <summary>The last port of a block that a client had to itself, which counts for all protocols; the same as <see cref="Port"/> if it is a mapping.</summary>
    public required int LastPort { get; init; }

    public bool IsBlock { get; init; }

    public required string Client { get; init; }

    /// <summary>The server that alone the mapping was for; none: it was for all.</summary>
    public TransportEndpoint Server { get; init; }

    /// <summary>Null if it is not known.</summary>
    public DateTimeOffset? Start { get; init; }

    /// <summary>Of a block: when the oldest mapping in it was opened, if the client may have had it before it was there. Else null.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Null if it is not known, or lives.</summary>
    public DateTimeOffset? End { get; init; }

    /// <summary>Alive then, if the end is not known.</summary>
    public DateTimeOffset? EndAfter { get; init; }

    /// <summary>Not alive any more then, if the end is not known.</summary>
    public DateTimeOffset? EndBefore { get; init; }

    /// <summary>When the node whose line it is got it from another one, or got it back; null if it was opened there.</summary>
    public DateTimeOffset? Adopted { get; init; }

    /// <summary>Until when it was so for sure; null if not even its beginning is known.</summary>
    public DateTimeOffset? KnownUntil { get; init; }

    /// <summary>Another client is said to have had the endpoint at the time that is asked for.</summary>
    public bool IsDisputed { get; init; }

    /// <summary>The whole line.</summary>
    public required JsonElement Line { get; init; }

    public bool IsAlive => Record is "live" or "begin";

    /// <summary>The same in all lines about one mapping.</summary>
    public (string, IpAddress, int, int, TransportEndpoint, string, DateTimeOffset?) Identity => (Protocol, Address, Port, LastPort, Server, Client, Start);

    /// <summary>It has ended, and no other node goes on with it.</summary>
    private bool IsOver => End is not null && Record is not "moved";

    /// <summary>When it was so, or became so, for the last time by this line.</summary>
    private DateTimeOffset LastWord => IsAlive
        ? Later(KnownUntil ?? Adopted ?? Start ?? DateTimeOffset.MinValue, Adopted ?? DateTimeOffset.MinValue)
        : End ?? EndAfter ?? Start ?? DateTimeOffset.MinValue;

    /// <summary>What several lines about the same say together: it was so for as long as any of them says.</summary>
    /// <param name="lines">The lines, of one mapping or block.</param>
    /// <param name="lost">When events were lost, by the node that lost them.</param>
    public static LogEntry Of(IReadOnlyCollection<LogEntry> lines, ILookup<string, DateTimeOffset> lost)
    {
        var last = lines.Where(l => l.IsOver).MaxBy(l => l.End);
        var alive = lines.Where(l => l.IsAlive).MaxBy(l => (l.LastWord, l.Record is "live"));
        var given = lines.Where(l => !l.IsOver && !l.IsAlive).MaxBy(l => l.LastWord);
        last ??= alive is not null && (given is null || given.LastWord - alive.LastWord <= Slack) ? alive : given!;
        return last with { KnownUntil = lines.Max(l => l.KnownUntilBut(lost[l.Ham])) };
    }

    /// <summary>Whether it may have been so at a time, give or take.</summary>
    public bool Covers(DateTimeOffset at, TimeSpan within) =>
        ((Since ?? Start) is not { } start || start - at <= within) && ((End ?? EndBefore) is not { } end || at - end <= within);

    /// <summary>Whether it was so at that time for sure.</summary>
    public bool IsCertain(DateTimeOffset at) => !IsDisputed && Start <= at && at <= KnownUntil;

    /// <summary>Whether another entry says that it was another client, and both cannot be right.</summary>
    public bool Contradicts(LogEntry other) =>
        IsBlock == other.IsBlock && string.Equals(Protocol, other.Protocol, StringComparison.Ordinal) && !string.Equals(Client, other.Client, StringComparison.Ordinal);

    /// <summary>Reads a line; null if it is about no client.</summary>
    public static LogEntry? Read(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !IpAddress.TryParse(Text(root, "address"), out var address) || !TryPort(root, "port", out var port))
            {
                return null;
            }

            var isBlock = TryPort(root, "lastPort", out var lastPort);
            var (start, end, endAfter) = (Time(root, "start"), Time(root, "end"), Time(root, "endAfter"));
            return new LogEntry
            {
                IsBlock = isBlock,
                LastPort = isBlock ? lastPort : port,
                Since = Time(root, "since"),
                Record = Text(root, "record"),
                Ham = Text(root, "ham"),
                Protocol = Text(root, "protocol"),
                Address = address,
                Port = port,
                Client = Text(root, "client"),
                Server = IpAddress.TryParse(Text(root, "server"), out var server) && TryPort(root, "serverPort", out var serverPort) ? new TransportEndpoint(server, (ushort)serverPort) : default,
                Start = start,
                End = end,
                EndAfter = endAfter,
                EndBefore = Time(root, "endBefore"),
                Adopted = Time(root, "adopted"),
                KnownUntil = end ?? endAfter ?? start,
                Line = root.Clone(),
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The end of a line that was being written when an agent died, or no line of such a log.
            return null;
        }
    }

    /// <summary>Until when a line is certain where events were lost: one of them may have been its end.</summary>
    private DateTimeOffset? KnownUntilBut(IEnumerable<DateTimeOffset> lost) =>
        lost.Where(l => l > (Adopted ?? Start) && l < KnownUntil).Select(l => (DateTimeOffset?)l).DefaultIfEmpty(KnownUntil).Min();

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;

    internal static string Text(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : string.Empty;

    private static bool TryPort(JsonElement root, string name, out int port)
    {
        port = 0;
        return root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out port) && port is >= 0 and <= ushort.MaxValue;
    }

    internal static DateTimeOffset? Time(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.TryGetDateTimeOffset(out var time) ? time : null;
}
