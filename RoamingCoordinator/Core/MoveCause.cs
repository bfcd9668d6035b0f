namespace Masquerade.RoamingCoordinator;

/// <summary>Why a masquerade address moves to another node.</summary>
public enum MoveCause
{
    /// <summary>The owner has failed.</summary>
    Failure,

    /// <summary>It goes home: the node that it was configured at is back, or has room again.</summary>
    Return,

    /// <summary>An operator wants nothing to be anchored at the owner.</summary>
    Drain,

    /// <summary>The owner anchors much more than another node.</summary>
    Load,
}
