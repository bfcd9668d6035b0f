using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Load, decide, compare-and-set, then say it. The store may take its time: decisions about one client wait for each other, in the order in which they were asked for;
/// decisions about different clients do not.
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

    /// <summary>Requests that were not taken because too many waited; they come again.</summary>
    public long RequestsRefused { get; private set; }

    /// <summary>Decisions that are under way or wait.</summary>
    public int DecisionsUnderWay => _lanes.Count + _waiting;

    /// <summary>How often the store has failed for a reason.</summary>
    public long StoreFailures(StoreFailure reason) => _storeFailures[(int)reason];

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
            lane.Current = job;
            _lanes[job.Client] = lane;
            Decide(job);
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
        _waiting++;
        if (job.Asker is not null)
        {
            job.Asker.Waiting++;
        }
    }

    private void Decide(Job job)
    {
        if (job.Attempts++ < MaxAttempts)
        {
            _store.Load(job.Client, loaded => OnLoaded(job, loaded));
        }
        else
        {
            // Overtaken again and again: the request comes again.
            ClaimsRefused++;
            _output.Report(new ClaimRefused(job.Asker?.Id ?? NodeId.None, job.Client, "the client's record is set by others again and again", RefusalKind.Overtaken));
            GiveUp(job);
        }
    }

    private void OnLoaded(Job job, LoadResult loaded)
    {
        if (loaded.Failure != StoreFailure.None)
        {
            CountFailure(loaded.Failure);
            GiveUp(job);
            return;
        }

        var found = loaded.Found;
        SayAfterAll(job.Client, found.Version);
        if (found.Record?.AddressesAsOf > Nodes.AddressesAsOf && !job.HasReadAddresses)
        {
            // Another coordinator has decided by a later state of the book. Should reading it not help, the store has lost that state.
            job.HasReadAddresses = true;
            ReadAddresses(_ => Decide(job));
            return;
        }

        WatchOver(found.Record);
        var moved = Nodes.HasMoved && found.Record is { } record ? TakeoverStep.Converge(record, Nodes, job.Tells) : null;
        var decision = job.Step(moved?.Next ?? found.Record, job.Refused);
        decision = moved is null ? decision : decision?.After(moved) ?? moved;
        if (Nodes.HasMoved && decision?.Next is { } stepped && !ReferenceEquals(stepped, moved?.Next) && TakeoverStep.Converge(stepped, Nodes, []) is { } news)
        {
            // Who asks may not have heard of a move.
            decision = news.After(decision) with { Answer = decision.Answer };
        }

        decision = decision is null || job.Refused is null ? decision : Without(decision, job.Refused);
        if (decision is null)
        {
            Finish(job);
        }
        else if (decision.Next is null || ReferenceEquals(decision.Next, found.Record))
        {
            Carry(decision, job.Asker);
            Finish(job);
        }
        else
        {
            var all = job.ClaimsAll || job.Request is Announce { Full: true } or AnchorReport;
            _store.CompareAndSet(decision.Next, found, new SetScope(all), set => OnSet(job, decision, found.Version, set));
        }
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

    private void OnSet(Job job, Decision decision, long before, SetResult set)
    {
        switch (set.Outcome)
        {
            case StoreOutcome.Stored:
                Carry(decision, job.Asker);
                Finish(job);
                break;
            case StoreOutcome.Changed:
                Decide(job);
                break;
            case StoreOutcome.Taken:
                Settle(job, decision.Next!, set.Claims ?? [], 0);
                break;
            case StoreOutcome.Full:
                // This will not get better by asking again, so it is answered.
                Refuse(job.Asker, job.Request, "the store is full", RefusalKind.StoreFull);
                Finish(job);
                break;
            default:
                CountFailure(set.Failure);
                if (set.Version != 0 && (_unsure.ContainsKey(job.Client) || _unsure.Count < _options.MaxWaiting))
                {
                    _unsure[job.Client] = (before, set.Version, decision);
                }

                GiveUp(job);
                break;
        }
    }

    /// <summary>A request comes again by itself, from an agent whose packets do not wait for it. What nobody asks for is tried again.</summary>
    private void GiveUp(Job job)
    {
        if (job.IsRequest)
        {
            job.Done = null;
        }
        else if (_retries.Count < _options.MaxWaiting)
        {
            var again = new Job(job.Client, job.Step) { Asker = job.Asker, Request = job.Request, Authority = job.Authority, ClaimsAll = job.ClaimsAll, Tells = job.Tells, Done = job.Done };
            job.Done = null;
            Later(() => Run(again));
        }

        Finish(job);
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

    private void Finish(Job job)
    {
        job.Done?.Invoke();
        var lane = _lanes[job.Client];
        if (lane.Waiting.TryDequeue(out var next))
        {
            _waiting--;
            if (next.Asker is not null)
            {
                next.Asker.Waiting--;
            }

            lane.Current = next;
            Decide(next);
            return;
        }

        lane.Current = null;
        _lanes.Remove(job.Client);
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

    /// <summary>One decision to be made.</summary>
    private sealed class Job(MacAddress client, Func<ClientRecord?, IReadOnlySet<MappingId>?, Decision?> step)
    {
        public MacAddress Client { get; } = client;

        /// <summary>From the client's record, and the mappings that were found to be another client's, to a decision. Has no side effects and may be called again.</summary>
        public Func<ClientRecord?, IReadOnlySet<MappingId>?, Decision?> Step { get; } = step;

        /// <summary>Who gets the answer.</summary>
        public NodeState? Asker { get; init; }

        public ControlMessage? Request { get; init; }

        /// <summary>Whose word counts for the masquerade endpoints that it owns.</summary>
        public NodeId Authority { get; init; }

        /// <summary>Whether it comes straight from an agent, which will ask again if there is no answer.</summary>
        public bool IsRequest { get; init; }

        /// <summary>Whether the whole record is to be claimed in the index again.</summary>
        public bool ClaimsAll { get; init; }

        /// <summary>Addresses of which the owner is told everything, not only what this job makes right.</summary>
        public IReadOnlyList<IpAddress> Tells { get; init; } = [];

        public bool HasReadAddresses { get; set; }

        /// <summary>Called once when all is done.</summary>
        public Action? Done { get; set; }

        public HashSet<MappingId>? Refused { get; set; }

        public int Attempts { get; set; }
    }

    /// <summary>The decisions about one client that are under way: one being made, the others waiting in order.</summary>
    private sealed class Lane
    {
        public Job? Current { get; set; }

        public Queue<Job> Waiting { get; } = new();

        public bool Holds(Job job)
        {
            if (IsSame(Current, job))
            {
                return true;
            }

            foreach (var waiting in Waiting)
            {
                if (IsSame(waiting, job))
                {
                    return true;
                }
            }

            return false;
        }

        private static bool IsSame(Job? one, Job other) => one is { IsRequest: true } && one.Asker == other.Asker && one.Request!.Id == other.Request!.Id;
    }
}
