using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;

namespace Masquerade.Bench;

/// <summary>Watches a story for a benchmark, which tells only its figures.</summary>
internal sealed class SilentObserver : IDemoObserver
{
    public void Note(string text)
    {
    }

    public void Roamed(RoamRecord roam, double seconds)
    {
    }

    public void RoamMeasured(int number, RoamGap gap)
    {
    }

    public void Killed(string what, double seconds)
    {
    }

    public void Back(string what, double seconds)
    {
    }

    public void KillMeasured(KillReport kill)
    {
    }

    public void Crowd(int moving, int all, double seconds)
    {
    }

    public void Table(IReadOnlyList<ConnectionRow> rows, double seconds)
    {
    }
}
