using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Ways;

/// <summary>An endpoint of this node that stands for a foreign source, as its sender knows it.</summary>
internal sealed class SentStandIn
{
    public required StandInUse Use { get; init; }

    public required TransportProtocol Protocol { get; init; }

    public required MacAddress Client { get; init; }

    /// <summary>This node's endpoint.</summary>
    public required TransportEndpoint Source { get; init; }

    /// <summary>The other node's endpoint.</summary>
    public required TransportEndpoint Destination { get; init; }

    /// <summary>Whether the endpoint was lent for this alone.</summary>
    public required bool IsLent { get; init; }

    public TransportEndpoint Server { get; set; }

    /// <summary>Real source → stand-in.</summary>
    public PacketRewriter.Rewrite ToSource { get; set; }

    /// <summary>Real destination → the other node's endpoint; only to servers, where it differs.</summary>
    public PacketRewriter.Rewrite ToDestination { get; set; }

    public bool IsKnown { get; set; }

    public Instant NextWord { get; set; }

    public Instant LastUsed { get; set; }
}

/// <summary>A stand-in of another node, as its receiver knows it.</summary>
internal sealed class KnownStandIn
{
    public required StandInUse Use { get; init; }

    public required TransportProtocol Protocol { get; init; }

    public required TransportEndpoint Destination { get; init; }

    public required TransportEndpoint Server { get; init; }

    public required MacAddress Client { get; init; }

    /// <summary>What the packet has as source → what stands for it: the server, or to servers the masquerade endpoint.</summary>
    public required PacketRewriter.Rewrite ToSource { get; init; }

    /// <summary>The masquerade endpoint → the server; only to servers.</summary>
    public required PacketRewriter.Rewrite ToDestination { get; init; }

    public Instant LastUsed { get; set; }
}

/// <summary>
/// The stand-ins of a node, its own and other nodes'. They are soft state: said again from time to time while packets use them, and forgotten when none have for a while, whatever has
/// become of connection, mapping and client meanwhile. Nobody is told that one is gone; a packet later a new one is made. Fixed bounds.
/// </summary>
internal sealed class StandIns
{
    /// <summary>The most stand-ins, own and others' each.</summary>
    public const int Most = 65_536;

    /// <summary>How long an own one is kept without a packet. Longer than it takes would hold ports; shorter would have both ends talk about idle connections.</summary>
    private static readonly TimeSpan s_sentIdle = TimeSpan.FromSeconds(120);

    /// <summary>How long another's is kept: longer than its sender keeps it, and a port rests besides.</summary>
    private static readonly TimeSpan s_knownIdle = TimeSpan.FromSeconds(180);

    private static readonly TimeSpan s_sweepInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_again = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_refresh = TimeSpan.FromSeconds(5);

    private readonly Dictionary<(StandInUse Use, FlowTuple Tuple), SentStandIn> _sent;
    private readonly Dictionary<FlowTuple, SentStandIn> _sentByWire;
    private readonly Dictionary<FlowTuple, KnownStandIn> _known;
    private Instant _sweepAt = Instant.Never;

    public StandIns(uint seed)
    {
        var comparer = new TupleComparer(seed);
        _sent = new Dictionary<(StandInUse Use, FlowTuple Tuple), SentStandIn>(comparer);
        _sentByWire = new Dictionary<FlowTuple, SentStandIn>(comparer);
        _known = new Dictionary<FlowTuple, KnownStandIn>(comparer);
    }

    public int SentCount => _sent.Count;

    public int KnownCount => _known.Count;

    public Instant NextDeadline => _sweepAt;

    /// <summary>The stand-in for packets between a node's endpoint and a server; null if there is no room or no port.</summary>
    /// <param name="use">What for.</param>
    /// <param name="protocol">The transport protocol.</param>
    /// <param name="real">The packet as it would go: its source and its destination.</param>
    /// <param name="own">This node's endpoint of the mapping: it is the stand-in for the first server.</param>
    /// <param name="client">Whose mapping.</param>
    /// <param name="pool">Where others are lent.</param>
    /// <param name="now">The time.</param>
    public SentStandIn? Get(StandInUse use, TransportProtocol protocol, in FlowTuple real, TransportEndpoint own, MacAddress client, EndpointPool pool, Instant now)
    {
        // What the other node's endpoint is, and who the server.
        var (destination, server) = use == StandInUse.ToServer ? (real.Source, real.Destination) : (real.Destination, real.Source);

        // A reply has one identifier, its receiver's: who it is from is said whenever that changes, and the last word counts.
        var isLastWord = protocol == TransportProtocol.Icmp && use != StandInUse.ToServer;
        var key = (use, new FlowTuple(isLastWord ? TransportEndpoint.None : server, destination, protocol));
        if (_sent.TryGetValue(key, out var found))
        {
            found.LastUsed = now;
            if (isLastWord && found.Server != server)
            {
                SetServer(found, server);
                (found.IsKnown, found.NextWord) = (false, now);
            }

            return found;
        }

        var source = isLastWord ? own with { Port = 0 } : own;
        var isLent = false;
        if (_sent.Count >= Most || (_sentByWire.ContainsKey(Wire(use, protocol, source, destination)) && !(isLent = pool.TryAllocateAt(pool.AddressIndex(own.Address), protocol, preferredPort: 0, now, out source))))
        {
            return null;
        }

        var made = new SentStandIn
        {
            Use = use,
            Protocol = protocol,
            Client = client,
            Source = source,
            Destination = destination,
            IsLent = isLent,
            NextWord = now,
            LastUsed = now,
        };
        SetServer(made, server);
        _sent[key] = made;
        _sentByWire[Wire(use, protocol, source, destination)] = made;
        SweepSoon(now);
        return made;
    }

    /// <summary>Whether the other node must hear of a stand-in, again, in front of the packet that uses it.</summary>
    public static bool MustSay(SentStandIn standIn, Instant now)
    {
        if (now < standIn.NextWord)
        {
            return false;
        }

        standIn.NextWord = now + (standIn.IsKnown ? s_refresh : s_again);
        return true;
    }

    /// <summary>The other node knows a stand-in.</summary>
    public void OnKnown(StandInKnown word, Instant now)
    {
        if (_sentByWire.TryGetValue(Wire(word.Use, word.Protocol, word.Source, word.Destination), out var sent) && sent.Use == word.Use && sent.Server == word.Server)
        {
            sent.IsKnown = true;
            sent.NextWord = now + s_refresh;
        }
    }

    /// <summary>The own stand-in that a packet has been sent with.</summary>
    public SentStandIn? FindSent(in FlowTuple wire) => _sentByWire.GetValueOrDefault(wire);

    /// <summary>Another node has named a stand-in. False: there is no room.</summary>
    public bool TryLearn(StandIn word, Instant now)
    {
        var wire = Wire(word.Use, word.Protocol, word.Source, word.Destination);
        if (_known.TryGetValue(wire, out var known) && known.Use == word.Use && known.Server == word.Server && known.Destination == word.Destination)
        {
            known.LastUsed = now;
            return true;
        }

        if (known is null && _known.Count >= Most)
        {
            return false;
        }

        var toServer = word.Use == StandInUse.ToServer;
        _known[wire] = new KnownStandIn
        {
            Use = word.Use,
            Protocol = word.Protocol,
            Destination = word.Destination,
            Server = word.Server,
            Client = word.Client,
            ToSource = new PacketRewriter.Rewrite(word.Source, toServer ? word.Destination : word.Server),
            ToDestination = toServer ? new PacketRewriter.Rewrite(word.Destination, word.Server) : default,
            LastUsed = now,
        };
        SweepSoon(now);
        return true;
    }

    /// <summary>What a packet's source stands for, if it is a stand-in.</summary>
    public KnownStandIn? FindKnown(in FlowTuple wire) => _known.Count == 0 ? null : _known.GetValueOrDefault(wire);

    /// <summary>Forgets what has not been used for long.</summary>
    public void Advance(EndpointPool pool, Instant now)
    {
        if (now < _sweepAt)
        {
            return;
        }

        foreach (var (key, sent) in _sent)
        {
            if (now - sent.LastUsed > s_sentIdle)
            {
                Remove(key, sent, pool, now);
            }
        }

        foreach (var (wire, known) in _known)
        {
            if (now - known.LastUsed > s_knownIdle)
            {
                _known.Remove(wire);
            }
        }

        _sweepAt = _sent.Count + _known.Count == 0 ? Instant.Never : now + s_sweepInterval;
    }

    /// <summary>The node at an address may have forgotten, or be another one: it is told again with the next packets.</summary>
    public void SayAgain(IpAddress address, Instant now)
    {
        foreach (var sent in _sent.Values)
        {
            if (sent.Destination.Address == address)
            {
                (sent.IsKnown, sent.NextWord) = (false, now);
            }
        }
    }

    /// <summary>An address is not this node's any more.</summary>
    public void Forget(IpAddress address, EndpointPool pool, Instant now)
    {
        foreach (var (key, sent) in _sent)
        {
            if (sent.Source.Address == address || sent.Destination.Address == address)
            {
                Remove(key, sent, pool, now);
            }
        }

        foreach (var (wire, known) in _known)
        {
            if (wire.Source.Address == address || known.Destination.Address == address)
            {
                _known.Remove(wire);
            }
        }
    }

    /// <summary>Forgets everything, ports included: they are another pool's by now.</summary>
    public void Clear()
    {
        _sent.Clear();
        _sentByWire.Clear();
        _known.Clear();
    }

    private static void SetServer(SentStandIn standIn, TransportEndpoint server)
    {
        standIn.Server = server;
        var toServer = standIn.Use == StandInUse.ToServer;
        standIn.ToSource = new PacketRewriter.Rewrite(toServer ? standIn.Destination : server, standIn.Source);
        standIn.ToDestination = toServer ? new PacketRewriter.Rewrite(server, standIn.Destination) : default;
    }

    /// <summary>What the packets have. Queries have no identifier at their destination and replies none at their source.</summary>
    private static FlowTuple Wire(StandInUse use, TransportProtocol protocol, TransportEndpoint source, TransportEndpoint destination) => protocol != TransportProtocol.Icmp
        ? new FlowTuple(source, destination, protocol)
        : use == StandInUse.ToServer
            ? new FlowTuple(source, destination with { Port = 0 }, protocol)
            : new FlowTuple(source with { Port = 0 }, destination, protocol);

    private void Remove((StandInUse Use, FlowTuple Tuple) key, SentStandIn sent, EndpointPool pool, Instant now)
    {
        _sent.Remove(key);
        _sentByWire.Remove(Wire(sent.Use, sent.Protocol, sent.Source, sent.Destination));
        if (sent.IsLent)
        {
            pool.Release(sent.Protocol, sent.Source, now);
        }
    }

    private void SweepSoon(Instant now) => _sweepAt = _sweepAt == Instant.Never ? now + s_sweepInterval : _sweepAt;

    /// <summary>Endpoints come from outside, so their hash is seeded.</summary>
    private sealed class TupleComparer(uint seed) : IEqualityComparer<FlowTuple>, IEqualityComparer<(StandInUse Use, FlowTuple Tuple)>
    {
        public bool Equals(FlowTuple x, FlowTuple y) => x == y;

        public int GetHashCode(FlowTuple tuple) => (int)FlowHash.Of(tuple, seed);

        public bool Equals((StandInUse Use, FlowTuple Tuple) x, (StandInUse Use, FlowTuple Tuple) y) => x == y;

        public int GetHashCode((StandInUse Use, FlowTuple Tuple) key) => (int)FlowHash.Of(key.Tuple, seed + (uint)key.Use);
    }
}
