using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Masquerade.Lab.Scenario;

namespace Masquerade.Cli.Demo;

/// <summary>The result as one JSON object on one line. Names are part of the program's interface: add, never rename.</summary>
internal static class DemoJson
{
    // The longest gaps of a kill: with a thousand connections the others would hide them.
    private const int GapsShown = 100;

    // Readable arrows and quotes: the object is printed to a terminal or a pipe, never into a web page.
    private static readonly JsonWriterOptions s_writing = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(TextWriter output, DemoOptions options, DemoResult result, DemoResult? today)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, s_writing))
        {
            json.WriteStartObject();
            json.WriteBoolean("events", options.Events);
            json.WriteStartArray("families");
            foreach (var family in options.Families)
            {
                json.WriteStringValue(family == AddressFamily.InterNetworkV6 ? "ipv6" : "ipv4");
            }

            json.WriteEndArray();
            json.WriteNumber("warm_up_roams", options.WarmUpRoams);
            json.WriteNumber("clients", options.Clients);
            WriteBody(json, result);
            if (today is not null)
            {
                json.WriteStartObject("kernel_nat");
                WriteBody(json, today);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(buffer.ToArray()));
    }

    /// <summary>The laboratory failed before there was anything to judge.</summary>
    public static void WriteFailure(TextWriter output, string reason)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, s_writing))
        {
            json.WriteStartObject();
            json.WriteString("verdict", "could not run: " + reason);
            json.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(buffer.ToArray()));
    }

    private static void WriteBody(Utf8JsonWriter json, DemoResult r)
    {
        if (r.Site is { } site)
        {
            WriteSite(json, site);
        }

        json.WriteNumber("roams", r.Roams);
        json.WriteNumber("tcp_connections", r.TcpConnections);
        json.WriteNumber("tcp_resets", r.TcpResets);
        json.WriteNumber("tcp_stalled", r.TcpStalled);
        json.WriteNumber("tcp_corrupted", r.TcpCorrupted);
        json.WriteNumber("udp_sent", r.Udp.Sent);
        json.WriteNumber("udp_unsent", r.Udp.Unsent);
        json.WriteNumber("udp_lost", r.Udp.Lost);
        if (r.Kills is not null)
        {
            json.WriteNumber("udp_lost_in_kills", r.Udp.LostInKills);
        }

        json.WriteNumber("udp_duplicated", r.Udp.Duplicated);
        json.WriteNumber("udp_reordered", r.Udp.Reordered);
        json.WriteNumber("udp_corrupted", r.Udp.Corrupted);
        json.WriteNumber("ping_sent", r.PingSent);
        json.WriteNumber("ping_lost", r.PingLost);
        Ms(json, "gap_ms_p50", r.Gap(50));
        Ms(json, "gap_ms_p99", r.Gap(99));
        Ms(json, "gap_ms_max", r.Gap(100));
        Ms(json, "raw_gap_ms_p50", r.RawGap(50));
        Ms(json, "raw_gap_ms_max", r.RawGap(100));
        Ms(json, "switch_ms_mean", r.Gaps.Count == 0 ? 0 : r.Gaps.Average(g => g.SwitchMs));
        json.WriteBoolean("direct_path_ok", r.Path.Ok);
        json.WriteNumber("encapsulated_packets", r.Path.Encapsulated);
        json.WriteNumber("packets_examined", r.Path.Examined);
        json.WriteNumber("inbound_ham_then_fam", r.Path.ViaHamThenFam);
        json.WriteNumber("capture_drops", r.CaptureDrops);
        Ms(json, "seconds", r.Duration.TotalSeconds);
        json.WriteStartArray("timeline");
        foreach (var gap in r.Gaps)
        {
            json.WriteStartObject();
            Ms(json, "at_s", gap.AtSeconds);
            json.WriteString("from", $"AP{gap.From}");
            json.WriteString("to", $"AP{gap.To}");
            Ms(json, "switch_ms", gap.SwitchMs);
            Ms(json, "silence_down_ms", gap.DownMs);
            Ms(json, "silence_up_ms", gap.UpMs);
            Ms(json, "gap_ms", gap.BeyondMs);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (r.Kills is { } kills)
        {
            WriteKills(json, r, kills);
        }

        json.WriteStartArray("path_violations");
        foreach (var violation in r.Path.Violations)
        {
            json.WriteStringValue(violation);
        }

        json.WriteEndArray();
        json.WriteString("verdict", r.Verdict);
    }

    private static void WriteKills(Utf8JsonWriter json, DemoResult r, IReadOnlyList<KillReport> kills)
    {
        Ms(json, "takeover_gap_ms_p50", r.TakeoverGap(50));
        Ms(json, "takeover_gap_ms_p99", r.TakeoverGap(99));
        Ms(json, "takeover_gap_ms_max", r.TakeoverGap(100));
        Ms(json, "outage_gap_ms_p99", r.OutageGap(99));
        Ms(json, "outage_gap_ms_max", r.OutageGap(100));
        Ms(json, "return_gap_ms_p99", r.ReturnGap(99));
        Ms(json, "return_gap_ms_max", r.ReturnGap(100));
        json.WriteStartArray("kills");
        foreach (var kill in kills)
        {
            json.WriteStartObject();
            json.WriteString("target", kill.Target switch { KillTarget.Coordinator => "coordinator", KillTarget.Redis => "redis", _ => "ap" });
            json.WriteString("what", kill.What);
            Ms(json, "at_s", kill.AtSeconds);
            Ms(json, "back_s", kill.BackSeconds);
            json.WriteNumber("connections", kill.Gaps.Count);
            Ms(json, "gap_ms_p50", kill.Gap(50));
            Ms(json, "gap_ms_p99", kill.Gap(99));
            Ms(json, "gap_ms_max", kill.Gap(100));
            Ms(json, "return_gap_ms_max", kill.ReturnGap(100));
            json.WriteStartArray("gaps");
            foreach (var gap in kill.Gaps.Take(GapsShown))
            {
                json.WriteStartObject();
                json.WriteString("connection", gap.Connection);
                json.WriteString("protocol", gap.Protocol);
                json.WriteString("server", gap.Server);
                Ms(json, "gap_ms", gap.Ms);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteSite(Utf8JsonWriter json, SiteSummary site)
    {
        json.WriteString("store", site.Store);
        json.WriteStartArray("coordinators");
        foreach (var coordinator in site.Coordinators)
        {
            json.WriteStartObject();
            json.WriteString("name", coordinator.Name);
            json.WriteString("address", coordinator.Address);
            json.WriteStartArray("aps");
            foreach (var accessPoint in coordinator.AccessPoints)
            {
                json.WriteStringValue($"AP{accessPoint}");
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Ms(Utf8JsonWriter json, string name, double value) => json.WriteNumber(name, Math.Round(value, 3));
}
