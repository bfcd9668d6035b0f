using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Neighbours;

/// <summary>What stands for a packet's endpoints between two nodes, both ways round.</summary>
internal abstract class NeighbourFlow
{
    /// <summary>Client to client.</summary>
    public required FlowTuple Real { get; init; }

    /// <summary>Whether it is the replies to pings: they have one identifier, the receiver's.</summary>
    public required bool IsReply { get; init; }

    /// <summary>Node to node, as its packets have it.</summary>
    public FlowTuple Wire { get; protected set; }

    public Instant LastUsed { get; set; }

    /// <summary>Before that its sender is not told again that the receiver is not here.</summary>
    public Instant GoneAgain { get; set; }

    /// <summary>The sender's port or identifier that it is known by.</summary>
    public ushort Number => IsReply ? Wire.Destination.Port : Wire.Source.Port;

    /// <summary>From the real source to the one on the wire, and likewise.</summary>
    public PacketRewriter.Rewrite SourceToWire { get; private set; }

    public PacketRewriter.Rewrite DestinationToWire { get; private set; }

    /// <summary>And back.</summary>
    public PacketRewriter.Rewrite SourceToReal { get; private set; }

    public PacketRewriter.Rewrite DestinationToReal { get; private set; }

    protected void SetWire(FlowTuple wire)
    {
        Wire = wire;
        SourceToWire = new PacketRewriter.Rewrite(Real.Source, wire.Source);
        DestinationToWire = new PacketRewriter.Rewrite(Real.Destination, wire.Destination);
        SourceToReal = new PacketRewriter.Rewrite(wire.Source, Real.Source);
        DestinationToReal = new PacketRewriter.Rewrite(wire.Destination, Real.Destination);
    }
}

/// <summary>A flow of a client here to one elsewhere: the sender's node names it, by an endpoint of its own.</summary>
internal sealed class OwnFlow : NeighbourFlow
{
    /// <summary>The endpoint that is lent for it.</summary>
    public required TransportEndpoint Lent { get; init; }

    /// <summary>Whose it is.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>Where the receiver is served.</summary>
    public TransportEndpoint Peer { get; private set; }

    /// <summary>Where it was before, and until when packets from there may still be on their way.</summary>
    public IpAddress Former { get; private set; }

    public Instant FormerUntil { get; private set; }

    public ulong Key { get; private set; }

    public bool IsKnown { get; set; }

    public Instant NextWord { get; set; }

    /// <summary>The receiver is served there from now on.</summary>
    public void SendTo(TransportEndpoint peer, ulong key, TimeSpan forwardTime, Instant now)
    {
        if (!Peer.IsNone)
        {
            (Former, FormerUntil) = (Peer.Address, now + forwardTime);
        }

        (Peer, Key, IsKnown, NextWord) = (peer, key, false, now);
        SetWire(Real.Protocol != TransportProtocol.Icmp
            ? new FlowTuple(Lent, peer, Real.Protocol)
            : IsReply
                ? new FlowTuple(Lent with { Port = 0 }, peer with { Port = Lent.Port }, Real.Protocol)
                : new FlowTuple(Lent, peer with { Port = 0 }, Real.Protocol));
    }
}

/// <summary>A flow of a client elsewhere to one here, as its sender's node has named it.</summary>
internal sealed class OthersFlow : NeighbourFlow
{
    /// <summary>Whether it is known that the sender is served by the node that named it. Until then its packets wait.</summary>
    public bool IsProven { get; set; }

    /// <summary>When its node last said that it has it.</summary>
    public Instant LastWord { get; set; }

    public void SetWireOnce(FlowTuple wire) => SetWire(wire);
}

/// <summary>
/// The flows between clients here and clients elsewhere. They are soft state, like the stand-ins of ways: named in front of the first packet and again while packets use them, forgotten
/// when none have for a while. Nothing has to be released when a client moves; its next node names its flows anew. Fixed bounds.
/// </summary>
internal sealed class NeighbourFlows(int most, int mostPerClient, uint seed)
{
    /// <summary>How long an own one is kept without a packet either way.</summary>
    private static readonly TimeSpan s_ownIdle = TimeSpan.FromSeconds(120);

    /// <summary>How long another's is kept: longer than its sender keeps it, and a port rests besides.</summary>
    private static readonly TimeSpan s_othersIdle = TimeSpan.FromSeconds(180);

    /// <summary>How long after its last word another's may be used for answers: its sender certainly still has it.</summary>
    private static readonly TimeSpan s_answerable = TimeSpan.FromSeconds(100);

    private static readonly TimeSpan s_unproven = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_sweepInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_again = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_refresh = TimeSpan.FromSeconds(5);

    private readonly Dictionary<(FlowTuple Tuple, bool IsReply), OwnFlow> _own = new(new Comparer(seed));
    private readonly Dictionary<(FlowTuple Tuple, bool IsReply), OwnFlow> _ownByLent = new(new Comparer(seed));
    private readonly Dictionary<(FlowTuple Tuple, bool IsReply), OthersFlow> _others = new(new Comparer(seed));
    private readonly Dictionary<(FlowTuple Tuple, bool IsReply), OthersFlow> _othersByReal = new(new Comparer(seed));
    private readonly Dictionary<MacAddress, int> _perClient = [];
    private Instant _sweepAt = Instant.Never;

    public int Count => _own.Count + _others.Count;

    public int OwnCount => _own.Count;

    public Instant NextDeadline => _sweepAt;

    public OwnFlow? FindOwn(in FlowTuple real, bool isReply) => _own.GetValueOrDefault((real, isReply));

    /// <summary>The own flow that an endpoint here is lent for.</summary>
    public OwnFlow? FindLent(TransportProtocol protocol, TransportEndpoint lent) => _ownByLent.GetValueOrDefault((Lent(protocol, lent), false));

    /// <summary>Another's flow, by the node that sends and its number.</summary>
    public OthersFlow? FindOthers(TransportProtocol protocol, IpAddress node, ushort number) => _others.GetValueOrDefault((Lent(protocol, new TransportEndpoint(node, number)), false));

    /// <summary>Another's flow, client to client.</summary>
    public OthersFlow? FindOthers(in FlowTuple real, bool isReply) => _othersByReal.GetValueOrDefault((real, isReply));

    /// <summary>Whether another's flow may be used for what goes the other way.</summary>
    public static bool IsAnswerable(OthersFlow flow, Instant now) => flow.IsProven && now - flow.LastWord < s_answerable;

    /// <summary>Whether a client may have another flow.</summary>
    public bool HasRoom(MacAddress client, out bool isFull)
    {
        isFull = _own.Count >= most;
        return !isFull && _perClient.GetValueOrDefault(client) < mostPerClient;
    }

    /// <summary>A new own flow.</summary>
    public OwnFlow Add(in FlowTuple real, bool isReply, TransportEndpoint lent, MacAddress client, Instant now)
    {
        var flow = new OwnFlow { Real = real, IsReply = isReply, Lent = lent, Client = client, LastUsed = now };
        _own[(real, isReply)] = flow;
        _ownByLent[(Lent(real.Protocol, lent), false)] = flow;
        _perClient[client] = _perClient.GetValueOrDefault(client) + 1;
        SweepSoon(now);
        return flow;
    }

    /// <summary>Whether the other node must hear of a flow, again, in front of the packet that uses it.</summary>
    public static bool MustSay(OwnFlow flow, Instant now)
    {
        if (now < flow.NextWord)
        {
            return false;
        }

        flow.NextWord = now + (flow.IsKnown ? s_refresh : s_again);
        return true;
    }

    /// <summary>The other node knows a flow.</summary>
    public void OnKnown(NeighbourFlowKnown word, IpAddress node, IpAddress own, Instant now)
    {
        if (FindLent(word.Protocol, new TransportEndpoint(own, word.Number)) is { } flow && flow.Peer.Address == node && flow.Key == word.Key && flow.Real.Source == word.Source && flow.Real.Destination == word.Destination)
        {
            flow.IsKnown = true;
            flow.NextWord = now + s_refresh;
        }
    }

    /// <summary>Another node has named a flow. Null: there is no room.</summary>
    /// <param name="real">Client to client.</param>
    /// <param name="isReply">Whether it is replies to pings.</param>
    /// <param name="wire">Node to node.</param>
    /// <param name="now">The time.</param>
    public OthersFlow? Learn(in FlowTuple real, bool isReply, in FlowTuple wire, Instant now)
    {
        var key = (Lent(wire.Protocol, new TransportEndpoint(wire.Source.Address, isReply ? wire.Destination.Port : wire.Source.Port)), false);
        if (_others.TryGetValue(key, out var known) && known.Real == real && known.IsReply == isReply && known.Wire == wire)
        {
            return known;
        }

        if (known is null && _others.Count >= most)
        {
            return null;
        }

        if (known is not null)
        {
            RemoveOthers(key, known);
        }

        var flow = new OthersFlow { Real = real, IsReply = isReply, LastUsed = now };
        flow.SetWireOnce(wire);
        _others[key] = flow;
        _othersByReal[(real, isReply)] = flow;
        SweepSoon(now);
        return flow;
    }

    /// <summary>Forgets what has not been used for long.</summary>
    public void Advance(EndpointPool pool, Instant now)
    {
        if (now < _sweepAt)
        {
            return;
        }

        foreach (var (key, flow) in _own)
        {
            if (now - flow.LastUsed > s_ownIdle)
            {
                RemoveOwn(key, flow, pool, now);
            }
        }

        foreach (var (key, flow) in _others)
        {
            if (now - flow.LastUsed > (flow.IsProven ? s_othersIdle : s_unproven))
            {
                RemoveOthers(key, flow);
            }
        }

        _sweepAt = Count == 0 ? Instant.Never : now + s_sweepInterval;
    }

    /// <summary>An address is not this node's any more.</summary>
    public void Forget(IpAddress address, EndpointPool pool, Instant now)
    {
        foreach (var (key, flow) in _own)
        {
            if (flow.Lent.Address == address)
            {
                RemoveOwn(key, flow, pool, now);
            }
        }

        foreach (var (key, flow) in _others)
        {
            if (flow.Wire.Destination.Address == address)
            {
                RemoveOthers(key, flow);
            }
        }
    }

    /// <summary>Forgets everything, ports included: they are another pool's by now.</summary>
    public void Clear()
    {
        _own.Clear();
        _ownByLent.Clear();
        _others.Clear();
        _othersByReal.Clear();
        _perClient.Clear();
        _sweepAt = Instant.Never;
    }

    private static FlowTuple Lent(TransportProtocol protocol, TransportEndpoint endpoint) => new(endpoint, TransportEndpoint.None, protocol);

    private void RemoveOwn((FlowTuple Tuple, bool IsReply) key, OwnFlow flow, EndpointPool pool, Instant now)
    {
        _own.Remove(key);
        _ownByLent.Remove((Lent(flow.Real.Protocol, flow.Lent), false));
        pool.Release(flow.Real.Protocol, flow.Lent, now);
        if (_perClient[flow.Client] <= 1)
        {
            _perClient.Remove(flow.Client);
        }
        else
        {
            _perClient[flow.Client]--;
        }
    }

    private void RemoveOthers((FlowTuple Tuple, bool IsReply) key, OthersFlow flow)
    {
        _others.Remove(key);
        if (_othersByReal.GetValueOrDefault((flow.Real, flow.IsReply)) == flow)
        {
            _othersByReal.Remove((flow.Real, flow.IsReply));
        }
    }

    private void SweepSoon(Instant now) => _sweepAt = _sweepAt == Instant.Never ? now + s_sweepInterval : _sweepAt;

    /// <summary>Endpoints come from outside, so their hash is seeded.</summary>
    private sealed class Comparer(uint seed) : IEqualityComparer<(FlowTuple Tuple, bool IsReply)>
    {
        public bool Equals((FlowTuple Tuple, bool IsReply) x, (FlowTuple Tuple, bool IsReply) y) => x == y;

        public int GetHashCode((FlowTuple Tuple, bool IsReply) key) => (int)FlowHash.Of(key.Tuple, key.IsReply ? ~seed : seed);
    }
}
