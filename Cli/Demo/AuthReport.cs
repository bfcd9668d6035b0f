using System.Globalization;
using System.Text;
using System.Text.Json;
using Masquerade.Lab.Users;

namespace Masquerade.Cli.Demo;

/// <summary>What came of a walk with users: for people, and as one JSON object on one line, whose names are part of the program's interface: add, never rename.</summary>
internal static class AuthReport
{
    private static readonly JsonWriterOptions s_writing = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Print(TextWriter output, AuthResult result)
    {
        output.WriteLine();
        output.WriteLine("user   client                roams  proved by            logins  connections   silence beyond the switch, median (ms)");
        foreach (var user in result.Users)
        {
            var proofs = string.Join(", ", user.Roams.Select(r => r.Proof).Where(p => p.Length > 0).Distinct(StringComparer.Ordinal));
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{user.Name,-6} {user.Client + ", " + user.With,-21} {user.Roams.Count,5}  {proofs,-20} {user.Logins,6}  {user.Alive,4} of {user.Connections} lived {user.MedianBeyondMs,12:F1}"));
        }

        var allowed = result.Trials.Where(t => t.Allowed).ToArray();
        var forbidden = result.Trials.Where(t => !t.Allowed).ToArray();
        output.WriteLine();
        output.WriteLine($"tried at access points: {allowed.Count(t => t.IsRight)} of {allowed.Length} allowed connections came about, {forbidden.Count(t => !t.IsRight)} of {forbidden.Length} forbidden ones");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"handshakes without EAP: {result.Handshakes.Count}, median {result.MedianHandshakeMs:F1} ms, {result.InTwoRoundTrips} in two round trips; protected link: {result.LinkFrames} frames, {result.ReadableFrames.Count} readable"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{result.Denial.User} denied at {result.Denial.AtSeconds:F2} s: the last octet came {result.Denial.LastOctetMs:F0} ms after the order; nothing passed at any access point afterwards"));
        foreach (var trial in result.Trials.Where(t => !t.IsRight))
        {
            output.WriteLine($"  not as the policy says: {trial.User} at AP{trial.AccessPoint}, {trial.What}: {trial.Bytes} octets");
        }

        output.WriteLine(result.Verdict is "ok"
            ? $"Verdict: ok. {result.Users[0].Name} walked {result.Users[0].Roams.Count} times on a protected link and authenticated once; each user could do what the policy says and no more, wherever he was."
            : $"Verdict: not ok. {result.Verdict}.");
    }

    public static void Write(TextWriter output, AuthResult result)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, s_writing))
        {
            json.WriteStartObject();
            json.WriteStartArray("users");
            foreach (var user in result.Users)
            {
                Write(json, user);
            }

            json.WriteEndArray();
            json.WriteStartArray("trials");
            foreach (var trial in result.Trials)
            {
                json.WriteStartObject();
                json.WriteString("user", trial.User);
                json.WriteString("ap", $"AP{trial.AccessPoint}");
                json.WriteString("what", trial.What);
                json.WriteBoolean("allowed", trial.Allowed);
                json.WriteNumber("bytes", trial.Bytes);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartObject("denied");
            json.WriteString("user", result.Denial.User);
            Ms(json, "at_s", result.Denial.AtSeconds);
            Ms(json, "last_octet_ms", result.Denial.LastOctetMs);
            json.WriteEndObject();
            json.WriteNumber("handshakes", result.Handshakes.Count);
            json.WriteNumber("handshakes_in_two_round_trips", result.InTwoRoundTrips);
            Ms(json, "handshake_ms_p50", result.MedianHandshakeMs);
            json.WriteNumber("link_frames", result.LinkFrames);
            json.WriteNumber("link_frames_readable", result.ReadableFrames.Count);
            Ms(json, "seconds", result.Duration.TotalSeconds);
            json.WriteString("verdict", result.Verdict);
            json.WriteEndObject();
        }

        output.WriteLine(Encoding.UTF8.GetString(buffer.ToArray()));
    }

    private static void Write(Utf8JsonWriter json, UserOutcome user)
    {
        json.WriteStartObject();
        json.WriteString("name", user.Name);
        json.WriteString("client", user.Client);
        json.WriteString("with", user.With);
        json.WriteNumber("logins", user.Logins);
        json.WriteNumber("connections", user.Connections);
        json.WriteNumber("connections_alive", user.Alive);
        Ms(json, "gap_ms_p50", user.MedianBeyondMs);
        json.WriteStartArray("timeline");
        foreach (var roam in user.Roams)
        {
            json.WriteStartObject();
            Ms(json, "at_s", roam.AtSeconds);
            json.WriteString("from", $"AP{roam.From}");
            json.WriteString("to", $"AP{roam.To}");
            json.WriteString("proof", roam.Proof);
            Ms(json, "switch_ms", roam.SwitchMs);
            if (!double.IsNaN(roam.SilenceMs))
            {
                Ms(json, "gap_ms", roam.BeyondMs);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Ms(Utf8JsonWriter json, string name, double value) => json.WriteNumber(name, Math.Round(value, 3));
}
