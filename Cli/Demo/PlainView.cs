using System.Globalization;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;

namespace Masquerade.Cli.Demo;

/// <summary>Follows a run with one line for each event, for pipes and log files.</summary>
internal sealed class PlainView(TextWriter output) : IDemoObserver
{
    private const double TableEverySeconds = 5;
    private double _nextTable;
    private double _nextCrowd;

    public void Note(string text) => output.WriteLine(text);

    public void Roamed(RoamRecord roam, double seconds) =>
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seconds,7:F2}s  c{roam.Client + 1} walks AP{roam.From + 1} → AP{roam.To + 1}"));

    public void RoamMeasured(int number, RoamGap gap) =>
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"          roam {number}: link dead {gap.SwitchMs:F1} ms; longest silence {gap.DownMs:F1} ms down, {gap.UpMs:F1} ms up; {gap.BeyondMs:F1} ms beyond the switch"));

    public void Killed(string what, double seconds) => output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seconds,7:F2}s  KILLED {what}"));

    public void Back(string what, double seconds) => output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seconds,7:F2}s  {what} is back"));

    public void KillMeasured(KillReport kill) => output.WriteLine("          " + Describe(kill));

    public void Crowd(int moving, int all, double seconds)
    {
        if (seconds >= _nextCrowd)
        {
            _nextCrowd = seconds + TableEverySeconds;
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seconds,7:F2}s  {moving} of {all} slow connections received something within the last second"));
        }
    }

    public void Table(IReadOnlyList<ConnectionRow> rows, double seconds)
    {
        if (seconds < _nextTable)
        {
            return;
        }

        _nextTable = seconds + TableEverySeconds;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seconds,7:F2}s  connections:"));
        foreach (var row in rows)
        {
            var c = row.Connection;
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"          {c.Protocol,-4} c{c.Client + 1} {c.Name,-22} server sees {c.SeenByServer?.ToString() ?? "-",-22} HAM {Place(row.Ham),-3} FAM {Place(row.Fam),-3} {c.Health,-9} {c.Bytes / 1024.0,9:F0} KiB {c.Failure}"));
        }
    }

    internal static string Describe(KillReport kill) => string.Create(CultureInfo.InvariantCulture,
        $"{kill.Gaps.Count} connections concerned: longest silence p50 {kill.Gap(50):F0} ms, p99 {kill.Gap(99):F0} ms, longest {kill.Gap(100):F0} ms; when it came back {kill.ReturnGap(100):F0} ms");

    internal static string Place(int accessPoint) => accessPoint == 0 ? "–" : string.Create(CultureInfo.InvariantCulture, $"AP{accessPoint}");
}
