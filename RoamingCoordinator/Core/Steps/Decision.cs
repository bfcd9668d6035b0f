using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>What a step may look at besides the client's record.</summary>
/// <param name="Nodes">The nodes.</param>
/// <param name="Options">Limits and times.</param>
/// <param name="Now">The time.</param>
/// <param name="Token">A fresh random number for a move.</param>
public sealed record StepContext(NodeDirectory Nodes, CoordinatorOptions Options, Instant Now, ulong Token)
{
    /// <summary>Whether the store has forgotten a moment ago: nodes may not have said yet what they know.</summary>
    public bool StoreMayLack { get; init; }

    /// <summary>Who decides: <see cref="ClientRecord.Decider"/> of what is decided now.</summary>
    public ulong Decider { get; init; }

    /// <summary>
    /// The epoch of a move: above <paramref name="known"/>, and not below the clock. A store that has forgotten moves can so never give a number again that an access point
    /// out of reach still holds.
    /// </summary>
    public Epoch NextEpoch(Epoch known)
    {
        var clock = Options.EpochClock is { } origin ? new Epoch(origin + (ulong)Math.Max(0, Now.Nanoseconds / 1_000_000)) : Epoch.None;
        var next = known.Next();
        return clock > next ? clock : next;
    }
}

/// <summary>
/// What a step decides: the client's next record, one answer to the asker, and pushes to other nodes, which are repeated until acknowledged. A step has no side
/// effects: if the record cannot be set because somebody else has set it, the decision is thrown away and made again.
/// </summary>
/// <param name="Next">The next record; null changes nothing.</param>
/// <param name="Answer">The answer; null if there is none (yet).</param>
public sealed record Decision(ClientRecord? Next, ControlMessage? Answer)
{
    /// <summary>Pushes, in order; the driver numbers them.</summary>
    public List<(NodeId Node, ControlMessage Message)> Pushes { get; } = [];

    /// <summary>What operators may want to know.</summary>
    public List<CoordinatorEvent> Events { get; } = [];

    /// <summary>This decision, made over the record that another one has left: what both say, the other one's first.</summary>
    public Decision After(Decision first)
    {
        var both = new Decision(Next ?? first.Next, Answer);
        both.Pushes.AddRange(first.Pushes);
        both.Pushes.AddRange(Pushes);
        both.Events.AddRange(first.Events);
        both.Events.AddRange(Events);
        return both;
    }

    /// <summary>A decision that only answers.</summary>
    public static Decision Reply(ControlMessage answer) => new(null, answer);

    /// <summary>A decision that only acknowledges.</summary>
    public static Decision Acknowledge(ulong id, AckStatus status) => new(null, new Ack { Id = id, Status = status });
}
