using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// The roaming coordinator, sans-I/O: sessions and messages in, messages out. It knows which connection is anchored where and who the current FAM of each client is.
/// Every decision is a pure step over one client's record; this class loads, sets, numbers and repeats.
/// </summary>
public sealed partial class CoordinatorCore
{
    private readonly CoordinatorOptions _options;
    private readonly IClientStore _store;
    private readonly SeededRandom _random;
    private readonly ICoordinatorOutput _output;
    private readonly Dictionary<ulong, NodeState?> _sessions = [];
    private readonly PriorityQueue<(MacAddress Client, Epoch Epoch), Instant> _arrivals = new();
    private readonly Dictionary<ulong, ParkedAttach> _parked = [];
    private ulong _lastId;

    /// <summary>Creates a coordinator over a store.</summary>
    public CoordinatorCore(CoordinatorOptions options, IClientStore store, ulong seed, ICoordinatorOutput output)
    {
        _options = options;
        _store = store;
        _random = new SeededRandom(seed);
        _output = output;
    }

    /// <summary>The nodes that have introduced themselves.</summary>
    public NodeDirectory Nodes { get; } = new();

    /// <summary>The store.</summary>
    public IClientStore Store => _store;

    /// <summary>Messages taken.</summary>
    public long MessagesReceived { get; private set; }

    /// <summary>Messages sent, repetitions included.</summary>
    public long MessagesSent { get; private set; }

    /// <summary>Claims refused.</summary>
    public long ClaimsRefused { get; private set; }

    /// <summary>When <see cref="Advance"/> must be called at the latest.</summary>
    public Instant NextDeadline
    {
        get
        {
            var next = _arrivals.TryPeek(out _, out var due) ? due : Instant.Never;
            foreach (var node in Nodes.Nodes)
            {
                if (node.IsConnected)
                {
                    next = Instant.Min(next, Instant.Min(node.Outbox.NextDeadline, node.LastHeard + _options.SessionTimeout));
                }
            }

            return next;
        }
    }

    /// <summary>A transport connection has been made; its first message must be a <see cref="Hello"/>.</summary>
    /// <param name="session">A number that no other session has or had; not 0.</param>
    /// <param name="now">The time.</param>
    public void OnConnected(ulong session, Instant now) => _sessions[session] = null;

    /// <summary>A transport connection has ended.</summary>
    public void OnDisconnected(ulong session, Instant now) => Drop(session, "connection closed");

    /// <summary>A message has come.</summary>
    public void OnMessage(ulong session, ControlMessage message, Instant now)
    {
        if (!_sessions.TryGetValue(session, out var node))
        {
            return;
        }

        MessagesReceived++;
        if (message is Hello hello)
        {
            OnHello(session, hello, now);
            return;
        }

        if (node is null)
        {
            End(session, "the first message must be Hello");
            return;
        }

        node.LastHeard = now;
        switch (message)
        {
            case Goodbye goodbye:
                Drop(session, goodbye.Reason);
                _output.Close(session, "the agent said goodbye");
                break;
            case Heartbeat heartbeat:
                Send(node, new Ack { Id = heartbeat.Id, Status = AckStatus.Ok });
                break;
            case Ack ack:
                node.Outbox.Complete(ack.Id);
                break;
            case AnchorReply reply:
                OnAnchorReply(node, reply, now);
                break;
            default:
                OnRequest(node, message, now);
                break;
        }
    }

    /// <summary>Does what is due: repeats pushes, completes arrivals that waited long enough, ends silent sessions.</summary>
    public void Advance(Instant now)
    {
        while (_arrivals.TryPeek(out var arrival, out var due) && due <= now)
        {
            _arrivals.Dequeue();
            Run(arrival.Client, state => state?.Pending is not null && state.Epoch == arrival.Epoch ? ArriveStep.TimeOut(state) : null, asker: null, now);
        }

        foreach (var node in Nodes.Nodes.ToArray())
        {
            if (!node.IsConnected)
            {
                continue;
            }

            if (now - node.LastHeard >= _options.SessionTimeout)
            {
                End(node.Session, "no heartbeat");
                continue;
            }

            node.Outbox.Advance(now);
        }
    }

    private void OnRequest(NodeState node, ControlMessage message, Instant now)
    {
        var context = new StepContext(Nodes, _options, now, _random.NextUInt64());
        switch (message)
        {
            case Arrive arrive:
                Run(arrive.Client, state => ArriveStep.Decide(state, node.Id, arrive, context), node, now);
                break;
            case Announce announce:
                Claim(node, announce.Client, announce.Mappings, now);
                Run(announce.Client, state => ReportStep.Announce(state, node.Id, announce, context), node, now);
                break;
            case HandOver handOver:
                Run(handOver.Client, state => ReportStep.HandOver(state, node.Id, handOver, context), node, now);
                break;
            case Depart depart:
                Run(depart.Client, state => ReportStep.Depart(state, node.Id, depart, context), node, now);
                break;
            case Attach attach:
                OnAttach(node, attach, context, now);
                break;
            case Lookup lookup:
                Run(lookup.Client, state => AttachStep.Lookup(state, node.Id, lookup), node, now);
                break;
            case FamQuery query:
                Run(query.Client, state => HamStep.FamQuery(state, node.Id, query), node, now);
                break;
            case ReleaseMappings release:
                Run(release.Client, state => HamStep.Release(state, node.Id, release), node, now);
                break;
            case AnchorReport report:
                Claim(node, report.Client, report.Mappings, now);
                Run(report.Client, state => HamStep.AnchorReport(state, node.Id, report, context), node, now);
                break;
            default:
                End(node.Session, $"{message.GetType().Name} is not a message for a coordinator");
                break;
        }
    }

    /// <summary>Load, decide, compare-and-set, then say it. A decision that was overtaken is made again.</summary>
    private void Run(MacAddress client, Func<ClientRecord?, Decision?> step, NodeState? asker, Instant now)
    {
        for (var attempt = 0; attempt < 8; attempt++)
        {
            var (record, version) = _store.Load(client);
            var decision = step(record);
            if (decision is null)
            {
                return;
            }

            if (decision.Next is not null && !ReferenceEquals(decision.Next, record) && !_store.TryCompareAndSet(decision.Next, version))
            {
                continue;
            }

            Carry(decision, asker, now);
            return;
        }

        ClaimsRefused++;
        _output.Report(new ClaimRefused(asker?.Id ?? NodeId.None, client, "a mapping belongs to another client, or the store is full"));
    }

    private void Carry(Decision decision, NodeState? asker, Instant now)
    {
        if (decision.Next is { Pending: { } pending } next)
        {
            _arrivals.Enqueue((next.Client, next.Epoch), pending.Deadline);
        }

        // The asker first: where it is the HAM as well, it must know the mapping before packets are routed to it.
        if (decision.Answer is not null && asker is not null)
        {
            Send(asker, decision.Answer);
        }

        foreach (var (id, message) in decision.Pushes)
        {
            Push(id, message, now);
        }

        foreach (var report in decision.Events)
        {
            _output.Report(report);
        }
    }

    /// <summary>A push is kept until acknowledged, also over a reconnect; a newer move of the same client replaces older news of moves.</summary>
    private void Push(NodeId id, ControlMessage message, Instant now)
    {
        var node = Nodes.Find(id);
        if (node is null)
        {
            return;
        }

        if (message is FamChange change)
        {
            node.Outbox.RemoveAll(m => m is FamChange old && old.Client == change.Client && old.Epoch < change.Epoch);
        }

        if (!node.Outbox.Send(message with { Id = ++_lastId }, now))
        {
            ClaimsRefused++;
            _output.Report(new ClaimRefused(id, MacAddress.None, "too many unacknowledged pushes"));
        }
    }

    /// <summary>A mapping that its own HAM claims for one client cannot be another's any more: the port was rested and is used again.</summary>
    private void Claim(NodeState node, MacAddress client, IReadOnlyList<MappingRecord> records, Instant now)
    {
        foreach (var record in records)
        {
            if (record.Ham == node.Id && Nodes.OwnerOf(record.Mapping.Masquerade.Address) == node.Id
                && _store.TryFindOwner(record.Mapping, out var owner) && owner != client)
            {
                Run(owner, state => state is null ? null : HamStep.Disown(state, [record.Mapping]), asker: null, now);
            }
        }
    }

    private void Send(NodeState node, ControlMessage message)
    {
        if (node.IsConnected)
        {
            MessagesSent++;
            _output.Send(node.Session, message);
        }
    }
}
