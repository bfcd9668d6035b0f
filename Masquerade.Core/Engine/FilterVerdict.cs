namespace Masquerade.Core.Engine;

/// <summary>What a filter has decided about a connection.</summary>
public enum FilterAction : byte
{
    /// <summary>Nothing of it passes.</summary>
    Deny = 0,

    /// <summary>It passes, both ways.</summary>
    Allow,

    /// <summary>It passes, both ways, as long as its bucket has tokens.</summary>
    Limit,
}

/// <summary>Who opened a connection.</summary>
public enum FilterDirection : byte
{
    /// <summary>The client did.</summary>
    Out = 0,

    /// <summary>The far end did.</summary>
    In,
}

/// <summary>How fast what a rule limits may go: a token bucket that both directions share.</summary>
/// <param name="BytesPerSecond">Octets of IP packets per second, at least 1.</param>
/// <param name="Burst">The bucket's depth in octets.</param>
public readonly record struct RateLimit(long BytesPerSecond, int Burst);

/// <summary>A filter's decision about a connection.</summary>
/// <param name="Action">What becomes of it.</param>
/// <param name="Rule">The index of the rule that decided, from 0; -1 if none matched.</param>
/// <param name="Bucket">Which of the policy's limits, from 0; -1 if the action is no limit.</param>
public readonly record struct FilterVerdict(FilterAction Action, int Rule, int Bucket = -1)
{
    /// <summary>No rule matches, and what is not allowed is denied.</summary>
    public static readonly FilterVerdict NoRule = new(FilterAction.Deny, -1);

    /// <summary>Whether packets may pass.</summary>
    public bool Passes => Action != FilterAction.Deny;
}
