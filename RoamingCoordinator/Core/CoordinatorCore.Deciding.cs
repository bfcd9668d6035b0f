using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Load, decide, compare-and-set, then say it. The store may take its time: decisions about one client wait for each other, in the order in which they were asked for, and
/// those that have waited are made together; decisions about different clients do not wait.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>How often a decision is made anew when others set the same client; with one coordinator per store once is enough.</summary>
    private const int MaxAttempts = 8;

    /// <summary>What nobody would ask for again is tried again this long after the store has failed.</summary>
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(500);

    /// <summary>A deadline that is over for so long is nobody's any more.</summary>
    private static readonly TimeSpan Orphaned = TimeSpan.FromSeconds(1);

    private readonly Dictionary<MacAddress, Lane> _lanes = [];
    private readonly Stack<Lane> _idleLanes = new();
    private readonly HashSet<MacAddress> _watchedOver = [];
    private readonly PriorityQueue<Action, Instant> _retries = new();
    private readonly Dictionary<MacAddress, (long Before, long Version, Decision Decision)> _unsure = [];
    private readonly long[] _storeFailures = new long[(int)StoreFailure.Error + 1];
    private long _storeFailuresReported;
    private Instant _nextStoreReport;
    private int _waiting;
    private int _underWay;

    /// <summary>Requests that were not taken because too many waited; they come again.</summary>
    public long RequestsRefused { get; private set; }

    /// <summary>Decisions that are under way or wait.</summary>
    public int DecisionsUnderWay => _underWay;

    /// <summary>How often the store has failed for a reason.</summary>
    public long StoreFailures(StoreFailure reason) => _storeFailures[(int)reason];

    private StepContext Context(Instant now) => new(Nodes, _options, now, _random.NextUInt64())
    {
        StoreMayLack = StoreMayLack,
        Decider = _options.Life == 0 ? 0 : unchecked(_options.Life + _store.Incarnation),
    };

    /// <summary>A node's request about a client.</summary>
    private void Ask(NodeState node, ControlMessage request, MacAddress client, Func<ClientRecord?, IReadOnlySet<MappingId>?, Decision?> step) =>
        Run(new Job(client, step) { Asker = node, Request = request, Authority = node.Id, IsRequest = true });

    /// <summary>A step that nobody has asked for, such as a deadline.</summary>
    private void Run(MacAddress client, Func<ClientRecord?, Decision?> step) => Run(new Job(client, (state, _) => step(state)));

    private void Run(Job job)
    {
        if (!_lanes.TryGetValue(job.Client, out var lane))
        {
            lane = _idleLanes.TryPop(out var idle) ? idle : new Lane();
            lane.Begin(job.Client);
            lane.Round.Add(job);
            _lanes[job.Client] = lane;
            _underWay++;
            Decide(lane);
            return;
        }

        if (job.IsRequest)
        {
            if (lane.Holds(job))
            {
                // The same request again; its turn will come.
                return;
            }

            if (lane.Waiting.Count >= _options.MaxWaitingPerClient || _waiting >= _options.MaxWaiting || job.Asker!.Waiting >= _options.MaxWaiting / 8)
            {
                RequestsRefused++;
                return;
            }
        }

        lane.Waiting.Enqueue(job);
        job.HasWaited = true;
        _underWay++;
        _waiting++;
        if (job.Asker is not null)
        {
            job.Asker.Waiting++;
        }
    }

    private void Decide(Lane lane)
    {
        if (lane.Attempts++ < MaxAttempts)
        {
            _store.Load(lane.Client, loaded => OnLoaded(lane, loaded));
            return;
        }

        // Overtaken again and again: the requests come again.
        foreach (var job in lane.Round)
        {
            ClaimsRefused++;
            _output.Report(new ClaimRefused(job.Asker?.Id ?? NodeId.None, job.Client, "the client's record is set by others again and again", RefusalKind.Overtaken));
        }

        GiveUp(lane);
    }

    private void OnLoaded(Lane lane, LoadResult loaded)
    {
        if (loaded.Failure != StoreFailure.None)
        {
            CountFailure(loaded.Failure);
            lane.Rejoin();
            GiveUp(lane);
            return;
        }

        var found = loaded.Found;
        SayAfterAll(lane.Client, found.Version);
        if (found.Record?.AddressesAsOf > Nodes.AddressesAsOf && !lane.HasReadAddresses)
        {
            // Another coordinator has decided by a later state of the book. Should reading it not help, the store has lost that state.
            lane.HasReadAddresses = true;
            ReadAddresses(_ => Decide(lane));
            return;
        }

        WatchOver(found.Record);
        NoteSeveral(found.Record);
        if (DecideRound(lane, found.Record, out var claimsAll) is { } next)
        {
            _store.CompareAndSet(next, found, new SetScope(claimsAll), set => OnSet(lane, next, found.Version, set));
        }
        else
        {
            Finish(lane);
        }
    }

    /// <summary>
    /// Decides each of the round over the record that the one before has left. Who comes before the first change is answered at once: for that the store need not be able to write.
    /// Null if there is nothing to set.
    /// </summary>
    private ClientRecord? DecideRound(Lane lane, ClientRecord? found, out bool claimsAll)
    {
        var (record, unchanged) = (found, 0);
        claimsAll = false;
        lane.Decisions.Clear();
        foreach (var job in lane.Round)
        {
            var decision = Decide(job, record, isConverged: lane.Decisions.Count > 0);
            lane.Decisions.Add(decision);
            record = decision?.Next ?? record;
            unchanged += ReferenceEquals(record, found) ? 1 : 0;
            claimsAll |= job.ClaimsAll || job.Request is Announce { Full: true } or AnchorReport;
        }

        Carry(lane, unchanged);
        return ReferenceEquals(record, found) ? null : record;
    }

    /// <summary>One decision. What the one before has left knows of all addresses that have moved.</summary>
    private Decision? Decide(Job job, ClientRecord? record, bool isConverged)
    {
        var mayHaveMoved = Nodes.HasMoved && record is not null && (!isConverged || job.Tells.Count > 0);
        var moved = mayHaveMoved ? TakeoverStep.Converge(record!, Nodes, job.Tells, _now) : null;
        var decision = job.Step(moved?.Next ?? record, job.Refused);
        decision = moved is null ? decision : decision?.After(moved) ?? moved;
        if (Nodes.HasMoved && decision?.Next is { } stepped && !ReferenceEquals(stepped, moved?.Next) && TakeoverStep.Converge(stepped, Nodes, [], _now) is { } news)
        {
            // Who asks may not have heard of a move.
            decision = news.After(decision) with { Answer = decision.Answer };
        }

        // A HAM that has given one up cannot have it now; to insist would be to ask again and again.
        if (MayPublish(job) && (decision?.Next ?? moved?.Next ?? record) is { } current && PublishStep.Converge(current, _options.Services, Nodes, _now) is { } published)
        {
            decision = decision is null ? published : published.After(decision) with { Answer = decision.Answer };
        }

        return decision is null || job.Refused is null ? decision : Without(decision, job.Refused);
    }

    /// <summary>Without any published service what was published before goes when its client moves.</summary>
    private bool MayPublish(Job job) => job.Request is not ReleaseMappings && (_options.Services.All.Count > 0 || job.Request is Arrive);

    /// <summary>Says what the first so many of the round have come to; with that they are done.</summary>
    private void Carry(Lane lane, int count)
    {
        for (var i = 0; i < count; i++)
        {
            if (lane.Decisions[i] is { } decision)
            {
                Carry(decision, lane.Round[i].Asker);
            }
        }

        End(lane, count);
    }

    private void End(Lane lane, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var job = lane.Round[i];
            _underWay--;
            if (job.HasWaited)
            {
                _waiting--;
            }

            if (job is { HasWaited: true, Asker: { } asker })
            {
                asker.Waiting--;
            }

            job.Done?.Invoke();
            job.Settled?.Invoke(job.Fate);
        }

        lane.Round.RemoveRange(0, count);
        lane.Decisions.RemoveRange(0, Math.Min(count, lane.Decisions.Count));
    }

    /// <summary>The coordinator that decided an arrival ends its waiting, unless it has died: then whoever comes across it does.</summary>
    private void WatchOver(ClientRecord? record)
    {
        if (_store.IsShared && record?.Pending is { } pending && pending.Deadline + Orphaned < _now && _watchedOver.Count < _options.MaxWaiting && _watchedOver.Add(record.Client))
        {
            // Once, however often it is looked at until that is done.
            Run(new Job(record.Client, (state, _) => ArriveStep.TimeOut(state, record.Epoch, _now, isShared: true)) { Done = () => _watchedOver.Remove(record.Client) });
        }
    }

    /// <summary>
    /// A set of which nobody knew whether it was done was done: what followed from it has not been said, and the request that comes again for its answer does not make it follow anew.
    /// </summary>
    private void SayAfterAll(MacAddress client, long version)
    {
        if (_unsure.TryGetValue(client, out var unsure) && version != unsure.Before)
        {
            _unsure.Remove(client);
            if (version == unsure.Version)
            {
                Carry(unsure.Decision, asker: null);
            }
        }
    }

    private void OnSet(Lane lane, ClientRecord record, long before, SetResult set)
    {
        switch (set.Outcome)
        {
            case StoreOutcome.Stored:
                Carry(lane, lane.Round.Count);
                Finish(lane);
                break;
            case StoreOutcome.Changed:
                Decide(lane);
                break;
            case StoreOutcome.Taken when lane.Round.Count > 1:
                // Whose mapping it is depends on who speaks of it: each is heard by itself.
                lane.Part();
                Decide(lane);
                break;
            case StoreOutcome.Taken:
                Settle(lane, record, set.Claims ?? [], 0);
                break;
            case StoreOutcome.Full:
                // This will not get better by asking again, so it is answered.
                for (var i = 0; i < lane.Round.Count; i++)
                {
                    var job = lane.Round[i];
                    job.Fate |= lane.Decisions[i] is null ? OrderFate.None : OrderFate.Lost;
                    Refuse(job.Asker, job.Request, "the store is full", RefusalKind.StoreFull);
                }

                Finish(lane);
                break;
            case StoreOutcome.Failed when lane.Round.Count > 1 && set is { Version: 0, Failure: not StoreFailure.TimedOut }:
                // What one of them needs may be where the store fails, and what the others need is not.
                CountFailure(set.Failure);
                lane.Part();
                Decide(lane);
                break;
            default:
                CountFailure(set.Failure);
                foreach (var job in lane.Round)
                {
                    job.Fate |= set.Version != 0 ? OrderFate.Unsure : OrderFate.None;
                }

                if (set.Version != 0 && (_unsure.ContainsKey(lane.Client) || _unsure.Count < _options.MaxWaiting))
                {
                    _unsure[lane.Client] = (before, set.Version, lane.Decisions.OfType<Decision>().Aggregate((first, then) => then.After(first)));
                }

                if (set.Failure == StoreFailure.TimedOut)
                {
                    lane.Rejoin();
                }

                GiveUp(lane);
                break;
        }
    }

    /// <summary>A request comes again by itself, from an agent whose packets do not wait for it. What nobody asks for is tried again.</summary>
    private void GiveUp(Lane lane)
    {
        foreach (var job in lane.Round)
        {
            if (job.IsRequest)
            {
                job.Done = null;
            }
            else if (_retries.Count < _options.MaxWaiting && _now < job.Patience)
            {
                var again = new Job(job.Client, job.Step)
                {
                    Asker = job.Asker, Request = job.Request, Authority = job.Authority, ClaimsAll = job.ClaimsAll, Tells = job.Tells, Done = job.Done, Patience = job.Patience, Fate = job.Fate,
                    Settled = job.Settled,
                };
                Later(() => Run(again));
                (job.Done, job.Settled) = (null, null);
            }
            else
            {
                job.Fate |= OrderFate.Lost;
            }
        }

        Finish(lane);
    }

    private void Later(Action action) => _retries.Enqueue(action, _now + RetryAfter);

    private void AdvanceRetries(Instant now)
    {
        for (var due = _retries.Count; due > 0 && _retries.TryPeek(out var action, out var when) && when <= now; due--)
        {
            _retries.Dequeue();
            action();
        }
    }

    /// <summary>The round is over, whatever came of it.</summary>
    private void Finish(Lane lane)
    {
        End(lane, lane.Round.Count);
        if (lane.Next())
        {
            Decide(lane);
            return;
        }

        _lanes.Remove(lane.Client);
        _idleLanes.Push(lane);
    }

    private void CountFailure(StoreFailure failure)
    {
        _storeFailures[(int)failure]++;
        _storeFailuresReported++;
        if (_now >= _nextStoreReport)
        {
            // At most one line a second, however many requests meet the same trouble.
            _nextStoreReport = _now + TimeSpan.FromSeconds(1);
            _output.Report(new StoreTrouble(failure, _storeFailuresReported));
            _storeFailuresReported = 0;
        }
    }
}
