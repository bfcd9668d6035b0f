using Masquerade.Core.Flow;
using Masquerade.Fam;

namespace Masquerade.SimWorld.World;

/// <summary>What a seed makes of the world.</summary>
internal sealed record Settings
{
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

    /// <summary>How long the fault phase lasts, milliseconds.</summary>
    public int FaultPhase { get; init; } = 4_000;

    /// <summary>Whether nothing but moves happens: then nothing may be lost on the way, duplicated or reordered.</summary>
    public bool IsClean => Events && UplinkJitter == 0 && UplinkLoss == 0 && !UplinkBursts && UplinkDuplication == 0 && ControlLoss == 0 && ControlDuplication == 0
        && ControlJitter == 0 && !Crashes && !Deaths && !CoordinatorRestarts && !Partitions;

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
