using System.Text.Json;
using Masquerade.Pki.Trust;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>Counts refused connections by reason, and logs them at a bounded rate: who is refused a thousand times a second must not fill the disk.</summary>
internal sealed class RefusalBook(LineLog log)
{
    private const int LinesPerSecond = 10;

    private readonly Lock _gate = new();
    private readonly long[] _counts = new long[Enum.GetValues<Refusal>().Length];
    private long _second;
    private int _lines;
    private long _unsaid;

    public void Refused(string peer, Refusal refusal, string reason)
    {
        string? more = null;
        lock (_gate)
        {
            _counts[(int)refusal]++;
            var second = Environment.TickCount64 / 1_000;
            if (second != _second)
            {
                more = _unsaid > 0 ? $"{_unsaid} more connections were refused; the state document counts them" : null;
                (_second, _lines, _unsaid) = (second, 0, 0);
            }

            if (++_lines > LinesPerSecond)
            {
                _unsaid++;
                return;
            }
        }

        if (more is not null)
        {
            log.Write("warning", more);
        }

        log.Write("warning", $"{peer}: refused ({refusal}): {reason}");
    }

    /// <summary>How often each reason occurred.</summary>
    public IReadOnlyList<(Refusal Reason, long Count)> Counts()
    {
        lock (_gate)
        {
            return [.. Enum.GetValues<Refusal>().Where(r => r != Refusal.None).Select(r => (r, _counts[(int)r]))];
        }
    }

    /// <summary>Writes an object's members: each reason and how often.</summary>
    public void Describe(Utf8JsonWriter json)
    {
        lock (_gate)
        {
            foreach (var refusal in Enum.GetValues<Refusal>().Where(r => r != Refusal.None))
            {
                json.WriteNumber(char.ToLowerInvariant(refusal.ToString()[0]) + refusal.ToString()[1..], _counts[(int)refusal]);
            }
        }
    }
}
