using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Fam;
using Masquerade.RoamingCoordinator;

namespace Masquerade.SimWorld.World;

/// <summary>The kinds of random worlds.</summary>
internal enum WorldKind
{
    /// <summary>One coordinator; clients walk, links and processes misbehave.</summary>
    Walk,

    /// <summary>The same, and access points fail for seconds; others take over their addresses.</summary>
    Deaths,

    /// <summary>One to three coordinators over a store that takes its time; they are killed, cut off, and have wrong clocks.</summary>
    Many,

    /// <summary>The same, and the store fails over and loses what it had acknowledged.</summary>
    FailOver,

    /// <summary>Several coordinators, and access points that fail while any of that happens: others take over their addresses, whoever sees to it.</summary>
    Takeover,

    /// <summary>Roam storms, ping-pong at 1 Hz, access points that lose power, partitions for seconds, with one coordinator or several.</summary>
    Storm,

    /// <summary>Addresses move because access points have too much to do, with one coordinator or several, while other things go wrong.</summary>
    Balance,

    /// <summary>Traffic of all shapes while any of the other things happens: fragments, ICMP errors, hairpins, strangers, spoofed sources, floods.</summary>
    Odd,

    /// <summary>Clients that have several links at once, in every way in which access points may share them, while any of that goes wrong.</summary>
    Links,

    /// <summary>Any of that where ports are few and mappings address-and-port-dependent: clients share masquerade endpoints, and FAM endpoints.</summary>
    Dense,
}

/// <summary>What a seed makes of the world.</summary>
internal sealed record Settings
{
    /// <summary>The kind of world that a seed alone makes again; null for one that a test has furnished.</summary>
    public WorldKind? Kind { get; init; }

    public int AccessPoints { get; init; } = 3;

    public int Clients { get; init; } = 2;

    /// <summary>Access points hear of associations; otherwise they must notice first frames.</summary>
    public bool Events { get; init; } = true;

    /// <summary>One-way delay of an uplink, microseconds, and what is added at random.</summary>
    public int UplinkDelay { get; init; } = 300;

    public int UplinkJitter { get; init; }

    public double UplinkLoss { get; init; }

    public double UplinkDuplication { get; init; }

    /// <summary>Now and then an uplink loses everything for a moment.</summary>
    public bool UplinkBursts { get; init; }

    public int ControlDelay { get; init; } = 400;

    public int ControlJitter { get; init; }

    public double ControlLoss { get; init; }

    public double ControlDuplication { get; init; }

    /// <summary>Access points crash and come back with empty tables.</summary>
    public bool Crashes { get; init; }

    /// <summary>The coordinator restarts with an empty store.</summary>
    public bool CoordinatorRestarts { get; init; }

    /// <summary>Sessions between access points and coordinator break for a while.</summary>
    public bool Partitions { get; init; }

    /// <summary>The addresses of an access point that fails are given to another one.</summary>
    public bool Takeover { get; init; }

    /// <summary>Which of an access point's addresses a client's mappings get.</summary>
    public AddressPooling Pooling { get; init; }

    /// <summary>How many ports a client gets to itself at a time; 0: ports are given out one by one.</summary>
    public int PortBlocks { get; init; }

    /// <summary>Whether what is opened gets a mapping for all servers or one for each; <see cref="IsMixed"/>: at every other access point only.</summary>
    public MappingPolicy Mapping { get; init; }

    public bool IsMixed { get; init; }

    /// <summary>How many ports each address and protocol has; 0 for all. ICMP queries cannot share: with few ports there are none.</summary>
    public int Ports { get; init; }

    /// <summary>How few of them are free, in per cent, when they begin to be shared.</summary>
    public int ShareBelowPercent { get; init; } = 25;

    /// <summary>How many servers there are.</summary>
    public int Servers { get; init; } = 3;

    /// <summary>When addresses move because of load; not without <see cref="Takeover"/>.</summary>
    public BalanceOptions Balance { get; init; } = new();

    /// <summary>Access points fail, and come back much later.</summary>
    public bool Deaths { get; init; }

    /// <summary>Who decides where new connections are anchored.</summary>
    public AnchorPolicy Anchoring { get; init; }

    /// <summary>The node that the coordinator places HAMs at, for agents that ask; -1 for the asker itself.</summary>
    public int HamAt { get; init; } = -1;

    /// <summary>Services of clients that are published.</summary>
    public RoamingCoordinator.Publishing.PublishedServices Services { get; init; } = RoamingCoordinator.Publishing.PublishedServices.None;

    /// <summary>How HAMs choose where a client has several links, and what links it has.</summary>
    public FamChoice Fams { get; init; }

    public ClientLinks Links { get; init; }

    /// <summary>Coordinators over one store; 0 for one with its store in memory.</summary>
    public int Coordinators { get; init; }

    /// <summary>The store's parts, each of which may fail by itself.</summary>
    public int StoreParts { get; init; } = 1;

    /// <summary>One-way delay between a coordinator and the store, microseconds, and what is added at random.</summary>
    public int StoreDelay { get; init; } = 100;

    public int StoreJitter { get; init; }

    /// <summary>Now and then an answer of the store is late by up to 0.4 s.</summary>
    public bool StorePauses { get; init; }

    /// <summary>How much of what coordinators publish to each other gets lost.</summary>
    public double PeerLoss { get; init; }

    /// <summary>How long what nobody renews lives in the store.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Coordinators are killed, and started again.</summary>
    public bool CoordinatorKills { get; init; }

    /// <summary>Nothing gets through between an agent and a coordinator, or a coordinator and the store, for a while.</summary>
    public bool Cuts { get; init; }

    /// <summary>Parts of the store fail and come back with less than they had acknowledged.</summary>
    public bool FailOvers { get; init; }

    /// <summary>The wall clocks of coordinators are wrong, each in its own way, and another one after a restart.</summary>
    public bool ClockJumps { get; init; }

    /// <summary>Many clients move at once.</summary>
    public bool RoamStorms { get; init; }

    /// <summary>A client goes to and fro between two access points, once a second.</summary>
    public bool PingPong { get; init; }

    /// <summary>Access points lose their power and have it back soon.</summary>
    public bool PowerCycles { get; init; }

    /// <summary>Access points lose the coordinators for seconds.</summary>
    public bool LongPartitions { get; init; }

    /// <summary>How often a datagram of a host goes in pieces.</summary>
    public double Fragments { get; init; }

    /// <summary>How often a router, or the host that it was sent to, sends an ICMP error about a packet.</summary>
    public double IcmpErrors { get; init; }

    /// <summary>Clients talk to each other's masquerade endpoints; then strangers are let through to those of UDP.</summary>
    public bool Hairpins { get; init; }

    /// <summary>Strangers and clients send what they had better not: see <see cref="Scenarios.Strays"/>.</summary>
    public bool Strays { get; init; }

    /// <summary>Whether the end is waited for until what was lost without a word has timed out: an hour in which little else happens but heartbeats.</summary>
    public bool IsLong { get; init; } = true;

    /// <summary>How long the fault phase lasts, milliseconds.</summary>
    public int FaultPhase { get; init; } = 4_000;

    /// <summary>Whether nothing but moves happens: then nothing may be lost on the way, duplicated or reordered.</summary>
    public bool IsClean => Events && Links == ClientLinks.One && UplinkJitter == 0 && UplinkLoss == 0 && !UplinkBursts && UplinkDuplication == 0 && ControlLoss == 0 && ControlDuplication == 0
        && ControlJitter == 0 && !Balance.Enabled && !Crashes && !Deaths && !CoordinatorRestarts && !Partitions
        && Fragments == 0 && IcmpErrors == 0 && !Strays && !CoordinatorKills && !Cuts && !FailOvers && !ClockJumps && !PowerCycles && !LongPartitions && PeerLoss == 0 && Coordinators == 0;

    /// <summary>What a seed makes of a world of some kind.</summary>
    public static Settings Of(WorldKind kind, ulong seed)
    {
        var settings = From(seed);
        var random = new SeededRandom(seed ^ 0x3C0D_E000);
        return (kind switch
        {
            WorldKind.Deaths => settings with { AccessPoints = 3 + (int)(seed % 3), Takeover = true, Deaths = true },
            WorldKind.Many => Shared(settings, random) with { ClockJumps = random.Chance(0.3) },
            WorldKind.FailOver => Shared(settings, random) with { FailOvers = true },
            WorldKind.Takeover => Shared(settings, random) with
            {
                AccessPoints = 3 + (int)(seed % 3), Takeover = true, Deaths = true, FailOvers = random.Chance(0.3), PowerCycles = random.Chance(0.3), RoamStorms = random.Chance(0.3),
            },
            WorldKind.Storm => Storm(settings, random),
            WorldKind.Balance => Balanced(settings, random),
            WorldKind.Odd => Odd(settings, random),
            WorldKind.Links => SeveralLinks(settings, random),
            WorldKind.Dense => Dense(settings, random),
            _ => settings,
        }) with { Kind = kind };
    }

    /// <summary>Several coordinators over a store that takes its time.</summary>
    private static Settings Shared(Settings settings, SeededRandom random) => settings with
    {
        Coordinators = 1 + random.NextInt(3),
        StoreParts = random.Chance(0.5) ? 1 : 3,
        StoreDelay = 50 + random.NextInt(1_500),
        StoreJitter = random.Chance(0.7) ? random.NextInt(3_000) : 0,
        StorePauses = random.Chance(0.5),
        PeerLoss = random.Chance(0.5) ? random.NextDouble() * 0.1 : 0,
        Lease = random.Chance(0.3) ? TimeSpan.FromSeconds(30) : TimeSpan.FromHours(1),
        CoordinatorKills = random.Chance(0.6),
        Cuts = random.Chance(0.6),
        CoordinatorRestarts = false,
        IsLong = random.Chance(0.2),
    };

    /// <summary>Whoever anchors a little more than another one gives away, again and again; with access points that fail in some worlds.</summary>
    private static Settings Balanced(Settings settings, SeededRandom random)
    {
        var balanced = settings with { AccessPoints = 3 + random.NextInt(3), Clients = 3 + random.NextInt(6), FaultPhase = 8_000, IsLong = random.Chance(0.2) };
        return (random.Chance(0.5) ? Shared(balanced, random) : balanced) with
        {
            Takeover = true,
            Deaths = random.Chance(0.3),
            Balance = new BalanceOptions
            {
                Enabled = true, BusyMappings = 4, CalmMappings = 3, RatioPercent = 120, After = TimeSpan.Zero, Interval = TimeSpan.FromMilliseconds(800),
                AddressInterval = TimeSpan.FromMilliseconds(1_500),
            },
        };
    }

    /// <summary>Everything at once: many clients that all move, access points without power, and nobody to ask for seconds.</summary>
    private static Settings Storm(Settings settings, SeededRandom random)
    {
        var storm = settings with
        {
            Clients = 4 + random.NextInt(5),
            RoamStorms = random.Chance(0.7),
            PingPong = random.Chance(0.5),
            PowerCycles = random.Chance(0.5),
            LongPartitions = random.Chance(0.5),
            FaultPhase = 6_000,
            IsLong = random.Chance(0.2),
        };
        return random.Chance(0.5) ? Shared(storm, random) with { FailOvers = random.Chance(0.3) } : storm;
    }

    /// <summary>Odd traffic over any network, and in some worlds with access points that fail.</summary>
    private static Settings Odd(Settings settings, SeededRandom random)
    {
        var dies = random.Chance(0.3);
        return settings with
        {
            AccessPoints = 3 + random.NextInt(2),
            Clients = 2 + random.NextInt(4),
            Takeover = dies,
            Deaths = dies,
            CoordinatorRestarts = settings.CoordinatorRestarts && !dies,
            Fragments = random.Chance(0.7) ? random.NextDouble() * 0.5 : 0,
            IcmpErrors = random.Chance(0.7) ? random.NextDouble() * 0.05 : 0,
            Hairpins = random.Chance(0.5),
            Strays = random.Chance(0.7),
            IsLong = random.Chance(0.2),
        };
    }

    /// <summary>Links come and go one by one, each of its own or all of one radio, and in some worlds access points fail.</summary>
    private static Settings SeveralLinks(Settings settings, SeededRandom random)
    {
        var (dies, links) = (random.Chance(0.3), random.Chance(0.5) ? ClientLinks.Several : ClientLinks.Shared);
        return settings with
        {
            AccessPoints = 3 + random.NextInt(4),
            Clients = 1 + random.NextInt(4),
            Events = true,
            Links = links,
            Fams = (FamChoice)random.NextInt(3),
            Takeover = dies || random.Chance(0.5),
            Deaths = dies,

            // Access points that hear one radio, and a coordinator that has forgotten and does not reach the one that serves: another one then serves the client too.
            CoordinatorRestarts = settings.CoordinatorRestarts && !dies && links == ClientLinks.Several,
            IsLong = random.Chance(0.2),
        };
    }

    /// <summary>
    /// Many connections over any network, and few ports. But where nodes lose their tables there are as many as ever, and what can be shared is shared at once: a node gives ports out before it
    /// has been told again what it had given out, and of few ones it would often hit one of those.
    /// </summary>
    private static Settings Dense(Settings settings, SeededRandom random)
    {
        var world = random.NextInt(6) switch
        {
            0 => Shared(settings, random),
            1 => Storm(settings, random),
            2 => settings with { AccessPoints = 3 + random.NextInt(3), Takeover = true, Deaths = true },
            3 => Shared(settings, random) with { AccessPoints = 3 + random.NextInt(3), Takeover = true, Deaths = true, FailOvers = true },
            4 => Odd(settings, random) with { Hairpins = false },
            _ => settings,
        };
        var forgets = world.Crashes || world.Deaths || world.PowerCycles;
        var isMixed = random.Chance(0.3);
        return world with
        {
            Clients = world.Clients + 2,
            Mapping = MappingPolicy.AddressAndPortDependent,
            IsMixed = isMixed,
            Ports = forgets || isMixed ? 0 : 64,
            ShareBelowPercent = forgets || isMixed ? 100 : 25,
            Servers = 64,
            IsLong = random.Chance(0.2),
        };
    }

    /// <summary>What a seed makes.</summary>
    public static Settings From(ulong seed)
    {
        var random = new SeededRandom(seed ^ 0x5E77_1465);
        var kind = seed % 4;
        var crashes = kind == 3 && random.Chance(0.6);
        var settings = new Settings
        {
            AccessPoints = 2 + random.NextInt(4),
            Clients = 1 + random.NextInt(5),
            Events = kind == 0 || random.Chance(0.6),
            UplinkDelay = 50 + random.NextInt(2_000),
            ControlDelay = 50 + random.NextInt(3_000),
            UplinkJitter = kind == 0 ? 0 : random.NextInt(800),
            UplinkLoss = kind >= 2 && random.Chance(0.5) ? random.NextDouble() * 0.05 : 0,
            UplinkDuplication = kind >= 2 && random.Chance(0.4) ? random.NextDouble() * 0.05 : 0,
            ControlJitter = kind == 0 ? 0 : random.NextInt(2_000),
            ControlLoss = kind >= 1 && random.Chance(0.5) ? random.NextDouble() * 0.2 : 0,
            ControlDuplication = kind >= 1 && random.Chance(0.5) ? random.NextDouble() * 0.2 : 0,
            Crashes = crashes,
            CoordinatorRestarts = kind == 3 && (!crashes || random.Chance(0.3)),
            Partitions = kind >= 2 && random.Chance(0.5),
            UplinkBursts = kind >= 2 && random.Chance(0.3),
        };
        return settings with
        {
            Anchoring = random.Chance(0.3) ? (AnchorPolicy)(1 + random.NextInt(2)) : AnchorPolicy.Here,
            HamAt = random.Chance(0.5) ? random.NextInt(settings.AccessPoints) : -1,
        };
    }
}
