using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>What other nodes have found out about one that is silent.</summary>
internal sealed class Inquest(ulong token, Instant deadline)
{
    public ulong Token { get; } = token;

    public Instant Deadline { get; } = deadline;

    /// <summary>Questions under way, by number, and who is asked.</summary>
    public Dictionary<ulong, NodeState> Asked { get; } = [];

    public int Dead { get; set; }
}

/// <summary>
/// Whether nodes are alive. A node that has lost its session, or has been silent for some heartbeats, is suspected; that alone is not death. Two others are asked to reach it
/// on its uplink, where clients' packets go. Only if it answers none of them is it taken for dead. The coordinator that has a node's session looks after it; one that nobody
/// has is looked after by all, and what they do about it is agreed on in the book of addresses.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>Heartbeats that a live node may miss.</summary>
    private const int MissedHeartbeats = 3;

    /// <summary>How many nodes look after a silent one.</summary>
    private const int Probers = 2;

    /// <summary>When a node is looked after again that has no session and is alive all the same.</summary>
    private static readonly TimeSpan WatchAgain = TimeSpan.FromMilliseconds(500);

    /// <summary>A node's coordinator has said that it has lost it: that one looks after it first.</summary>
    private static readonly TimeSpan WatchForOthers = TimeSpan.FromSeconds(2);

    /// <summary>Nodes that were taken for dead.</summary>
    public long NodesFailed { get; private set; }

    private TimeSpan Silence => _options.Heartbeat * MissedHeartbeats;

    private bool IsHeard(NodeState node) => node.IsHere && _now - node.LastHeard < Silence;

    /// <summary>Whether a node is heard here, or is another coordinator's to listen to.</summary>
    private bool IsThere(NodeState node) => node.Via != 0 || IsHeard(node);

    private void Watch(NodeState node, Instant now)
    {
        if (node.Inquest is { } inquest)
        {
            if (IsThere(node))
            {
                Close(node, now + Silence);
            }
            else if (now >= inquest.Deadline)
            {
                Conclude(node, inquest, now);
            }
        }
        else if (now >= node.WatchAt)
        {
            if (IsThere(node))
            {
                node.WatchAt = node.IsHere ? node.LastHeard + Silence : Instant.Never;
            }
            else
            {
                Suspect(node, now);
            }
        }
    }

    private void Suspect(NodeState node, Instant now)
    {
        node.IsSilent = true;
        LeaveToOthers(node, from: 0);

        // If nobody could take its place there is nothing to find out. The next node that comes may, or one that is only silent for a moment.
        node.WatchAt = node.IsHere || (Nodes.OwnedBy(node).Any() && Nodes.Nodes.Any(n => n != node && n.IsConnected)) ? now + WatchAgain : Instant.Never;
        if (!_options.Takeover || !Nodes.OwnedBy(node).Any(a => FindTaker(a, node, []) is not null))
        {
            return;
        }

        var near = Nodes.Nodes.Where(n => n != node && IsThere(n) && !Nodes.IsFenced(n) && n.Addresses.Any(a => a.IsIPv4 == node.PeerEndpoint.Address.IsIPv4)).ToList();
        if (near.Count == 0 || node.PeerEndpoint.IsNone)
        {
            node.WatchAt = now + WatchAgain;
            return;
        }

        var inquest = new Inquest(_random.NextUInt64(), now + _options.ProbeTimeout);
        node.Inquest = inquest;
        var first = _random.NextInt(near.Count);
        for (var i = 0; i < Math.Min(Probers, near.Count); i++)
        {
            var prober = near[(first + i) % near.Count];
            var question = new ProbeNode { Id = ++_lastId, Peer = node.PeerEndpoint, Token = inquest.Token };
            if (prober.Outbox.Send(question, now))
            {
                inquest.Asked[question.Id] = prober;
            }
        }
    }

    private void OnProbeResult(NodeState prober, ProbeResult result)
    {
        prober.Outbox.Complete(result.Id);
        var node = Nodes.Nodes.FirstOrDefault(n => n.Inquest?.Asked.GetValueOrDefault(result.Id) == prober);
        if (node?.Inquest is not { } inquest)
        {
            return;
        }

        inquest.Asked.Remove(result.Id);
        if (result.Alive)
        {
            Close(node, _now + WatchAgain);
            return;
        }

        inquest.Dead++;
        if (inquest.Asked.Count == 0)
        {
            Conclude(node, inquest, _now);
        }
    }

    private void Close(NodeState node, Instant next)
    {
        foreach (var (id, prober) in node.Inquest?.Asked ?? [])
        {
            prober.Outbox.Complete(id);
        }

        node.Inquest = null;
        node.WatchAt = next;
    }

    private void Conclude(NodeState node, Inquest inquest, Instant now)
    {
        // Without any answer it is the others who may be out of reach: they are asked again, or others are.
        Close(node, now);
        if (inquest.Dead > 0 && !IsThere(node))
        {
            Fail(node);
        }
    }

    /// <summary>Nodes that nobody has a session with, and for which there was nobody: now there may be.</summary>
    private void WatchTheLost()
    {
        foreach (var other in Nodes.Nodes)
        {
            if (!other.IsConnected && other.WatchAt == Instant.Never && other.Inquest is null)
            {
                other.WatchAt = _now + Silence;
            }
        }
    }

    private void Fail(NodeState node)
    {
        if (node.IsHere)
        {
            End(node.Session, "taken for dead: no heartbeat came, and other nodes had no answer either");
        }

        node.WatchAt = Instant.Never;
        var addresses = Nodes.OwnedBy(node).ToList();
        if (!node.HasFailed)
        {
            NodesFailed++;
            node.HasFailed = true;
            _output.Report(new NodeFailed(node.Id, addresses.Count));
        }

        GiveUpMovesTo(node);
        if (MoveAway(node, addresses, MoveCause.Failure, []).Count > 0 || _moves.Exists(m => m.To == node))
        {
            node.WatchAt = _now + OfferPatience;
        }
    }
}
