using System.Globalization;

namespace Masquerade.Lab.Scenario;

/// <summary>What a run must achieve to be called "ok".</summary>
public static class DemoVerdict
{
    /// <summary>Highest median of the gaps beyond the switch of the link, ms.</summary>
    public const double GapLimitMs = 5;

    /// <summary>Judges a run; "ok" or all reasons why not.</summary>
    public static string Judge(DemoResult result, string? programFailure)
    {
        ArgumentNullException.ThrowIfNull(result);
        var reasons = new List<string>();
        void Unless(bool good, string reason)
        {
            if (!good)
            {
                reasons.Add(reason);
            }
        }

        Unless(programFailure is null, programFailure ?? string.Empty);
        Unless(result.TcpConnections > 0 && result.Udp.Sent > 0, "nothing was sent");
        Unless(result.TcpResets == 0, $"{result.TcpResets} TCP connections were reset or refused");
        Unless(result.TcpStalled == 0, $"{result.TcpStalled} TCP connections no longer moved");
        Unless(result.TcpCorrupted == 0, $"{result.TcpCorrupted} TCP connections delivered wrong bytes");
        Unless(result.Udp.Corrupted == 0, $"{result.Udp.Corrupted} datagrams had wrong content");
        Unless(result.Udp.Lost <= Math.Max(1, result.Roams), $"{result.Udp.Lost} datagrams lost, more than one per roam");
        Unless(result.Udp.Duplicated == 0, $"{result.Udp.Duplicated} datagrams duplicated");
        Unless(result.Connections.All(c => c.Protocol is "TCP" || c.Health is "Finished"), "a UDP or ping flow never answered");
        Unless(result.Gap(50) < GapLimitMs, string.Create(CultureInfo.InvariantCulture, $"the median gap is {result.Gap(50):F1} ms beyond the switch, not under {GapLimitMs} ms"));
        Unless(result.Path.Encapsulated == 0, $"{result.Path.Encapsulated} packets were encapsulated or longer than the original");
        Unless(result.Path.Ok, "packets took another way than the direct one: " + (result.Path.Violations.Count > 0 ? result.Path.Violations[0] : "?"));
        Unless(result.CaptureDrops == 0, $"the captures missed {result.CaptureDrops} frames, so the proof is incomplete");
        return reasons.Count == 0 ? "ok" : string.Join("; ", reasons);
    }
}
