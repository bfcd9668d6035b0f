using Spectre.Console;

namespace Masquerade.Cli.Site;

/// <summary>Rows with headings: a table on a terminal, aligned lines anywhere else.</summary>
internal sealed class Sheet(params IReadOnlyList<string> headings)
{
    private readonly List<string[]> _rows = [];

    public void Add(params string[] cells) => _rows.Add(cells);

    public void Write(TextWriter output, bool isTerminal)
    {
        if (isTerminal)
        {
            var table = new Table().Border(TableBorder.Simple);
            foreach (var heading in headings)
            {
                table.AddColumn(new TableColumn(new Text(heading, new Style(decoration: Decoration.Bold))).NoWrap());
            }

            foreach (var row in _rows)
            {
                table.AddRow(row.Select(cell => new Text(cell)));
            }

            AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) }).Write(table);
            return;
        }

        var widths = headings.Select((h, i) => _rows.Select(r => r[i].Length).Append(h.Length).Max()).ToArray();
        Line(headings);
        _rows.ForEach(Line);

        void Line(IReadOnlyList<string> cells) =>
            output.WriteLine(string.Join("  ", cells.Select((c, i) => i == cells.Count - 1 ? c : c.PadRight(widths[i]))).TrimEnd());
    }
}
