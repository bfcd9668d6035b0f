using Masquerade.Core.Flow;
using Masquerade.Fam;

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

    /// <summary>Access points fail, and come back much later.</summary>
    public bool Deaths { get; init; }

    /// <summary>Who decides where new connections are anchored.</summary>
    public AnchorPolicy Anchoring { get; init; }

    /// <summary>The node that the coordinator places HAMs at, for agents that ask; -1 for the asker itself.</summary>
    public int HamAt { get; init; } = -1;

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

    /// <summary>Whether the end is waited for until what was lost without a word has timed out: an hour in which little else happens but heartbeats.</summary>
    public bool IsLong { get; init; } = true;

    /// <summary>How long the fault phase lasts, milliseconds.</summary>
    public int FaultPhase { get; init; } = 4_000;

    /// <summary>Whether nothing but moves happens: then nothing may be lost on the way, duplicated or reordered.</summary>
    public bool IsClean => Events && UplinkJitter == 0 && UplinkLoss == 0 && !UplinkBursts && UplinkDuplication == 0 && ControlLoss == 0 && ControlDuplication == 0
        && ControlJitter == 0 && !Crashes && !Deaths && !CoordinatorRestarts && !Partitions
        && !CoordinatorKills && !Cuts && !FailOvers && !ClockJumps && !PowerCycles && !LongPartitions && PeerLoss == 0 && Coordinators == 0;

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
