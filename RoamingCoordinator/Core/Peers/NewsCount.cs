namespace Masquerade.RoamingCoordinator;

/// <summary>
/// How much each other coordinator has said to all, and how much of it was heard: what is published may get lost without anybody being told, so each coordinator says from time to
/// time how often it has spoken. May be called by several threads.
/// </summary>
public sealed class NewsCount
{
    /// <summary>Coordinators come and go; those that are there are learnt again with the next that they say.</summary>
    private const int MaxLives = 4_096;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, (ulong Said, ulong Heard)> _lives = [];

    /// <summary>Another coordinator has said something to all.</summary>
    public void Hear(ulong life)
    {
        lock (_gate)
        {
            Make(life);
            _lives[life] = _lives[life] with { Heard = _lives[life].Heard + 1 };
        }
    }

    /// <summary>Another coordinator says how often it has said something. True if not all of that was heard, since it last said so.</summary>
    public bool HasMissed(ulong life, ulong said)
    {
        lock (_gate)
        {
            Make(life);
            var known = _lives[life];
            _lives[life] = (said, 0);
            return said - known.Said != known.Heard;
        }
    }

    private void Make(ulong life)
    {
        if (!_lives.ContainsKey(life))
        {
            if (_lives.Count >= MaxLives)
            {
                _lives.Clear();
            }

            _lives[life] = default;
        }
    }
}
