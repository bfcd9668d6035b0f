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
internal sealed partial class SimNetwork
{
    private readonly Dictionary<IpAddress, SimAccessPoint> _routes = [];

    private const long MaxSteps = 20_000_000;

    public static readonly MacAddress RouterMac = new(0x02AA_0000_0001);

    private readonly PriorityQueue<Action, (long At, long Order)> _events = new();
    private long _order;
    private Instant _burstUntil;
    private ulong _incarnation = 1;

    public SimNetwork(ulong seed, Settings settings)
    {
        Seed = seed;
        Settings = settings;
        Random = new SeededRandom(seed);
        StartCoordinators();
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

    public List<SimAccessPoint> AccessPoints { get; } = [];

    public List<SimClient> Clients { get; } = [];

    public List<Flow> Flows { get; } = [];

    public Chronicle Chronicle { get; } = new();

    /// <summary>Faults are on: links misbehave.</summary>
    public bool Faulty { get; set; } = true;

    /// <summary>Nothing happens any more but timers.</summary>
    public bool IsEnding { get; set; }

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

    /// <summary>How often of these because of load.</summary>
    public int LoadMoves { get; private set; }

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
            if (++Steps > MaxSteps)
            {
                throw Fail("the world does not come to rest");
            }

            action();
            CheckEveryStep();
        }

        Now = end;
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
        if (!_routes.ContainsKey(WireFormat.Destination(packet)))
        {
            MayBeRefused(packet);
        }

        OverUplink(packet, () => Deliver(packet));
    }

    /// <summary>A server's packet on its way to whom it is addressed.</summary>
    public void FromServer(byte[] packet)
    {
        MayBeRefused(packet);
        foreach (var piece in InPieces(packet))
        {
            OverUplink(piece, () => Deliver(piece));
        }
    }

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

    private TimeSpan Delay(int fixedPart, int jitter) =>
        TimeSpan.FromMicroseconds(fixedPart + (Faulty && jitter > 0 ? Random.NextInt(jitter) : 0));

    private const ushort FirstPort = 1_024;

    public AccessPointModel NewModel(int index, ulong incarnation)
    {
        var subnet = (uint)index + 1;
        var mapping = Settings.IsMixed && index % 2 == 1 ? MappingPolicy.EndpointIndependent : Settings.Mapping;
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
            Pooling = Settings.Pooling,
            PortBlockSize = Settings.PortBlocks,
            Mapping = mapping,
            ShareBelowPercent = Settings.ShareBelowPercent,
            FirstPort = FirstPort,
            LastPort = Settings.Ports > 0 ? (ushort)(FirstPort + Settings.Ports - 1) : ushort.MaxValue,

            // The simulated network lets every source through.
            OutboundWay = OutboundWay.Direct,
            AddressPatience = Settings.Takeover ? TimeSpan.FromSeconds(2) : TimeSpan.Zero,
            Fam = Limits.Fam with
            {
                Anchoring = Settings.Anchoring, UdpFiltering = Settings.Hairpins ? FilteringPolicy.EndpointIndependent : Limits.Fam.UdpFiltering, Links = Settings.Links,
            },
            Ham = Limits.Ham,
        };
    }

    public Exception Fail(string what) => new SimFailure(Seed, Settings.Kind, what, Chronicle.Write(Seed));
}
