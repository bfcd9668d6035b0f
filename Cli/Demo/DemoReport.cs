using System.Globalization;
using Masquerade.Lab.Scenario;
using Spectre.Console;

namespace Masquerade.Cli.Demo;

/// <summary>The end of a demonstration in plain words: the figures, side by side with today's network if asked for, and the verdict.</summary>
internal static class DemoReport
{
    private const int ConnectionsShown = 40;

    public static void Print(IAnsiConsole console, bool styled, TextWriter plain, DemoOptions options, DemoResult ours, DemoResult? today)
    {
        var rows = Rows(ours);
        var ourName = options.Network switch { NetworkKind.KernelNat => "kernel NAT", NetworkKind.Ideal => "calibration", _ => "Masquerade" };
        var other = today is null ? null : Rows(today);
        if (styled)
        {
            var table = new Table().Border(TableBorder.Rounded);
            table.AddColumn("");
            if (other is not null)
            {
                table.AddColumn(new TableColumn("kernel NAT").RightAligned());
            }

            table.AddColumn(new TableColumn(ourName).RightAligned());
            for (var i = 0; i < rows.Count; i++)
            {
                table.AddRow(other is null ? [rows[i].Name, rows[i].Value] : [rows[i].Name, other[i].Value, rows[i].Value]);
            }

            console.Write(table);
        }
        else
        {
            plain.WriteLine(other is null ? $"{"",-46}{ourName,16}" : $"{"",-46}{"kernel NAT",16}{ourName,16}");
            for (var i = 0; i < rows.Count; i++)
            {
                plain.WriteLine(other is null ? $"{rows[i].Name,-46}{rows[i].Value,16}" : $"{rows[i].Name,-46}{other[i].Value,16}{rows[i].Value,16}");
            }
        }

        foreach (var connection in ours.Connections.Where(c => c.Health is not "Finished").Take(ConnectionsShown))
        {
            plain.WriteLine($"  {connection.Client} {connection.Protocol} {connection.Name} to {connection.Server}, seen as {connection.SeenByServer}: {connection.Health} {connection.Failure}");
        }

        foreach (var loss in ours.Losses)
        {
            plain.WriteLine($"  lost: {loss}");
        }

        foreach (var kill in ours.Kills ?? [])
        {
            plain.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  killed at {kill.AtSeconds:F2} s, back at {kill.BackSeconds:F2} s: {kill.What}"));
            plain.WriteLine($"    {PlainView.Describe(kill)}");
        }

        foreach (var violation in ours.Path.Violations)
        {
            plain.WriteLine($"  path: {violation}");
        }

        if (today is not null)
        {
            var dead = Dead(today);
            plain.WriteLine(dead > 0
                ? $"Ordinary kernel NAT: {dead} of {today.TcpConnections} TCP connections died while the client walked."
                : "Ordinary kernel NAT: no TCP connection died; this comparison shows nothing.");
        }

        var sentence = ours.Verdict is not "ok" ? $"Verdict: not ok. {ours.Verdict}."
            : ours.Kills is { } kills ? string.Create(CultureInfo.InvariantCulture, $"Verdict: ok. {kills.Count} kills, {ours.Roams} roams, {ours.TcpConnections} TCP connections, none died; of those whose access point died 99 of 100 stood still for at most {ours.TakeoverGap(99):F0} ms.")
            : string.Create(CultureInfo.InvariantCulture, $"Verdict: ok. {ours.Roams} roams, {ours.TcpConnections} TCP connections, none died; the median gap was {ours.Gap(50):F1} ms beyond the {options.SwitchTime.TotalMilliseconds:F0} ms that the radio itself was off.");
        if (styled)
        {
            console.MarkupLine(ours.Verdict is "ok" ? $"[green bold]{Markup.Escape(sentence)}[/]" : $"[red bold]{Markup.Escape(sentence)}[/]");
        }
        else
        {
            plain.WriteLine(sentence);
        }
    }

    private static int Dead(DemoResult result) => result.TcpResets + result.TcpStalled + result.TcpCorrupted;

    private static List<(string Name, string Value)> Rows(DemoResult r)
    {
        static string N(long n) => n.ToString("N0", CultureInfo.InvariantCulture);
        static string F(double n) => n.ToString("F1", CultureInfo.InvariantCulture);
        List<(string Name, string Value)> rows =
        [
            ("roams", N(r.Roams)),
            ("TCP connections", N(r.TcpConnections)),
            ("  reset, refused or timed out", N(r.TcpResets)),
            ("  no longer moving at the end", N(r.TcpStalled)),
            ("  with wrong bytes", N(r.TcpCorrupted)),
            ("UDP datagrams sent, both ways", N(r.Udp.Sent)),
            ("  not sent: the radio was off (udp_unsent)", N(r.Udp.Unsent)),
            ("  lost", N(r.Udp.Lost)),
            .. r.Kills is null ? [] : new (string Name, string Value)[] { ("    while something killed was replaced", N(r.Udp.LostInKills)) },
            ("  duplicated", N(r.Udp.Duplicated)),
            ("  reordered", N(r.Udp.Reordered)),
            ("pings sent", N(r.PingSent)),
            ("  not answered over a live link", N(r.PingLost)),
            ("gap beyond the link switch, median (ms)", F(r.Gap(50))),
            ("  99th percentile (ms)", F(r.Gap(99))),
            ("  longest (ms)", F(r.Gap(100))),
            ("whole silence, median (ms)", F(r.RawGap(50))),
            ("packets encapsulated or longer than sent", N(r.Path.Encapsulated)),
            ("direct path, proven by captures", r.Path.Ok ? "yes" : "no"),
            ("inbound datagrams seen at HAM, then FAM", N(r.Path.ViaHamThenFam)),
        ];
        if (r.Kills is { } kills)
        {
            rows.AddRange(
            [
                ("kills", N(kills.Count)),
                ("silence, an access point died: p50 (ms)", F(r.TakeoverGap(50))),
                ("  99th percentile (ms)", F(r.TakeoverGap(99))),
                ("  longest (ms)", F(r.TakeoverGap(100))),
                ("silence, coordinator or store died: p99 (ms)", F(r.OutageGap(99))),
                ("  longest (ms)", F(r.OutageGap(100))),
                ("silence, what had died came back: p99 (ms)", F(r.ReturnGap(99))),
                ("  longest (ms)", F(r.ReturnGap(100))),
            ]);
        }

        return rows;
    }
}
