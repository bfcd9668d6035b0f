using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.Store;

namespace Masquerade.SimWorld.World;

/// <summary>
/// A coordinator: the product's own core, alone over a store in memory, or one of several over a shared one. Its process can be killed and started again; it then has another life,
/// another monotonic clock, and what its wall clock says by then.
/// </summary>
internal sealed class SimCoordinator(SimNetwork network, int index) : ICoordinatorOutput
{
    /// <summary>The loop of a coordinator's process looks after its core at least this often.</summary>
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private Instant _wake = Instant.Never;
    private TimeSpan _ahead;
    private int _process;
    private readonly HashSet<ulong> _sessions = [];

    public int Index { get; } = index;

    public string Name { get; } = network.Settings.Coordinators == 0 ? "coordinator" : $"coordinator{index + 1}";

    public CoordinatorCore Core { get; private set; } = null!;

    /// <summary>Its way to the shared store; null if it has one in memory.</summary>
    public SimStoreLink? Link { get; private set; }

    /// <summary>Whether agents can connect.</summary>
    public bool IsListening { get; private set; }

    public bool IsDead { get; private set; }

    /// <summary>How far its wall clock is ahead; a process looks at it when it starts.</summary>
    public TimeSpan Skew { get; set; }

    /// <summary>The sessions that this process has and that have not ended for it.</summary>
    public bool HasSession(ulong session) => !IsDead && _sessions.Contains(session);

    /// <summary>Starts the process with a store of its own, which is empty.</summary>
    public void StartAlone(ulong incarnation, CoordinatorOptions options)
    {
        Core = new CoordinatorCore(options with { EpochClock = 0 }, new InMemoryClientStore(incarnation), network.Random.NextUInt64(), this);
        _process++;
        _wake = Instant.Never;
        IsListening = true;
    }

    /// <summary>Starts the process over the shared store. It listens when it knows where the nodes are.</summary>
    public void Start(SimRedis redis, CoordinatorOptions options)
    {
        var life = redis.Random.NextUInt64() | 1;
        _process++;
        _wake = Instant.Never;
        IsDead = false;
        IsListening = false;
        _ahead = TimeSpan.FromMilliseconds(redis.Random.NextInt(500_000));

        // A process reads its wall clock once, against its monotonic clock.
        var origin = SimRedis.Epoch + (ulong)(long)(Skew - _ahead).TotalMilliseconds;
        var process = _process;
        Link = new SimStoreLink(network, redis);
        var store = new SimStore(Link, options.Lease, origin, Post);
        var peers = new SimPeers(network, store, life, this);
        Core = new CoordinatorCore(options with { EpochClock = origin, Life = life, Name = new NodeId(Name) }, store, redis.Random.NextUInt64(), this, peers);
        network.Chronicle.Note(network.Now, Name, Name, $"starts, life {life:x16}, clock ahead by {Skew}");
        _ = OpenAsync(process, store, peers);
    }

    /// <summary>Its process is killed.</summary>
    public void Kill()
    {
        network.Chronicle.Note(network.Now, Name, Name, "is killed");
        _process++;
        IsDead = true;
        IsListening = false;
        _sessions.Clear();
        Link!.Close();
    }

    public void OnConnected(ulong session)
    {
        _sessions.Add(session);
        Core.OnConnected(session, Local);
        Wake();
    }

    public void OnDisconnected(ulong session)
    {
        if (_sessions.Remove(session) && !IsDead)
        {
            Core.OnDisconnected(session, Local);
            Wake();
        }
    }

    public void OnMessage(ulong session, ControlMessage message)
    {
        if (HasSession(session))
        {
            Core.OnMessage(session, message, Local);
            Wake();
        }
    }

    /// <summary>A completion of the store has come.</summary>
    public void Post(Action completion) => InLoop(() => Core.Complete(completion, Local));

    public void OnPresence(NodePresence presence) => InLoop(() =>
    {
        network.Chronicle.Note(network.Now, Name, Name, $"hears that {presence.Node} is {(presence.IsConnected ? "at" : "not at")} {presence.Life:x16}, number {presence.Number}");
        Core.OnPresence(presence, Local);
    });

    public void OnCoordinatorGone(ulong life) => InLoop(() =>
    {
        network.Chronicle.Note(network.Now, Name, Name, $"takes {life:x16} for gone");
        Core.OnCoordinatorGone(life, Local);
    });

    public void OnAddressesChanged() => InLoop(() => Core.OnAddressesChanged(Local));

    public void OnRelayed(ulong from, NodeId node, ControlMessage message) => InLoop(() => Core.OnRelayed(from, node, message, Local));

    void ICoordinatorOutput.Send(ulong session, ControlMessage message) => network.SendToAgent(this, session, message);

    void ICoordinatorOutput.Close(ulong session, string reason)
    {
        if (Link is not null)
        {
            _sessions.Remove(session);
        }

        network.OnClosedByCoordinator(this, session, reason);
    }

    void ICoordinatorOutput.Report(CoordinatorEvent coordinatorEvent) => network.OnReport(this, coordinatorEvent);

    public override string ToString() => Name;

    /// <summary>What its own monotonic clock says.</summary>
    private Instant Local => network.Now + _ahead;

    private void InLoop(Action action)
    {
        if (!IsDead)
        {
            action();
            Wake();
        }
    }

    /// <summary>Sees to it that the core is called when it wants to be.</summary>
    private void Wake()
    {
        var due = Core.NextDeadline;
        due = due == Instant.Never ? due : due - _ahead;
        due = Link is null ? due : Instant.Min(due, network.Now + network.Pace(Tick));
        if (due >= _wake || due == Instant.Never)
        {
            return;
        }

        _wake = due;
        var process = _process;
        network.At(due, () =>
        {
            if (process == _process)
            {
                _wake = Instant.Never;
                Core.Advance(Local);
                Wake();
            }
        });
    }

    private async SimTask<bool> OpenAsync(int process, SimStore store, SimPeers peers)
    {
        await store.StartAsync();
        await peers.StartAsync();
        if (process == _process)
        {
            IsListening = true;
            Wake();
        }

        return true;
    }
}
