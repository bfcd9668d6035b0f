using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Addressing;
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
    private readonly ulong _seed;
    private readonly ICoordinatorOutput _output;
    private readonly ICoordinatorPeers? _peers;
    private readonly Dictionary<ulong, NodeState?> _sessions = [];
    private readonly PriorityQueue<(MacAddress Client, Epoch Epoch), Instant> _arrivals = new();
    private readonly Queue<(ulong Session, Instant Deadline)> _greetings = new();
    private ulong _lastId;
    private Instant _now;

    /// <summary>Creates a coordinator over a store.</summary>
    /// <param name="options">Limits and times.</param>
    /// <param name="store">The store.</param>
    /// <param name="seed">The seed of what it draws.</param>
    /// <param name="output">Where its effects go.</param>
    /// <param name="peers">The other coordinators over a shared store; null if it has the store for itself.</param>
    /// <param name="addresses">Where clients' addresses are kept, if there is a pool; null: in memory.</param>
    public CoordinatorCore(
        CoordinatorOptions options, IClientStore store, ulong seed, ICoordinatorOutput output, ICoordinatorPeers? peers = null, IAddressStore? addresses = null)
    {
        _addresses = options.Pool is null ? null : addresses ?? new InMemoryAddressStore();
        _peers = peers;
        _lastId = PushId.Before(peers is null ? 0 : options.Life);
        _options = options with { MaxMappingsPerClient = Math.Min(options.MaxMappingsPerClient, CoordinatorOptions.LargestMappingsPerClient) };
        _store = store;
        _random = new SeededRandom(seed);
        _seed = seed;
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
            next = _patientDeadlines.TryPeek(out var patient) ? Instant.Min(next, patient.Deadline) : next;
            next = _retries.TryPeek(out _, out var retry) ? Instant.Min(next, retry) : next;
            next = _toTell.TryPeek(out var tell) ? Instant.Min(next, tell.Due) : next;
            next = _renewals.TryPeek(out _, out var renewal) ? Instant.Min(next, renewal) : next;
            next = Instant.Min(next, NextMoveDeadline);
            next = _walks.Count > 0 ? Instant.Min(next, _walks.Min(w => w.NextTurn)) : next;
            foreach (var node in Nodes.Nodes)
            {
                next = Instant.Min(next, node.Inquest?.Deadline ?? node.WatchAt);
                next = node.IsDraining && node.IsHere ? Instant.Min(next, node.DrainAt) : next;
                next = _options.Balance.Enabled && node.IsHere ? Instant.Min(next, node.BalanceAt) : next;
                if (node.IsConnected)
                {
                    next = Instant.Min(next, node.Outbox.NextDeadline);
                    next = node.IsHere ? Instant.Min(next, node.LastHeard + _options.SessionTimeout) : next;
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
        _now = now;
        _sessions[session] = null;
        _greetings.Enqueue((session, now + _options.SessionTimeout));
    }

    /// <summary>A transport connection has ended.</summary>
    public void OnDisconnected(ulong session, Instant now)
    {
        _now = now;
        Drop(session, "connection closed");
    }

    /// <summary>A completion of the store has come. A store that answers within the call does not need this.</summary>
    public void Complete(Action completion, Instant now)
    {
        _now = now;
        completion();
    }

    /// <summary>A message has come.</summary>
    public void OnMessage(ulong session, ControlMessage message, Instant now)
    {
        _now = now;
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
        node.IsSilent = false;
        switch (message)
        {
            case Goodbye goodbye:
                Drop(session, goodbye.Reason);
                _output.Close(session, "the agent said goodbye");
                break;
            case Heartbeat heartbeat:
                node.Mappings = heartbeat.Mappings;
                node.Clients = heartbeat.Clients;
                node.WaysRewritten = heartbeat.WaysRewritten;
                node.Loads = heartbeat.Loads;
                node.IsLoadKnown = true;
                TellAgain(node, heartbeat.Store);
                TellLoad(node);
                Send(node, new Ack { Id = heartbeat.Id, Status = AckStatus.Ok });
                break;
            case Ack or AnchorReply or ProbeResult when TryPassOn(node, message):
                break;
            case Ack ack:
                OnAck(node, ack);
                break;
            case ProbeResult result:
                OnProbeResult(node, result);
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
        _now = now;
        while (_arrivals.TryPeek(out var arrival, out var due) && due <= now)
        {
            _arrivals.Dequeue();
            Run(
                arrival.Client,
                state => ArriveStep.TimeOut(state, arrival.Epoch, now, _store.IsShared));
        }

        AdvanceParked(now);
        AdvanceRetries(now);
        AdvanceWalks(now);
        AdvanceShared(now);
        AdvanceAddresses(now);
        AdvanceMoves(now);
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
            Watch(node, now);
            AdvanceDrain(node, now);
            AdvanceBalance(node, now);
            if (!node.IsConnected)
            {
                continue;
            }

            if (node.IsHere && now - node.LastHeard >= _options.SessionTimeout)
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

        var context = Context(now);
        switch (message)
        {
            case Arrive { Client: { IsNone: true } or { IsGroup: true } } arrive:
                Refuse(node, arrive, "a client needs a MAC address of its own");
                break;
            case Arrive arrive:
                Ask(node, arrive, arrive.Client, (state, _) => ArriveStep.Decide(state, node.Id, arrive, context));
                break;
            case LeaseRequest lease:
                OnLeaseRequest(node, lease);
                break;
            case NeighbourHere here:
                OnNeighbourHere(node, here);
                break;
            case NeighbourQuery query:
                OnNeighbourQuery(node, query);
                break;
            case EapFromClient or UserSessionQuery or UserSessionUsed or PolicyQuery or RoamingKeyQuery:
                OnUserRequest(node, message);
                break;
            case Announce announce:
                LearnLeases(announce);
                Ask(node, announce, announce.Client, (state, refused) => ReportStep.Announce(
                    state, node.Id, refused is null ? announce : announce with { Mappings = Admitted(announce.Mappings, refused) }, context));
                break;
            case HandOver handOver:
                Ask(node, handOver, handOver.Client, (state, refused) => ReportStep.HandOver(
                    state, node.Id, refused is null ? handOver : handOver with { Mappings = Admitted(handOver.Mappings, refused) }, context));
                break;
            case Depart depart:
                NoteDeparture(node, depart);
                Ask(node, depart, depart.Client, (state, refused) => ReportStep.Depart(
                    state, node.Id, refused is null ? depart : depart with { Mappings = Admitted(depart.Mappings, refused) }, context));
                break;
            case LinkLost lost:
                Ask(node, lost, lost.Client, (state, _) => FurtherStep.LinkLost(state, node.Id, lost, context));
                break;
            case Attach attach:
                OnAttach(node, attach);
                break;
            case AttachKnown attach:
                // Who has gone to another coordinator has asked that one again: what is decided here later would be old.
                Ask(node, attach, attach.Client, (state, _) => node.IsHere ? AttachStep.AttachKnown(state, node.Id, attach, context) : null);
                break;
            case Lookup lookup:
                Ask(node, lookup, lookup.Client, (state, _) => AttachStep.Lookup(state, node.Id, lookup, now));
                break;
            case FamQuery query:
                Ask(node, query, query.Client, (state, _) => HamStep.FamQuery(state, node.Id, query));
                break;
            case ReleaseMappings release:
                Ask(node, release, release.Client, (state, _) => HamStep.Release(state, node.Id, release));
                break;
            case AnchorReport report:
                Ask(node, report, report.Client, (state, refused) => HamStep.AnchorReport(
                    state, node.Id, refused is null ? report : report with { Mappings = Admitted(report.Mappings, refused) }, context));
                break;
            default:
                End(node.Session, $"{message.GetType().Name} is not a message for a coordinator");
                break;
        }
    }

    private void Refuse(NodeState? asker, ControlMessage? request, string reason, RefusalKind kind = RefusalKind.Invalid)
    {
        ClaimsRefused++;
        _output.Report(new ClaimRefused(asker?.Id ?? NodeId.None, Refusals.ClientOf(request), reason, kind));
        if (asker is not null && Refusals.AnswerTo(request) is { } answer)
        {
            Send(asker, answer);
        }
    }

    private void Carry(Decision decision, NodeState? asker)
    {
        NoteSeveral(decision.Next);
        if (decision.Next is { Pending: { } pending } next)
        {
            _arrivals.Enqueue((next.Client, next.Epoch), pending.Deadline);
        }

        // What the asker is given as a HAM comes before an answer that takes for granted that it has it.
        foreach (var (id, message) in decision.Pushes)
        {
            if (message is AdoptMappings && id == asker?.Id)
            {
                Push(id, message);
            }
        }

        // Then the asker: where it is the HAM as well, it must know the mapping before packets are routed to it.
        if (decision.Answer is not null && asker is not null)
        {
            // While the store was asked, a user may have been denied.
            var answer = Allowed(decision.Answer);
            if (answer is EapToClient eap)
            {
                KeepAnswer(asker.Id, eap);
            }

            Send(asker, answer);
        }

        foreach (var (id, message) in decision.Pushes)
        {
            if (message is not AdoptMappings || id != asker?.Id)
            {
                Push(id, message);
            }
        }

        foreach (var report in decision.Events)
        {
            ClaimsRefused += report is ClaimRefused ? 1 : 0;
            if (report is PlacementLooped looped)
            {
                CountLoop(looped);
                continue;
            }

            if (!TryTellUsers(report))
            {
                _output.Report(report);
            }
        }
    }

    /// <summary>A push is kept until acknowledged, also over a reconnect; a newer move of the same client replaces older news of moves.</summary>
    private void Push(NodeId id, ControlMessage message)
    {
        // After a restart of the coordinator a node may be named by others before it has introduced itself. It hears of that then.
        var node = Nodes.Find(id) ?? (id.IsNone || Nodes.Count >= _options.MaxNodes / 2 ? null : AddNode(id));
        if (node is null)
        {
            return;
        }

        if (message is FamChange change)
        {
            node.Outbox.RemoveAll(m => m is FamChange old && old.Client == change.Client && old.Epoch < change.Epoch);
        }
        else if (message is AddressOwners news)
        {
            Supersede(node, news);
        }

        if (!node.IsBehind && !node.Outbox.Send(message with { Id = ++_lastId }, _now))
        {
            FallBehind(node);
        }
    }

    private void Send(NodeState node, ControlMessage message)
    {
        if (node.IsHere)
        {
            MessagesSent++;
            _output.Send(node.Session, message);
        }
        else if (node.Via != 0)
        {
            MessagesRelayed++;
            _peers?.Relay(node.Via, node.Id, message);
        }
    }
}
