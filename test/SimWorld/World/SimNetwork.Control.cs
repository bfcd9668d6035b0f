using System.Buffers;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.Store;

namespace Masquerade.SimWorld.World;

/// <summary>The coordinators, and the control channels between them and the access points.</summary>
internal sealed partial class SimNetwork
{
    /// <summary>An agent that hears nothing for so long looks for another coordinator.</summary>
    private static readonly TimeSpan AgentPatience = TimeSpan.FromSeconds(2);

    private readonly ArrayBufferWriter<byte> _wire = new();
    private readonly HashSet<(SimAccessPoint Ap, SimCoordinator Coordinator)> _cuts = [];

    public List<SimCoordinator> Coordinators { get; } = [];

    /// <summary>What they share; null if there is one with a store in memory.</summary>
    public SimRedis? Redis { get; private set; }

    /// <summary>The first coordinator's core, where there is only one.</summary>
    public CoordinatorCore Coordinator => Coordinators[0].Core;

    private CoordinatorOptions CoordinatorOptions => new()
    {
        Heartbeat = Settings.Takeover ? TimeSpan.FromMilliseconds(100) : Redis is null ? TimeSpan.FromSeconds(20) : Pace(TimeSpan.FromMilliseconds(500)),
        SessionTimeout = Redis is null ? TimeSpan.FromSeconds(120) : TimeSpan.FromSeconds(5),
        Takeover = Redis is null || Settings.Takeover,
        Lease = Settings.Lease,
        Services = Settings.Services,
        Balance = Settings.Balance,
        Fams = Settings.Fams,
        Placement = new PlacementRules(new PlacementRule(Settings.HamAt < 0 ? NodeId.None : new NodeId($"ap{Settings.HamAt + 1}"))),
    };

    private void StartCoordinators()
    {
        if (Settings.Coordinators == 0)
        {
            Coordinators.Add(new SimCoordinator(this, 0));
            Coordinators[0].StartAlone(++_incarnation, CoordinatorOptions);
            return;
        }

        Redis = new SimRedis(this, Settings.StoreParts);
        Redis.OnRecord = CheckRecordSet;
        Redis.OnFailOver = NoteStoreLoss;
        for (var i = 0; i < Settings.Coordinators; i++)
        {
            var coordinator = new SimCoordinator(this, i) { Skew = ASkew() };
            Coordinators.Add(coordinator);
            coordinator.Start(Redis, CoordinatorOptions);
        }
    }

    /// <summary>The client's record as the store has it; null if it has none.</summary>
    public ClientRecord? RecordOf(MacAddress client) => Redis is null
        ? Coordinator.Store.Load(client).Record
        : Redis.All<StoredRecord>().Where(r => r.Key == SimStore.RecordKey(client)).Select(r => Decode(client, r.Value)).FirstOrDefault();

    /// <summary>All records that the store has, in the order of their clients.</summary>
    public IEnumerable<ClientRecord> Records() => Redis is null
        ? Coordinator.Store.Clients().Select(c => Coordinator.Store.Load(c).Record!)
        : Redis.All<StoredRecord>().Select(r => SimStore.TryReadRecordKey(r.Key, out var client) ? Decode(client, r.Value) : throw Fail($"{r.Key} is no key of a record"));

    /// <summary>Goes on after a while.</summary>
    public SimTask<bool> WaitAsync(TimeSpan span)
    {
        var task = new SimTask<bool>();
        At(span, () => task.Complete(true));
        return task;
    }

    /// <summary>At the end of the world, when hours pass in which nothing happens, what is done again and again is done less often.</summary>
    public TimeSpan Pace(TimeSpan span) => IsEnding ? span * 40 : span;

    /// <summary>The agent dials: the only coordinator, or the next one that it knows of until one answers.</summary>
    public void Connect(SimAccessPoint ap)
    {
        if (ap.Session != 0 || ap.IsDead || ap.IsDialing)
        {
            return;
        }

        var coordinator = Coordinators[ap.NextCoordinator++ % Coordinators.Count];
        if (!coordinator.IsListening || IsCut(ap, coordinator))
        {
            ap.NoteControlTrouble();
            ap.IsDialing = true;
            var pause = IsCut(ap, coordinator) ? 500 + Random.NextInt(500) : 50 + Random.NextInt(50);
            At(TimeSpan.FromMilliseconds(pause), () =>
            {
                ap.IsDialing = false;
                Connect(ap);
            });
            return;
        }

        ap.NoteControlTrouble();
        ap.Session = ++_incarnation;
        ap.Coordinator = coordinator;
        Chronicle.Note(Now, ap.Name, coordinator.Name, $"connects, session {ap.Session}");
        coordinator.OnConnected(ap.Session);
        ap.Node.OnControlConnected(Now);
        ap.Wake();
    }

    /// <summary>The connection breaks, and both ends notice.</summary>
    public void Disconnect(SimAccessPoint ap)
    {
        if (ap.Session == 0)
        {
            return;
        }

        var (session, coordinator) = (ap.Session, ap.Coordinator!);
        HangUp(ap);
        coordinator.OnDisconnected(session);
        ap.Wake();
    }

    public void SendToCoordinator(SimAccessPoint ap, ControlMessage message)
    {
        var (session, coordinator) = (ap.Session, ap.Coordinator);
        if (coordinator is null)
        {
            return;
        }

        Chronicle.Note(Now, ap.Name, coordinator.Name, Chronicle.Describe(message));
        OverControl(ap, coordinator, () =>
        {
            if (session != 0 && ap.Session == session)
            {
                coordinator.OnMessage(session, OverTheWire(message));
            }
        });
    }

    public void SendToAgent(SimCoordinator coordinator, ulong session, ControlMessage message)
    {
        var ap = AccessPoints.Find(a => a.Session == session);
        if (ap is null)
        {
            return;
        }

        NoteTold(ap, message);
        Chronicle.Note(Now, coordinator.Name, ap.Name, Chronicle.Describe(message));
        OverControl(ap, coordinator, () =>
        {
            if (ap.Session == session)
            {
                ap.Node.OnControl(OverTheWire(message), Now);
                ap.Wake();
            }
        });
    }

    public void OnClosedByCoordinator(SimCoordinator coordinator, ulong session, string reason)
    {
        if (AccessPoints.Find(a => a.Session == session) is not { } ap)
        {
            return;
        }

        Chronicle.Note(Now, coordinator.Name, ap.Name, $"closes: {reason}");
        if (Redis is null)
        {
            Disconnect(ap);
            At(TimeSpan.FromMilliseconds(100), () => Connect(ap));
        }
        else if (!IsCut(ap, coordinator))
        {
            HangUp(ap);
            Redial(ap);
        }
    }

    public void OnReport(SimCoordinator coordinator, CoordinatorEvent coordinatorEvent)
    {
        switch (coordinatorEvent)
        {
            case NodeFailed:
                Failures++;
                break;
            case AddressMoved moved:
                AddressMoves++;
                LoadMoves += moved.Cause == MoveCause.Load ? 1 : 0;
                break;
            case ClientMoved client when Redis is null:
                CheckEpoch(client);
                break;
            case StoreReborn or StoreTrouble:
                Chronicle.Note(Now, coordinator.Name, coordinator.Name, coordinatorEvent.ToString());
                break;
        }
    }

    /// <summary>The coordinator's process and its store in memory are new; agents connect again.</summary>
    public void RestartCoordinator()
    {
        Chronicle.Note(Now, "coordinator", "coordinator", "restarts with an empty store");
        _storeLostAt = Now;
        foreach (var ap in AccessPoints)
        {
            ap.Session = 0;
            if (!ap.IsDead)
            {
                ap.Node.OnControlDisconnected(Now);
            }
        }

        Coordinators[0].StartAlone(++_incarnation, CoordinatorOptions);
        _epochs.Clear();
        foreach (var ap in AccessPoints)
        {
            At(TimeSpan.FromMilliseconds(10 + Random.NextInt(300)), () => Connect(ap));
        }
    }

    /// <summary>One of several coordinators is killed. Its agents' connections are reset, if that can reach them.</summary>
    public void Kill(SimCoordinator coordinator)
    {
        if (coordinator.IsDead)
        {
            return;
        }

        coordinator.Kill();
        _storeTroubleAt = Now;
        foreach (var ap in AccessPoints.Where(a => a.Session != 0 && a.Coordinator == coordinator && !IsCut(a, coordinator)))
        {
            HangUp(ap);
            Redial(ap);
        }
    }

    /// <summary>A coordinator's process is started again; its machine's clock has been set meanwhile: anyhow, or as given.</summary>
    public void Revive(SimCoordinator coordinator, TimeSpan? skew = null)
    {
        if (coordinator.IsDead)
        {
            coordinator.Skew = skew ?? ASkew();
            coordinator.Start(Redis!, CoordinatorOptions);
        }
    }

    /// <summary>Nothing gets through between an agent and a coordinator for a while, and neither is told.</summary>
    public void Cut(SimAccessPoint ap, SimCoordinator coordinator, TimeSpan span)
    {
        if (!_cuts.Add((ap, coordinator)))
        {
            return;
        }

        Chronicle.Note(Now, ap.Name, coordinator.Name, $"nothing gets through for {span}");
        var session = ap.Session;
        At(AgentPatience, () =>
        {
            if (session != 0 && ap.Session == session && ap.Coordinator == coordinator && IsCut(ap, coordinator))
            {
                HangUp(ap);
                Redial(ap);
            }
        });
        At(span, () => Mend(ap, coordinator));
    }

    /// <summary>What has not healed by itself is healed.</summary>
    public void MendAll()
    {
        foreach (var (ap, coordinator) in _cuts.ToArray())
        {
            Mend(ap, coordinator);
        }

        foreach (var coordinator in Coordinators)
        {
            coordinator.Link?.Mend();
            if (Redis is not null)
            {
                Revive(coordinator);
            }
        }
    }

    /// <summary>A coordinator cannot reach the store for a while.</summary>
    public void CutFromStore(SimCoordinator coordinator, TimeSpan span, bool stall)
    {
        Chronicle.Note(Now, coordinator.Name, "store", $"nothing gets through for {span}{(stall ? ", then all at once" : string.Empty)}");
        coordinator.Link!.Cut(span, stall);
        _storeTroubleAt = Now + span;
    }

    /// <summary>An access point fails. Its connection to the coordinator breaks, or, if its power has failed, is just silent.</summary>
    public void Kill(SimAccessPoint ap, bool silently = false)
    {
        Chronicle.Note(Now, ap.Name, ap.Name, "fails");
        var (session, coordinator) = (ap.Session, ap.Coordinator);
        ap.Kill();
        ap.Session = 0;
        if (session != 0 && !silently)
        {
            coordinator!.OnDisconnected(session);
        }
    }

    /// <summary>An access point that failed starts anew.</summary>
    public void Revive(SimAccessPoint ap)
    {
        ap.Start(NewModel(ap.Index, ++_incarnation), Random.NextUInt64());
        Connect(ap);
    }

    public ControlMessage OverTheWire(ControlMessage message)
    {
        _wire.ResetWrittenCount();
        ControlCodec.Encode(message, _wire);
        return ControlCodec.TryDecode(_wire.WrittenSpan, out var decoded, out var error) ? decoded! : throw Fail($"{message} does not survive the wire: {error}");
    }

    private bool IsCut(SimAccessPoint ap, SimCoordinator coordinator) => _cuts.Contains((ap, coordinator));

    private void Mend(SimAccessPoint ap, SimCoordinator coordinator)
    {
        if (!_cuts.Remove((ap, coordinator)))
        {
            return;
        }

        if (ap.Session != 0 && ap.Coordinator == coordinator)
        {
            ap.NoteControlTrouble();
            if (!coordinator.HasSession(ap.Session))
            {
                // It has been ended meanwhile by who was on the other side.
                HangUp(ap);
                Redial(ap);
            }
        }
    }

    /// <summary>The agent's end of a connection is gone; the coordinator is not told.</summary>
    private void HangUp(SimAccessPoint ap)
    {
        ap.Session = 0;
        Chronicle.Note(Now, ap.Name, ap.Coordinator!.Name, "loses its session");
        ap.NoteControlTrouble();
        ap.Node.OnControlDisconnected(Now);
        ap.Wake();
    }

    private void Redial(SimAccessPoint ap) => At(TimeSpan.FromMilliseconds(50 + Random.NextInt(50)), () => Connect(ap));

    private void OverControl(SimAccessPoint ap, SimCoordinator coordinator, Action arrive)
    {
        if ((Faulty && Random.Chance(Settings.ControlLoss)) || IsCut(ap, coordinator))
        {
            ap.NoteControlTrouble();
            return;
        }

        At(Delay(Settings.ControlDelay, Settings.ControlJitter), arrive);
        if (Faulty && Random.Chance(Settings.ControlDuplication))
        {
            At(Delay(Settings.ControlDelay, Settings.ControlJitter * 3), arrive);
        }
    }

    /// <summary>How far a machine's wall clock is off: by what time servers leave, or, where clocks jump, by anything.</summary>
    private TimeSpan ASkew() => !Settings.ClockJumps ? TimeSpan.FromMilliseconds(Redis!.Random.NextInt(20))
        : TimeSpan.FromMilliseconds(Redis!.Random.Chance(0.5) ? Redis.Random.NextInt(2_000) : Redis.Random.NextInt(400_000));

    private ClientRecord Decode(MacAddress client, StoredRecord stored) =>
        ClientRecordCodec.TryDecode(stored.Octets, client, SimRedis.Epoch, out var record) ? record! : throw Fail($"the record of {client} cannot be read");
}
