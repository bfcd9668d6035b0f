using System.Globalization;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Masquerade.Cli.Demo;

/// <summary>Follows a run on a terminal: a table of connections and a timeline of roams, redrawn in place.</summary>
internal sealed class LiveView : IDemoObserver
{
    private const int RoamsShown = 12;
    private readonly LiveDisplayContext _display;
    private readonly string _title;
    private readonly int _roams;
    private readonly List<(RoamRecord Roam, double Seconds, RoamGap? Gap)> _timeline = [];
    private IReadOnlyList<ConnectionRow> _rows = [];
    private double _seconds;
    private readonly List<(string What, double Seconds, double? Back, KillReport? Report)> _kills = [];
    private string _crowd = string.Empty;
    private string _note = string.Empty;

    private LiveView(LiveDisplayContext display, string title, DemoOptions options)
    {
        _display = display;
        _title = title;
        _roams = options.Roams;
    }

    /// <summary>Runs <paramref name="walk"/> under a live display, whose last picture stays on the screen.</summary>
    public static DemoResult Follow(IAnsiConsole console, string title, DemoOptions options, Func<IDemoObserver, DemoResult> walk) =>
        console.Live(new Text($"{title}: preparing the network …")).Start(display => walk(new LiveView(display, title, options)));

    public void Note(string text)
    {
        _note = text;
        Draw();
    }

    public void Roamed(RoamRecord roam, double seconds)
    {
        _timeline.Add((roam, seconds, null));
        Draw();
    }

    public void RoamMeasured(int number, RoamGap gap)
    {
        _timeline[number - 1] = _timeline[number - 1] with { Gap = gap };
        Draw();
    }

    public void Killed(string what, double seconds)
    {
        _kills.Add((what, seconds, null, null));
        Draw();
    }

    public void Back(string what, double seconds)
    {
        _kills[^1] = _kills[^1] with { Back = seconds };
        Draw();
    }

    public void KillMeasured(KillReport kill)
    {
        _kills[^1] = _kills[^1] with { Report = kill };
        Draw();
    }

    public void Crowd(int moving, int all, double seconds) =>
        _crowd = string.Create(CultureInfo.InvariantCulture, $"{moving} of {all} slow connections received something within the last second");

    public void Table(IReadOnlyList<ConnectionRow> rows, double seconds)
    {
        _rows = rows;
        _seconds = seconds;
        Draw();
    }

    private static string Paint(ConnectionHealth health) => health switch
    {
        ConnectionHealth.Running or ConnectionHealth.Finished => $"[green]{health}[/]",
        ConnectionHealth.Opening => "[yellow]Opening[/]",
        _ => $"[red bold]{health}[/]",
    };

    private void Draw()
    {
        var table = new Table().Border(TableBorder.Rounded).Title(Markup.Escape(string.Create(CultureInfo.InvariantCulture, $"{_title} — {_seconds:F1} s")));
        table.AddColumns("", "Client", "Server", "Server sees", "HAM", "FAM", "State", "Received");
        foreach (var row in _rows)
        {
            var c = row.Connection;
            var moved = row.Ham != 0 && row.Fam != 0 && row.Ham != row.Fam;
            table.AddRow(
                $"{c.Protocol} {Markup.Escape(c.Name)}",
                $"c{c.Client + 1} {c.ClientEndpoint}",
                c.Server.ToString(),
                c.SeenByServer?.ToString() ?? "–",
                PlainView.Place(row.Ham),
                moved ? $"[yellow]{PlainView.Place(row.Fam)}[/]" : PlainView.Place(row.Fam),
                Paint(c.Health),
                string.Create(CultureInfo.InvariantCulture, $"{c.Bytes / 1024.0:F0} KiB"));
        }

        var timeline = new Table().Border(TableBorder.Simple).Title($"Roams {_timeline.Count}/{_roams}");
        timeline.AddColumns("at", "c1 walks", "link dead", "silence down", "silence up", "beyond the switch");
        foreach (var (roam, seconds, gap) in _timeline.TakeLast(RoamsShown))
        {
            timeline.AddRow(
                string.Create(CultureInfo.InvariantCulture, $"{seconds:F1} s"),
                $"AP{roam.From + 1} → AP{roam.To + 1}",
                Ms(gap?.SwitchMs),
                Ms(gap?.DownMs),
                Ms(gap?.UpMs),
                gap is null ? "…" : gap.BeyondMs < DemoVerdict.GapLimitMs ? $"[green]{Ms(gap.BeyondMs)}[/]" : $"[red]{Ms(gap.BeyondMs)}[/]");
        }

        var parts = new List<IRenderable> { table, timeline };
        if (_kills.Count > 0)
        {
            var kills = new Table().Border(TableBorder.Simple).Title("Killed");
            kills.AddColumns("at", "what", "back", "silence p50", "p99", "longest", "on its return");
            foreach (var (what, seconds, back, report) in _kills.TakeLast(RoamsShown))
            {
                kills.AddRow(
                    string.Create(CultureInfo.InvariantCulture, $"{seconds:F1} s"),
                    Markup.Escape(what),
                    back is { } b ? string.Create(CultureInfo.InvariantCulture, $"{b:F1} s") : "…",
                    Ms(report?.Gap(50)),
                    report is null ? "…" : report.Gap(99) < DemoVerdict.TakeoverLimitMs ? $"[green]{Ms(report.Gap(99))}[/]" : $"[red]{Ms(report.Gap(99))}[/]",
                    Ms(report?.Gap(100)),
                    Ms(report?.ReturnGap(100)));
            }

            parts.Add(kills);
        }

        if (_crowd.Length > 0)
        {
            parts.Add(new Text(_crowd));
        }

        if (_note.Length > 0)
        {
            parts.Add(new Text(_note));
        }

        _display.UpdateTarget(new Rows(parts));
    }

    private static string Ms(double? value) => value is { } v ? string.Create(CultureInfo.InvariantCulture, $"{v:F1} ms") : "…";
}
