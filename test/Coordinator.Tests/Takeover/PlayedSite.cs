using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Takeover;

/// <summary>Played access points around one coordinator; they beat once in 50 ms, and answer what they are asked, unless a test has them stop.</summary>
internal sealed class PlayedSite(CoordinatorOptions? options = null, IClientStore? store = null, ICoordinatorPeers? peers = null)
{
    public static readonly IpPrefix Link = IpPrefix.Parse("192.0.2.0/24");
    public static readonly IpPrefix Anything = IpPrefix.Parse("0.0.0.0/0");
    private readonly Dictionary<ulong, ulong> _sessions = [];
    private readonly Dictionary<ulong, (ulong Session, Instant At, ControlMessage Answer)> _answers = [];
    private Instant _nextBeat;

    public CoordinatorBench Bench { get; } = new(options, store, nodes: 0, peers);

    /// <summary>All that the coordinator has said.</summary>
    public List<(ulong Session, ControlMessage Message)> Said { get; } = [];

    /// <summary>Nodes that say nothing any more.</summary>
    public HashSet<ulong> Silent { get; } = [];

    /// <summary>Nodes that do not answer probes.</summary>
    public HashSet<ulong> Deaf { get; } = [];

    public HashSet<ulong> DeafToOffers { get; } = [];

    /// <summary>Nodes that will not take an address.</summary>
    public HashSet<ulong> Unwilling { get; } = [];

    /// <summary>After how many milliseconds nodes acknowledge what they are told; one if nothing is said here.</summary>
    public Dictionary<ulong, int> Slow { get; } = [];

    /// <summary>What nodes have answered, by number.</summary>
    public HashSet<ulong> Answered { get; } = [];

    /// <summary>How many mappings nodes say that they anchor.</summary>
    public Dictionary<ulong, uint> Load { get; } = [];

    /// <summary>How many mappings a node says that it anchors at each address besides; null: nothing.</summary>
    public Func<ulong, IReadOnlyList<AddressLoad>>? Loads { get; set; }

    /// <summary>Three nodes on one link; ap2 anchors more than ap3.</summary>
    public void Begin(IpPrefix takes)
    {
        for (ulong node = 1; node <= 3; node++)
        {
            Join(node, takes);
        }

        Load[2] = 5;
        Pass(100);
        Said.Clear();
    }

    /// <summary>The client's mapping is anchored at ap1, and ap2 serves it.</summary>
    public void ServeElsewhere()
    {
        Say(1, Bench.Arrive(1));
        Say(1, Bench.Announce(1, Mapping(1, 5_000, 1)));
        Say(2, Bench.Arrive(2, 6_000));
        Pass(300);
        Said.Clear();
    }

    public void Join(ulong node, params IpPrefix[] takes) => Join(node, null, takes);

    public void JoinWith(ulong node, params IpAddress[] addresses)
    {
        _sessions[node] = node;
        Collect(Bench.Connect(node, addresses: addresses, takes: [Link]));
    }

    public void Join(ulong node, AddressOwner? claim, params IpPrefix[] takes)
    {
        _sessions[node] = node;
        Collect(Bench.Connect(node, takes: takes, owners: claim is null ? [] : [claim]));
    }

    public void Rejoin(ulong node, ulong incarnation, params IpAddress[] addresses)
    {
        _sessions[node] = node + 10;
        Collect(Bench.Connect(node, incarnation, node + 10, addresses.Length == 0 ? null : addresses, takes: [Link]));
    }

    public void Silence(ulong node)
    {
        Silent.Add(node);
        Deaf.Add(node);
    }

    public List<ControlMessage> Say(ulong node, ControlMessage message)
    {
        var said = Bench.Tell(_sessions[node], message);
        Collect(said);
        return [.. said.Where(s => s.Session == _sessions[node]).Select(s => s.Message)];
    }

    /// <summary>Nodes answer what they are asked: probes after 150 ms, everything else at once.</summary>
    private void Collect(IReadOnlyList<(ulong Session, ControlMessage Message)> said)
    {
        Said.AddRange(said);
        foreach (var (session, message) in said)
        {
            var node = session % 10;
            if (Silent.Contains(node))
            {
                continue;
            }

            switch (message)
            {
                case ProbeNode probe:
                    var isDead = Deaf.Contains(Enumerable.Range(1, 4).Select(n => (ulong)n).First(n => probe.Peer.Address == Address(n)));
                    _answers.TryAdd(probe.Id, (session, Bench.Now + TimeSpan.FromMilliseconds(isDead ? 150 : 1), new ProbeResult { Id = probe.Id, Alive = !isDead }));
                    break;
                case AddressOwners when DeafToOffers.Contains(node):
                    break;
                case AddressOwners or AdoptMappings or FamChange or FamCleared or ArrivalUpdate or MappingsEnded:
                    var refuses = Unwilling.Contains(node) && message is AddressOwners owners && owners.Owners.Any(o => o.Node == Name(node));
                    var at = Bench.Now + TimeSpan.FromMilliseconds(Slow.GetValueOrDefault(node, 1));
                    _answers.TryAdd(message.Id, (session, at, new Ack { Id = message.Id, Status = refuses ? AckStatus.Refused : AckStatus.Ok }));
                    break;
            }
        }
    }

    public void Pass(double milliseconds, int step = 5)
    {
        for (var end = Bench.Now + TimeSpan.FromMilliseconds(milliseconds); Bench.Now < end;)
        {
            Collect(Bench.Wait(step));
            foreach (var (id, answer) in _answers.Where(a => a.Value.At <= Bench.Now).ToList())
            {
                _answers.Remove(id);
                Answered.Add(id);
                Collect(Bench.Tell(answer.Session, answer.Answer));
            }

            if (Bench.Now >= _nextBeat)
            {
                _nextBeat = Bench.Now + TimeSpan.FromMilliseconds(45);
                foreach (var (node, session) in _sessions.Where(s => !Silent.Contains(s.Key)))
                {
                    var loads = Loads?.Invoke(node) ?? [];
                    var mappings = Load.GetValueOrDefault(node) + (uint)loads.Sum(l => l.Mappings);
                    Collect(Bench.Tell(session, new Heartbeat { Id = Bench.NextId(), Mappings = mappings, Loads = loads }));
                }
            }
        }
    }

    public void Until(Func<bool> condition)
    {
        for (var i = 0; i < 1_000 && !condition(); i++)
        {
            Pass(5);
        }

        Assert.True(condition());
    }

    public IEnumerable<(ulong Session, T Message)> Heard<T>()
        where T : ControlMessage => Said.Where(h => h.Message is T).Select(h => (h.Session, (T)h.Message));
}
