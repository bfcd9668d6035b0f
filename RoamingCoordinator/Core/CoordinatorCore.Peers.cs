using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Several coordinators over one store. A node may be connected to any of them; who decides keeps what follows from the decision in its own outbox, and repeats it by way of the
/// coordinator that has the node's session, until the node's acknowledgment has come back the same way. Numbers of pushes begin with the deciding coordinator's, so that
/// answers find back without anybody in between remembering anything.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>A node's load is told to others so often at most, and if it changes little so often at least.</summary>
    private static readonly (TimeSpan Most, TimeSpan Least) LoadInterval = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));

    private readonly Dictionary<ulong, ulong> _lives = [];
    private long? _storeClock;

    /// <summary>Messages that went to nodes, or answers that went to coordinators, by way of another coordinator.</summary>
    public long MessagesRelayed { get; private set; }

    /// <summary>Another coordinator says where a node is connected.</summary>
    public void OnPresence(NodePresence presence, Instant now)
    {
        _now = now;
        if (presence.Life == _options.Life || !NodeId.IsValid(presence.Node.Name))
        {
            return;
        }

        Learn(presence.Life);
        var node = Nodes.Find(presence.Node);
        if (node is null)
        {
            if (Nodes.Count >= _options.MaxNodes)
            {
                return;
            }

            node = AddNode(presence.Node);
        }

        if (presence.Number < node.Number || (presence.Number == node.Number && node.IsHere))
        {
            if (presence.Number < node.Number && node.IsHere && node.Joining == 0)
            {
                // Late news, or the store has lost that it is here: then nobody else finds it.
                Register(node);
            }

            return;
        }

        if (node.IsHere)
        {
            var old = node.Session;
            Drop(old, "connected to another coordinator");
            _output.Close(old, "the node is connected to another coordinator");
        }

        node.IsBehind = node.IsBehind && presence.Number == node.Number;
        var via = presence.IsConnected ? presence.Life : 0;
        var isNews = node.Via != via || node.Number != presence.Number;
        var restarted = node.Incarnation != 0 && node.Incarnation != presence.Incarnation;
        node.Number = presence.Number;
        node.Via = via;
        node.Incarnation = presence.Incarnation;
        node.PeerEndpoint = presence.PeerEndpoint;
        node.Takes = presence.Takes;
        node.Mappings = presence.Mappings ?? node.Mappings;
        node.IsLoadKnown = presence.Mappings is not null || (node.IsLoadKnown && !isNews);
        Nodes.SetAddresses(node, presence.Addresses);

        if (restarted)
        {
            Neighbours.Restarted(node.Id);

            // Its tables are empty; the coordinator that it is connected to sees to its claims, as they stood when it came. This may be heard late: what has been decided since is kept.
            node.Outbox.RemoveBefore(WhenRegistered(presence.Number));
            SweepAnew(node);
        }

        node.Outbox.Suspended = via == 0;
        if (isNews && via != 0)
        {
            node.HasFailed = false;
            node.Outbox.Restart(now);
            node.Outbox.Advance(now);
            WatchTheLost();
        }
        else if (via == 0 && (isNews || node.WatchAt == Instant.Never))
        {
            node.WatchAt = now + WatchForOthers;
        }
    }

    /// <summary>Sessions are numbered by the store's clock, so each answer to a registration tells what that clock says.</summary>
    private void NoteStoreClock(ulong number, Instant asked) => _storeClock = (long)number - (asked.Nanoseconds / 1_000_000);

    /// <summary>When a session was registered, wherever it was, by this coordinator's clock; <see cref="Instant.Never"/> if it cannot tell.</summary>
    private Instant WhenRegistered(ulong number) =>
        _storeClock is { } clock ? new Instant(Math.Clamp((long)number - clock, -(1L << 42), 1L << 42) * 1_000_000) : Instant.Never;

    /// <summary>Another coordinator has died: the nodes that were connected to it are not connected until they are heard of again.</summary>
    public void OnCoordinatorGone(ulong life, Instant now)
    {
        _now = now;
        foreach (var node in Nodes.Nodes)
        {
            if (node.Via == life)
            {
                node.Via = 0;
                node.Outbox.Suspended = true;
                node.WatchAt = now + Silence;
            }
        }

        AdoptFrom(life);
    }

    /// <summary>Another coordinator passes a message on: what it says to a node that is connected here, or what a node there has answered to this coordinator.</summary>
    public void OnRelayed(ulong from, NodeId id, ControlMessage message, Instant now)
    {
        _now = now;
        Learn(from);
        if (Nodes.Find(id) is not { } node)
        {
            return;
        }

        switch (message)
        {
            case AnchorReply reply when IsMine(reply.Id):
                OnAnchorReply(node, reply, now);
                break;
            case ProbeResult result when IsMine(result.Id):
                OnProbeResult(node, result);
                break;
            case Ack ack when IsMine(ack.Id):
                OnAck(node, ack);
                break;
            case NeighbourHere or NeighbourQuery:
                OnNeighbourRelayed(node, message);
                break;
            case Goodbye goodbye when node.IsHere:
                StartOver(node, goodbye.Reason);
                break;
            default:
                if (node.IsHere)
                {
                    Send(node, message);
                }

                break;
        }
    }

    private bool IsMine(ulong id) => PushId.LifeOf(id) == PushId.Mark(_options.Life);

    /// <summary>A node has answered what another coordinator asked it by way of this one.</summary>
    private bool TryPassOn(NodeState node, ControlMessage answer)
    {
        if (_peers is null || IsMine(answer.Id))
        {
            return false;
        }

        if (_lives.TryGetValue(PushId.LifeOf(answer.Id), out var life))
        {
            MessagesRelayed++;
            _peers.Relay(life, node.Id, answer);
        }

        return true;
    }

    private void Learn(ulong life)
    {
        if (_lives.Count >= 4_096)
        {
            // Coordinators come and go; those that are there are learnt again with the next that they say.
            _lives.Clear();
        }

        _lives[PushId.Mark(life)] = life;
    }

    /// <summary>Whichever coordinator is to find a taker: it takes the one with the fewest mappings, so it must know how many others have.</summary>
    private void TellLoad(NodeState node)
    {
        if (_peers is null || (node.LoadTold is { } told && !IsTime(told.At, told.Mappings)))
        {
            return;
        }

        node.LoadTold = (_now, node.Mappings);
        _peers.Tell(PresenceOf(node, isConnected: true) with { Mappings = node.Mappings });

        bool IsTime(Instant at, uint mappings) => _now - at >= LoadInterval.Least
            || (_now - at >= LoadInterval.Most && Math.Abs((long)node.Mappings - mappings) > mappings / 8);
    }

    private NodePresence PresenceOf(NodeState node, Hello hello) => new()
    {
        Node = node.Id, Incarnation = hello.Incarnation, PeerEndpoint = hello.PeerEndpoint, Addresses = hello.Addresses, Takes = hello.Takes, Life = _options.Life, IsConnected = true,
    };

    private NodePresence PresenceOf(NodeState node, bool isConnected) => new()
    {
        Node = node.Id,
        Incarnation = node.Incarnation,
        PeerEndpoint = node.PeerEndpoint,
        Addresses = node.Addresses,
        Takes = node.Takes,
        Life = _options.Life,
        Number = node.Number,
        IsConnected = isConnected,
    };
}
