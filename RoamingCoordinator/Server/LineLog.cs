using System.Globalization;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>One line per event, with wall time, for a terminal or a service manager's journal. Texts from outside are made printable.</summary>
internal sealed class LineLog(TextWriter output)
{
    private readonly Lock _gate = new();

    public void Write(string level, string text)
    {
        var line = string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));
        lock (_gate)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTimeOffset.UtcNow:yyyy-MM-ddTHH:mm:ss.fffZ} {level} {line}"));
        }
    }
}
