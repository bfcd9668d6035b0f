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
    /// <summary>How often a decision is made anew when others set the same client; with one coordinator per store once is enough.</summary>
    private const int MaxAttempts = 8;

    private readonly CoordinatorOptions _options;
    private readonly IClientStore _store;
    private readonly SeededRandom _random;
    private readonly ICoordinatorOutput _output;
    private readonly Dictionary<ulong, NodeState?> _sessions = [];
    private readonly PriorityQueue<(MacAddress Client, Epoch Epoch), Instant> _arrivals = new();
    private readonly Queue<(ulong Session, Instant Deadline)> _greetings = new();
    private ulong _lastId;

    /// <summary>Creates a coordinator over a store.</summary>
    public CoordinatorCore(CoordinatorOptions options, IClientStore store, ulong seed, ICoordinatorOutput output)
    {
        _options = options with { MaxMappingsPerClient = Math.Min(options.MaxMappingsPerClient, CoordinatorOptions.LargestMappingsPerClient) };
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
            next = _greetings.TryPeek(out var greeting) ? Instant.Min(next, greeting.Deadline) : next;
            next = _parkedDeadlines.TryPeek(out var parked) ? Instant.Min(next, parked.Deadline) : next;
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
    public void OnConnected(ulong session, Instant now)
    {
        _sessions[session] = null;
        _greetings.Enqueue((session, now + _options.SessionTimeout));
    }

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
        if (message is Hello hello && (node is null || node.Id == hello.Node))
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
            Run(
                arrival.Client,
                state => state?.Pending is { } pending && pending.Deadline <= now && state.Epoch == arrival.Epoch ? ArriveStep.TimeOut(state) : null,
                now);
        }

        AdvanceParked(now);
        while (_greetings.TryPeek(out var greeting) && greeting.Deadline <= now)
        {
            _greetings.Dequeue();
            if (_sessions.TryGetValue(greeting.Session, out var greeted) && greeted is null)
            {
                End(greeting.Session, "no Hello");
            }
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
        if (Refusals.EpochOf(message) > Refusals.MaxEpoch)
        {
            Refuse(node, message, "an epoch that no client can have reached");
            return;
        }

        var context = new StepContext(Nodes, _options, now, _random.NextUInt64());
        switch (message)
        {
            case Arrive { Client: { IsNone: true } or { IsGroup: true } } arrive:
                Refuse(node, arrive, "a client needs a MAC address of its own");
                break;
            case Arrive arrive:
                Run(arrive.Client, state => ArriveStep.Decide(state, node.Id, arrive, context), node, arrive, now);
                break;
            case Announce announce:
                announce = announce with { Mappings = Admit(node, announce.Client, announce.Mappings, now) };
                Run(announce.Client, state => ReportStep.Announce(state, node.Id, announce, context), node, announce, now);
                break;
            case HandOver handOver:
                handOver = handOver with { Mappings = Admit(node, handOver.Client, handOver.Mappings, now) };
                Run(handOver.Client, state => ReportStep.HandOver(state, node.Id, handOver, context), node, handOver, now);
                break;
            case Depart depart:
                depart = depart with { Mappings = Admit(node, depart.Client, depart.Mappings, now) };
                Run(depart.Client, state => ReportStep.Depart(state, node.Id, depart, context), node, depart, now);
                break;
            case Attach attach:
                OnAttach(node, attach, now);
                break;
            case Lookup lookup:
                Run(lookup.Client, state => AttachStep.Lookup(state, node.Id, lookup), node, lookup, now);
                break;
            case FamQuery query:
                Run(query.Client, state => HamStep.FamQuery(state, node.Id, query), node, query, now);
                break;
            case ReleaseMappings release:
                Run(release.Client, state => HamStep.Release(state, node.Id, release), node, release, now);
                break;
            case AnchorReport report:
                report = report with { Mappings = Admit(node, report.Client, report.Mappings, now) };
                Run(report.Client, state => HamStep.AnchorReport(state, node.Id, report, context), node, report, now);
                break;
            default:
                End(node.Session, $"{message.GetType().Name} is not a message for a coordinator");
                break;
        }
    }

    /// <summary>A step that nobody has asked for: a deadline, a restart.</summary>
    private void Run(MacAddress client, Func<ClientRecord?, Decision?> step, Instant now) => Run(client, step, asker: null, request: null, now);

    /// <summary>Load, decide, compare-and-set, then say it. A decision that was overtaken is made again.</summary>
    private void Run(MacAddress client, Func<ClientRecord?, Decision?> step, NodeState? asker, ControlMessage? request, Instant now)
    {
        var outcome = StoreOutcome.Changed;
        for (var attempt = 0; attempt < MaxAttempts && outcome == StoreOutcome.Changed; attempt++)
        {
            var (record, version) = _store.Load(client);
            var decision = step(record);
            if (decision is null)
            {
                return;
            }

            outcome = decision.Next is null || ReferenceEquals(decision.Next, record) ? StoreOutcome.Stored : _store.CompareAndSet(decision.Next, version);
            if (outcome == StoreOutcome.Stored)
            {
                Carry(decision, asker, now);
                return;
            }
        }

        // Overtaken again and again: the request comes again. Anything else will not get better by asking again, so it is answered.
        Refuse(asker, outcome == StoreOutcome.Changed ? null : request, outcome switch
        {
            StoreOutcome.Full => "the store is full",
            StoreOutcome.Taken => "a mapping belongs to another client",
            _ => "the client's record is set by others again and again",
        });
    }

    private void Refuse(NodeState? asker, ControlMessage? request, string reason)
    {
        ClaimsRefused++;
        _output.Report(new ClaimRefused(asker?.Id ?? NodeId.None, Refusals.ClientOf(request), reason));
        if (asker is not null && Refusals.AnswerTo(request) is { } answer)
        {
            Send(asker, answer);
        }
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

    /// <summary>One client per masquerade endpoint: of what a node reports, the mappings that no other client has. The others are refused one by one, not the whole report.</summary>
    private IReadOnlyList<MappingRecord> Admit(NodeState node, MacAddress client, IReadOnlyList<MappingRecord> records, Instant now)
    {
        List<MappingRecord>? admitted = null;
        for (var i = 0; i < records.Count; i++)
        {
            var record = records[i];
            if (record.Ham == node.Id)
            {
                Claim(node, client, record.Mapping, now);
            }

            if (_store.TryFindOwner(record.Mapping, out var owner) && owner != client)
            {
                admitted ??= [.. records.Take(i)];
                ClaimsRefused++;
                _output.Report(new ClaimRefused(node.Id, client, $"{record.Mapping} belongs to {owner}"));
                continue;
            }

            admitted?.Add(record);
        }

        return admitted ?? records;
    }

    /// <summary>A mapping that its own HAM claims for one client cannot be another's any more: the port was rested and is used again.</summary>
    private void Claim(NodeState node, MacAddress client, MappingId mapping, Instant now)
    {
        if (Nodes.OwnerOf(mapping.Masquerade.Address) == node.Id && _store.TryFindOwner(mapping, out var owner) && owner != client)
        {
            Run(owner, state => state is null ? null : HamStep.Disown(state, [mapping]), now);
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
