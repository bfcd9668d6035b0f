using Masquerade.Lab.Radio;
using Masquerade.Lab.Traffic;

namespace Masquerade.Lab.Scenario;

/// <summary>One line of the live table.</summary>
/// <param name="Connection">The connection.</param>
/// <param name="Ham">The access point that anchors it, 1 is AP1; 0 unknown.</param>
/// <param name="Fam">The access point where its client is, 1 is AP1; 0 while the link is switching.</param>
public sealed record ConnectionRow(LabConnection Connection, int Ham, int Fam);

/// <summary>Follows a run. Called on the run's own thread.</summary>
public interface IDemoObserver
{
    /// <summary>Something worth a line happened.</summary>
    void Note(string text);

    /// <summary>A client has arrived at another access point; the gap is known when <see cref="RoamMeasured"/> comes.</summary>
    void Roamed(RoamRecord roam, double seconds);

    /// <summary>The silence around an earlier roam, as far as both applications have noticed it.</summary>
    void RoamMeasured(int number, RoamGap gap);

    /// <summary>The state of all connections, a few times a second.</summary>
    void Table(IReadOnlyList<ConnectionRow> rows, double seconds);

    /// <summary>How many of a crowd of connections received something within the last second.</summary>
    void Crowd(int moving, int all, double seconds);

    /// <summary>Something has been killed.</summary>
    void Killed(string what, double seconds);

    /// <summary>It is there again.</summary>
    void Back(string what, double seconds);

    /// <summary>What a kill did, as far as it is known.</summary>
    void KillMeasured(KillReport kill);
}
