using System.Buffers;
using Masquerade.AccessPoint;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Fam;
using Masquerade.Ham;
using Masquerade.RoamingCoordinator;

namespace Masquerade.SimWorld.World;

/// <summary>
/// A whole site from one seed, on one thread, in virtual time: the product's own nodes and coordinator, joined by links that delay, lose, repeat and reorder.
/// Every message between them goes through the real codec.
/// </summary>
internal sealed partial class SimNetwork : ICoordinatorOutput
{
    private readonly Dictionary<IpAddress, SimAccessPoint> _routes = [];

    public static readonly MacAddress RouterMac = new(0x02AA_0000_0001);

    private readonly PriorityQueue<Action, (long At, long Order)> _events = new();
    private readonly ArrayBufferWriter<byte> _wire = new();
    private long _order;
    private Instant _burstUntil;
    private ulong _incarnation = 1;

    public SimNetwork(ulong seed, Settings settings)
    {
        Seed = seed;
        Settings = settings;
        Random = new SeededRandom(seed);
        Coordinator = NewCoordinator();
        for (var i = 0; i < settings.AccessPoints; i++)
        {
            var ap = new SimAccessPoint(this, i);
            AccessPoints.Add(ap);
            ap.Start(NewModel(i, ++_incarnation), Random.NextUInt64());
            Connect(ap);
        }

        for (var i = 0; i < settings.Clients; i++)
        {
            Clients.Add(new SimClient
            {
                Index = i,
                Mac = new MacAddress(0x02C0_0000_0000 + (ulong)i + 1),
                V4 = IpAddress.FromV4(0xC0A8_4D0A + (uint)i),
                V6 = new IpAddress(0xFD00_0077_0000_0000, 0x10 + (ulong)i),
            });
        }
    }

    public ulong Seed { get; }

    public Settings Settings { get; }

    public SeededRandom Random { get; }

    public Instant Now { get; private set; } = Instant.FromMilliseconds(1);

    public CoordinatorCore Coordinator { get; private set; }

    public List<SimAccessPoint> AccessPoints { get; } = [];

    public List<SimClient> Clients { get; } = [];

    public List<Flow> Flows { get; } = [];

    public Chronicle Chronicle { get; } = new();

    /// <summary>Faults are on: links misbehave.</summary>
    public bool Faulty { get; set; } = true;

    /// <summary>An access point whose uplink is dead.</summary>
    public SimAccessPoint? CutOff { get; set; }

    /// <summary>Flow packets that the radio or a link has lost, which the product cannot be blamed for.</summary>
    public int LostOutside { get; set; }

    /// <summary>Flow packets that an access point has sent to a client whose link there was gone: lost in the air. Where it is told of links, it must not do that.</summary>
    public int SentAstray { get; private set; }

    public long Steps { get; private set; }

    /// <summary>Access points that the coordinator has taken for dead.</summary>
    public int Failures { get; private set; }

    /// <summary>Addresses that have got another owner.</summary>
    public int AddressMoves { get; private set; }

    public void At(TimeSpan delay, Action action) => _events.Enqueue(action, ((Now + delay).Nanoseconds, ++_order));

    public void At(Instant when, Action action) => _events.Enqueue(action, (Instant.Max(when, Now).Nanoseconds, ++_order));

    /// <summary>Lets the world run for some virtual time.</summary>
    public void Run(TimeSpan span)
    {
        var end = Now + span;
        while (_events.TryPeek(out var action, out var key) && key.At <= end.Nanoseconds)
        {
            _events.Dequeue();
            Now = new Instant(key.At);
            Steps++;
            action();
            CheckEveryStep();
        }

        Now = end;
    }

    // ---- control channel -----------------------------------------------------------------------------------------------

    public void Connect(SimAccessPoint ap)
    {
        if (ap.Session != 0 || ap.IsDead)
        {
            return;
        }

        ap.NoteControlTrouble();
        ap.Session = ++_incarnation;
        Coordinator.OnConnected(ap.Session, Now);
        Chronicle.Note(Now, ap.Name, "coordinator", "connects");
        ap.Node.OnControlConnected(Now);
        ap.Wake();
        WakeCoordinator();
    }

    public void Disconnect(SimAccessPoint ap)
    {
        if (ap.Session == 0)
        {
            return;
        }

        var session = ap.Session;
        ap.Session = 0;
        Chronicle.Note(Now, ap.Name, "coordinator", "loses its session");
        ap.Node.OnControlDisconnected(Now);
        Coordinator.OnDisconnected(session, Now);
        WakeCoordinator();
        ap.Wake();
    }

    public void SendToCoordinator(SimAccessPoint ap, ControlMessage message)
    {
        var (session, coordinator) = (ap.Session, Coordinator);
        Chronicle.Note(Now, ap.Name, "coordinator", Chronicle.Describe(message));
        OverControl(ap, () =>
        {
            if (session != 0 && ap.Session == session && coordinator == Coordinator)
            {
                Coordinator.OnMessage(session, OverTheWire(message), Now);
                WakeCoordinator();
            }
        });
    }

    void ICoordinatorOutput.Send(ulong session, ControlMessage message)
    {
        var ap = AccessPoints.Find(a => a.Session == session);
        if (ap is null)
        {
            return;
        }

        Chronicle.Note(Now, "coordinator", ap.Name, Chronicle.Describe(message));
        OverControl(ap, () =>
        {
            if (ap.Session == session)
            {
                ap.Node.OnControl(OverTheWire(message), Now);
                ap.Wake();
            }
        });
    }

    void ICoordinatorOutput.Close(ulong session, string reason)
    {
        if (AccessPoints.Find(a => a.Session == session) is { } ap)
        {
            Disconnect(ap);
            At(TimeSpan.FromMilliseconds(100), () => Connect(ap));
        }
    }

    void ICoordinatorOutput.Report(CoordinatorEvent coordinatorEvent)
    {
        switch (coordinatorEvent)
        {
            case NodeFailed:
                Failures++;
                break;
            case AddressMoved:
                AddressMoves++;
                break;
        }

        if (coordinatorEvent is ClientMoved moved)
        {
            CheckEpoch(moved);
        }
    }

    /// <summary>The coordinator's process and store are new; agents connect again.</summary>
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

        Coordinator = NewCoordinator();
        _epochs.Clear();
        foreach (var ap in AccessPoints)
        {
            At(TimeSpan.FromMilliseconds(10 + Random.NextInt(300)), () => Connect(ap));
        }
    }

    // ---- data network --------------------------------------------------------------------------------------------------

    /// <summary>A frame that an access point sends out of its uplink: the network carries it to an access point or a server.</summary>
    public void FromUplink(SimAccessPoint ap, byte[] frame)
    {
        Chronicle.Capture(Now, frame);
        CheckChecksums(ap.Name, frame);
        if (ap == CutOff)
        {
            LostOutside++;
            return;
        }

        var packet = frame.AsSpan(14).ToArray();
        OverUplink(packet, () => Deliver(packet));
    }

    /// <summary>A server's packet on its way to whom it is addressed.</summary>
    public void FromServer(byte[] packet) => OverUplink(packet, () => Deliver(packet));

    private void Deliver(byte[] packet)
    {
        var to = WireFormat.Destination(packet);
        if (_routes.TryGetValue(to, out var ap))
        {
            if (ap == CutOff)
            {
                LostOutside++;
                return;
            }

            ap.FromNetwork(WireFormat.Frame(ap.UplinkMac, RouterMac, packet));
            return;
        }

        AtServer(packet);
    }

    /// <summary>Whoever has said last that an address is there gets its packets.</summary>
    public void RouteTo(SimAccessPoint ap, IpAddress address) => _routes[address] = ap;

    /// <summary>An access point fails. Its connection to the coordinator breaks, or, if its power has failed, is just silent.</summary>
    public void Kill(SimAccessPoint ap, bool silently = false)
    {
        Chronicle.Note(Now, ap.Name, ap.Name, "fails");
        var session = ap.Session;
        ap.Kill();
        ap.Session = 0;
        if (session != 0 && !silently)
        {
            Coordinator.OnDisconnected(session, Now);
            WakeCoordinator();
        }
    }

    /// <summary>An access point that failed starts anew.</summary>
    public void Revive(SimAccessPoint ap)
    {
        ap.Start(NewModel(ap.Index, ++_incarnation), Random.NextUInt64());
        Connect(ap);
    }

    private void OverUplink(byte[] packet, Action arrive)
    {
        if (Settings.UplinkBursts && Faulty && Now >= _burstUntil && Random.Chance(0.000_3))
        {
            _burstUntil = Now + TimeSpan.FromMilliseconds(Random.NextInt(60));
        }

        if (Faulty && (Now < _burstUntil || Random.Chance(Settings.UplinkLoss)))
        {
            LostOutside++;
            return;
        }

        At(Delay(Settings.UplinkDelay, Settings.UplinkJitter), arrive);
        if (Faulty && Random.Chance(Settings.UplinkDuplication))
        {
            At(Delay(Settings.UplinkDelay, Settings.UplinkJitter), arrive);
        }
    }

    private void OverControl(SimAccessPoint ap, Action arrive)
    {
        if (Faulty && Random.Chance(Settings.ControlLoss))
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

    private TimeSpan Delay(int fixedPart, int jitter) =>
        TimeSpan.FromMicroseconds(fixedPart + (Faulty && jitter > 0 ? Random.NextInt(jitter) : 0));

    private ControlMessage OverTheWire(ControlMessage message)
    {
        _wire.ResetWrittenCount();
        ControlCodec.Encode(message, _wire);
        return ControlCodec.TryDecode(_wire.WrittenSpan, out var decoded, out var error) ? decoded! : throw Fail($"{message} does not survive the wire: {error}");
    }

    private CoordinatorCore NewCoordinator()
    {
        var core = new CoordinatorCore(
            new CoordinatorOptions { EpochClock = 0, Heartbeat = Settings.Takeover ? TimeSpan.FromMilliseconds(100) : TimeSpan.FromSeconds(20), SessionTimeout = TimeSpan.FromSeconds(120), Placement = new PlacementRules(new PlacementRule(Settings.HamAt < 0 ? NodeId.None : new NodeId($"ap{Settings.HamAt + 1}"))) },
            new InMemoryClientStore(++_incarnation),
            Random.NextUInt64(),
            this);
        _coordinatorWake = Instant.Never;
        return core;
    }

    private Instant _coordinatorWake = Instant.Never;

    private void WakeCoordinator()
    {
        var due = Coordinator.NextDeadline;
        if (due >= _coordinatorWake || due == Instant.Never)
        {
            return;
        }

        _coordinatorWake = due;
        var core = Coordinator;
        At(due, () =>
        {
            if (core == Coordinator)
            {
                _coordinatorWake = Instant.Never;
                core.Advance(Now);
                WakeCoordinator();
            }
        });
    }

    public AccessPointModel NewModel(int index, ulong incarnation)
    {
        var subnet = (uint)index + 1;
        return new AccessPointModel
        {
            Node = new NodeId($"ap{subnet}"),
            Incarnation = incarnation,
            Uplink = new UplinkModel
            {
                Mac = new MacAddress(0x02BB_0000_0000UL + subnet),
                AnnouncesRoutes = Settings.Takeover,
                Addresses = [IpAddress.FromV4(0x0A01_000A + (subnet << 8)), IpAddress.FromV4(0x0A01_000B + (subnet << 8)), new IpAddress(0xFD00_0010_0001_0000 + subnet, 0x10)],
                GatewayV4 = IpAddress.FromV4(0x0A01_0001 + (subnet << 8)),
                GatewayV6 = new IpAddress(0xFD00_0010_0001_0000 + subnet, 1),
                StaticNeighbours = new Dictionary<IpAddress, MacAddress>
                {
                    [IpAddress.FromV4(0x0A01_0001 + (subnet << 8))] = RouterMac,
                    [new IpAddress(0xFD00_0010_0001_0000 + subnet, 1)] = RouterMac,
                },
            },
            Clients = new ClientSideModel
            {
                GatewayAddresses = [IpAddress.FromV4(0xC0A8_4D01)],
                Prefixes = [new IpPrefix(IpAddress.FromV4(0xC0A8_4D00), 24), new IpPrefix(new IpAddress(0xFD00_0077_0000_0000, 0), 64)],
            },
            PortRest = TimeSpan.FromMinutes(2),
            AddressPatience = Settings.Takeover ? TimeSpan.FromSeconds(2) : TimeSpan.Zero,
            Fam = Limits.Fam with { Anchoring = Settings.Anchoring },
            Ham = Limits.Ham,
        };
    }

    public Exception Fail(string what) => new SimFailure(Seed, what, Chronicle.Write(Seed));
}
