using System.Globalization;

namespace Masquerade.Lab.Scenario;

/// <summary>What a run must achieve to be called "ok".</summary>
public static class DemoVerdict
{
    /// <summary>Highest median of the gaps beyond the switch of the link, ms.</summary>
    public const double GapLimitMs = 5;

    /// <summary>The same where coordinators share a store: they ask it two or three times for a move, one question after the other.</summary>
    public const double SharedGapLimitMs = 10;

    /// <summary>Where something is killed, that many milliseconds is the longest that 99 of 100 connections may stand still.</summary>
    public const double TakeoverLimitMs = 2000;

    /// <summary>Judges a run; "ok" or all reasons why not.</summary>
    /// <param name="result">What was measured.</param>
    /// <param name="takeoverLimitMs">The longest that 99 of 100 connections may stand still where something is killed, ms.</param>
    public static string Judge(DemoResult result, double takeoverLimitMs = TakeoverLimitMs)
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

        Unless(result.ProgramFailure is null, result.ProgramFailure ?? string.Empty);
        Unless(result.TcpConnections > 0 && result.Udp.Sent > 0, "nothing was sent");
        Unless(result.TcpResets == 0, $"{result.TcpResets} TCP connections were reset or refused");
        Unless(result.TcpStalled == 0, $"{result.TcpStalled} TCP connections no longer moved");
        Unless(result.TcpCorrupted == 0, $"{result.TcpCorrupted} TCP connections delivered wrong bytes");
        Unless(result.Udp.Corrupted == 0, $"{result.Udp.Corrupted} datagrams had wrong content");
        var lost = result.Udp.Lost - result.Udp.LostInKills;
        Unless(lost <= Math.Max(1, result.Roams), $"{lost} datagrams lost, more than one per roam");
        Unless(result.Udp.Duplicated == 0, $"{result.Udp.Duplicated} datagrams duplicated");
        Unless(result.Connections.All(c => c.Protocol is "TCP" || c.Health is "Finished"), "a UDP or ping flow never answered");
        if (result.Kills is null)
        {
            var limit = result.Site is { Coordinators.Count: > 1 } ? SharedGapLimitMs : GapLimitMs;
            Unless(result.Gap(50) < limit, string.Create(CultureInfo.InvariantCulture, $"the median gap is {result.Gap(50):F1} ms beyond the switch, not under {limit} ms"));
        }
        else
        {
            void UnderLimit(double gap, string when) =>
                Unless(gap < takeoverLimitMs, string.Create(CultureInfo.InvariantCulture, $"the 99th percentile of the gaps {when} is {gap:F0} ms, not under {takeoverLimitMs} ms"));
            UnderLimit(result.TakeoverGap(99), "when an access point died");
            UnderLimit(result.OutageGap(99), "when a coordinator or the store died");
            UnderLimit(result.ReturnGap(99), "when what had died came back");
            UnderLimit(result.Gap(99), "of roams");
            foreach (var trouble in result.Troubles)
            {
                Unless(good: false, trouble);
            }
        }

        Unless(result.Path.Encapsulated == 0, $"{result.Path.Encapsulated} packets were encapsulated or longer than the original");
        Unless(result.Path.Ok, "packets took another way than the direct one: " + (result.Path.Violations.Count > 0 ? result.Path.Violations[0] : "?"));
        Unless(result.CaptureDrops == 0, $"the captures missed {result.CaptureDrops} frames, so the proof is incomplete");
        return reasons.Count == 0 ? "ok" : string.Join("; ", reasons);
    }
}
