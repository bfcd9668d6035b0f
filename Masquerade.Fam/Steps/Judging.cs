using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// What a client's policy lets through. It is asked when a connection is opened; the answer stays in the connection with the generation of the client's policy, which is all that a packet
/// compares. After a change the next packet asks again: what is forbidden now ends there, the rest goes on. Between clients there are no connections, so there every packet asks.
/// </summary>
public sealed partial class FamEngine
{
    /// <summary>Generations are even, so that a connection that is limited can differ from each.</summary>
    private const uint Limited = 1;

    private readonly IClientFilter? _filter;
    private readonly RateBuckets? _buckets;
    private uint _generation;

    /// <summary>What clients' policies say; null: everybody may do everything.</summary>
    public IClientFilter? Filter
    {
        get => _filter;
        init
        {
            _filter = value;
            _buckets = value is null ? null : new RateBuckets(_config.MaxRateBuckets);
        }
    }

    /// <summary>Connections that were ended because a changed policy forbids them.</summary>
    public long EndedByPolicy { get; private set; }

    /// <summary>Token buckets in use.</summary>
    public int RateBucketCount => _buckets?.Count ?? 0;

    /// <summary>A client's policy is another one now. A client that is not known here is asked for when it appears (<see cref="IClientFilter.PolicyOf"/>).</summary>
    /// <param name="mac">The client.</param>
    /// <param name="policy">Its policy.</param>
    /// <param name="now">The time.</param>
    public void SetPolicy(MacAddress mac, int policy, Instant now)
    {
        if (_filter is null || _clients.Find(mac) is not (>= 0 and var client))
        {
            return;
        }

        var waits = _clients[client].Policy == IClientFilter.Awaited && policy != IClientFilter.Awaited;
        _clients[client].Policy = policy;
        JudgeAgain(client);
        if (waits && _clients[client].State == ClientState.Serving)
        {
            ReleaseHeld(client, now, out _);
        }
    }

    /// <summary>A policy says something else now than it did: all who have it are judged again.</summary>
    /// <param name="policy">The policy.</param>
    public void OnPolicyChanged(int policy)
    {
        for (var client = _filter is null ? -1 : _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
        {
            if (_clients[client].Policy == policy)
            {
                JudgeAgain(client);
            }
        }
    }

    /// <summary>Whether a packet of another client may be given to a client here; if not, why. Not counted.</summary>
    public DropReason JudgeForNeighbour(MacAddress client, in PacketSummary summary, Instant now) =>
        _filter is not null && _clients.Find(client) is >= 0 and var slot ? JudgeExchange(slot, summary, fromClient: false, now) : DropReason.None;

    /// <summary>As the other one, where the packet does not show the clients' own addresses.</summary>
    /// <param name="client">Who is to get it.</param>
    /// <param name="summary">The packet.</param>
    /// <param name="real">From whom to whom.</param>
    /// <param name="now">The time.</param>
    public DropReason JudgeForNeighbour(MacAddress client, in PacketSummary summary, in FlowTuple real, Instant now) =>
        _filter is not null && _clients.Find(client) is >= 0 and var slot ? JudgeExchange(slot, real, IsOpening(summary), fromClient: false, summary.Length, now) : DropReason.None;

    private void BeginJudging(int client)
    {
        if (_filter is not null)
        {
            _clients[client].Policy = _filter.PolicyOf(_clients[client].Mac);
            JudgeAgain(client);
        }
    }

    private void EndJudging(int client) => _buckets?.Free(ref _clients[client].FirstBucket);

    private void JudgeAgain(int client)
    {
        EndJudging(client);
        _generation += 2;
        if (_generation == 0)
        {
            // That is what nothing has been judged by.
            _generation = 2;
        }

        _clients[client].PolicyGeneration = _generation;
        FastPath?.Void(client);
    }

    /// <summary>A TCP segment that can only open a connection. Other packets, and those of other protocols, may be answers.</summary>
    private static bool IsOpening(in PacketSummary summary) => summary.Kind == PacketKind.Tcp && (summary.TcpFlags & (TcpFlags.Syn | TcpFlags.Ack)) == TcpFlags.Syn;

    /// <summary>Whether a packet of a connection may pass that has not been judged since its client's policy changed, or is limited. One that may not be any more ends here.</summary>
    private DropReason Judge(int slot, in PacketSummary summary, Instant now)
    {
        ref var connection = ref _table.Connection(slot);
        ref var mapping = ref _table.Mapping(connection.Mapping);
        ref var client = ref _clients[mapping.Client];
        if (connection.Judged != (client.PolicyGeneration | Limited))
        {
            var reason = Judge(client, connection.Tuple, connection.OpensOut || !IsAdmitted(mapping, connection.Tuple.Destination, PacketKind.Udp), out var verdict);
            if (reason != DropReason.None)
            {
                EndForbidden(slot, reason, now);
                return reason;
            }

            if (verdict.Action == FilterAction.Limit)
            {
                var bucket = _buckets!.FindOrAdd(ref client.FirstBucket, verdict.Bucket, _filter!.LimitOf(client.Policy, verdict.Bucket), now);
                if (bucket < 0)
                {
                    return DropReason.TableFull;
                }

                connection.Bucket = bucket;
            }

            connection.Judged = client.PolicyGeneration | (verdict.Action == FilterAction.Limit ? Limited : 0);
            if (verdict.Action == FilterAction.Allow)
            {
                return DropReason.None;
            }
        }

        return _buckets!.TryTake(connection.Bucket, summary.Length, now) ? DropReason.None : DropReason.RateLimited;
    }

    /// <summary>
    /// Asks about a connection. Whoever may be reached from outside may answer: where the far end may have opened it, and it is not allowed as the client's, it is judged as the far end's.
    /// </summary>
    private DropReason Judge(in FamClient client, in FlowTuple tuple, bool isClients, out FilterVerdict verdict)
    {
        verdict = FilterVerdict.NoRule;
        if (client.Policy is IClientFilter.Unknown or IClientFilter.Awaited)
        {
            return DropReason.NotAuthenticated;
        }

        verdict = _filter!.Judge(client.Policy, tuple, FilterDirection.Out);
        if (!verdict.Passes && !isClients)
        {
            verdict = _filter.Judge(client.Policy, tuple.Reply(), FilterDirection.In);
        }

        return verdict.Passes ? DropReason.None : DropReason.Policy;
    }

    /// <summary>Whether a packet of a client may open a connection here.</summary>
    private DropReason JudgeOpening(int client, int mapping, in PacketSummary summary) =>
        Judge(_clients[client], summary.Tuple, IsOpening(summary) || mapping < 0 || !IsAdmitted(_table.Mapping(mapping), summary.Tuple.Destination, PacketKind.Udp), out _);

    /// <summary>Whether a packet for a client that is here may be given to it. Who is let in without a connection is asked about every time, for strangers open none.</summary>
    private DropReason JudgeInbound(int mappingSlot, int connection, TransportEndpoint server, in PacketSummary summary, Instant now)
    {
        ref var mapping = ref _table.Mapping(mappingSlot);
        if (connection >= 0)
        {
            return _table.Connection(connection).Judged == _clients[mapping.Client].PolicyGeneration ? DropReason.None : Judge(connection, summary, now);
        }

        // After a loss it is not known who opened it: then it may be an answer.
        var isOpening = IsOpening(summary) || !IsOfForgotten(mapping, summary);
        return JudgeExchange(mapping.Client, new FlowTuple(server, mapping.ClientEndpoint, mapping.Id.Protocol), isOpening, fromClient: false, summary.Length, now);
    }

    private DropReason JudgeExchange(int client, in PacketSummary summary, bool fromClient, Instant now) =>
        JudgeExchange(client, summary.Kind == PacketKind.IcmpError ? summary.EmbeddedTuple.Reply() : summary.Tuple, IsOpening(summary), fromClient, summary.Length, now);

    /// <summary>A packet that belongs to no connection here passes if it may open one, or may answer one that the other end may open.</summary>
    private DropReason JudgeExchange(int client, in FlowTuple tuple, bool isOpening, bool fromClient, int length, Instant now)
    {
        ref var record = ref _clients[client];
        if (record.Policy is IClientFilter.Unknown or IClientFilter.Awaited)
        {
            return DropReason.NotAuthenticated;
        }

        var verdict = _filter!.Judge(record.Policy, tuple, fromClient ? FilterDirection.Out : FilterDirection.In);
        if (!verdict.Passes && !isOpening)
        {
            verdict = _filter.Judge(record.Policy, tuple.Reply(), fromClient ? FilterDirection.In : FilterDirection.Out);
        }

        if (verdict.Action != FilterAction.Limit)
        {
            return verdict.Passes ? DropReason.None : DropReason.Policy;
        }

        var bucket = _buckets!.FindOrAdd(ref record.FirstBucket, verdict.Bucket, _filter.LimitOf(record.Policy, verdict.Bucket), now);
        return bucket < 0 ? DropReason.TableFull : _buckets.TryTake(bucket, length, now) ? DropReason.None : DropReason.RateLimited;
    }

    /// <summary>
    /// A connection that the policy forbids ends, and its mapping with its last one. Only its owner ends it; and where it is not known what the client may do, nothing is forbidden yet.
    /// </summary>
    private void EndForbidden(int slot, DropReason reason, Instant now)
    {
        var mapping = _table.Connection(slot).Mapping;
        if (reason != DropReason.Policy || _clients[_table.Mapping(mapping).Client].State is not (ClientState.Serving or ClientState.Away))
        {
            return;
        }

        EndedByPolicy++;
        _idle.Cancel(slot);
        _table.RemoveConnection(slot);
        if (_table.Mapping(mapping) is { ConnectionCount: 0, Explicit: null })
        {
            EndMapping(mapping, now);
        }
        else
        {
            MarkDirty(mapping, now);
        }
    }

    private bool IsAwaited(int client, DropReason reason) => reason == DropReason.NotAuthenticated && _clients[client].Policy == IClientFilter.Awaited;

    /// <summary>A client is told what its policy forbids; who is nobody yet, and who is too fast, is not.</summary>
    private Verdict RefuseByPolicy(DropReason reason, ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload, MacAddress mac, Instant now)
    {
        if (_clients.Find(mac) is >= 0 and var client && IsAwaited(client, reason))
        {
            return Hold(client, packet, offload, HoldOutbound, now);
        }

        return reason == DropReason.Policy ? SendBackToClient(reason, IcmpError.Prohibited, packet, summary, mac) : Drop(reason);
    }
}
