using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Scenarios;

/// <summary>What goes wrong while clients walk.</summary>
internal static class Faults
{
    public static void Schedule(SimNetwork network)
    {
        if (network.Settings.Partitions)
        {
            Repeat(network, 1_200, () =>
            {
                var ap = network.AccessPoints[network.Random.NextInt(network.AccessPoints.Count)];
                network.Disconnect(ap);
                network.At(TimeSpan.FromMilliseconds(network.Random.NextInt(900)), () => network.Connect(ap));
            });
        }

        if (network.Settings.CoordinatorRestarts)
        {
            Repeat(network, 2_500, network.RestartCoordinator);
        }

        if (network.Settings.Deaths)
        {
            Repeat(network, 2_000, () => Die(network, network.AccessPoints[network.Random.NextInt(network.AccessPoints.Count)]));
        }

        if (network.Settings.Crashes)
        {
            Repeat(network, 1_800, () => Crash(network, network.AccessPoints[network.Random.NextInt(network.AccessPoints.Count)]));
        }

        if (network.Settings.RoamStorms)
        {
            Repeat(network, 700, () => Storm(network));
        }

        if (network.Settings.PingPong)
        {
            PingPong(network, 0);
        }

        if (network.Settings.PowerCycles)
        {
            Repeat(network, 2_500, () => LosePower(network, network.AccessPoints[network.Random.NextInt(network.AccessPoints.Count)]));
        }

        if (network.Settings.LongPartitions)
        {
            Repeat(network, 4_000, () =>
            {
                var ap = network.AccessPoints[network.Random.NextInt(network.AccessPoints.Count)];
                network.Disconnect(ap);
                network.At(TimeSpan.FromMilliseconds(1_000 + network.Random.NextInt(6_000)), () => network.Connect(ap));
            });
        }

        if (network.Settings.CoordinatorKills)
        {
            Repeat(network, 2_000, () =>
            {
                var coordinator = network.Coordinators[network.Random.NextInt(network.Coordinators.Count)];
                network.Kill(coordinator);
                network.At(TimeSpan.FromMilliseconds(50 + network.Random.NextInt(3_000)), () => network.Revive(coordinator));
            });
        }

        if (network.Settings.Cuts)
        {
            Repeat(network, 1_500, () => Cut(network));
        }

        if (network.Settings.FailOvers)
        {
            Repeat(network, 3_000, () => FailOver(network));
        }
    }

    /// <summary>An access point fails for seconds, with all that it knew; its clients find another one. Two are left at least: one to see it, one that may fail itself.</summary>
    private static void Die(SimNetwork network, SimAccessPoint ap)
    {
        if (ap.IsDead || network.AccessPoints.Count(a => !a.IsDead) < 3)
        {
            return;
        }

        network.Kill(ap, silently: network.Random.Chance(0.5));
        foreach (var client in network.Clients.Where(c => c.IsLinkedTo(ap.Index)))
        {
            network.DetachFrom(client, ap.Index);
        }

        network.At(TimeSpan.FromMilliseconds(100 + network.Random.NextInt(4_000)), () =>
        {
            if (ap.IsDead)
            {
                network.Revive(ap);
            }
        });
    }

    private static void Crash(SimNetwork network, SimAccessPoint ap)
    {
        network.Chronicle.Note(network.Now, ap.Name, ap.Name, "crashes");
        if (ap.IsDead)
        {
            return;
        }

        network.Disconnect(ap);
        ap.Start(network.NewModel(ap.Index, network.Random.NextUInt64()), network.Random.NextUInt64());
        network.Connect(ap);
    }

    public static void ReviveAll(SimNetwork network)
    {
        foreach (var ap in network.AccessPoints.Where(a => a.IsDead))
        {
            network.Revive(ap);
        }
    }

    public static void Repeat(SimNetwork network, int milliseconds, Action fault) =>
        network.At(TimeSpan.FromMilliseconds(100 + network.Random.NextInt(milliseconds)), () =>
        {
            if (network.Faulty)
            {
                fault();
                Repeat(network, milliseconds, fault);
            }
        });

    /// <summary>An access point is without power for a moment; its clients do not find out before it is back, or look for another one.</summary>
    private static void LosePower(SimNetwork network, SimAccessPoint ap)
    {
        if (ap.IsDead || network.AccessPoints.Count(a => !a.IsDead) < 2)
        {
            return;
        }

        network.Kill(ap, silently: network.Random.Chance(0.7));
        foreach (var client in network.Clients.Where(c => c.At == ap.Index).ToList())
        {
            network.Detach(client);
            if (network.Random.Chance(0.5))
            {
                var next = network.AccessPoints.First(a => !a.IsDead);
                network.At(TimeSpan.FromMilliseconds(network.Random.NextInt(300)), () =>
                {
                    if (client.At < 0 && !next.IsDead)
                    {
                        network.Attach(client, next.Index);
                    }
                });
            }
        }

        network.At(TimeSpan.FromMilliseconds(50 + network.Random.NextInt(1_500)), () =>
        {
            if (ap.IsDead)
            {
                network.Revive(ap);
            }
        });
    }

    /// <summary>Between an agent and a coordinator, or a coordinator and the store.</summary>
    private static void Cut(SimNetwork network)
    {
        var coordinator = network.Coordinators[network.Random.NextInt(network.Coordinators.Count)];
        var span = TimeSpan.FromMilliseconds(50 + network.Random.NextInt(network.Random.Chance(0.2) ? 6_000 : 800));
        if (network.Random.Chance(0.5))
        {
            network.Cut(network.AccessPoints[network.Random.NextInt(network.AccessPoints.Count)], coordinator, span);
        }
        else if (!coordinator.IsDead)
        {
            network.CutFromStore(coordinator, span, stall: network.Random.Chance(0.5));
        }
    }

    private static void FailOver(SimNetwork network)
    {
        var redis = network.Redis!;
        if (network.Random.Chance(0.1))
        {
            redis.Empty();
            return;
        }

        var lost = network.Random.Chance(0.3) ? 0 : 1 + network.Random.NextInt(network.Random.Chance(0.5) ? 4 : 40);
        redis.FailOver(network.Random.NextInt(redis.Parts), TimeSpan.FromMilliseconds(50 + network.Random.NextInt(2_000)), lost, lingers: network.Random.Chance(0.3));
    }

    /// <summary>Most clients move within a few milliseconds, as when an access point is switched off for maintenance or a train comes in.</summary>
    public static void Storm(SimNetwork network)
    {
        var to = network.Random.Chance(0.5) ? network.Random.NextInt(network.AccessPoints.Count) : -1;
        foreach (var client in network.Clients.Where(_ => network.Random.Chance(0.9)).ToList())
        {
            network.Detach(client);
            network.At(TimeSpan.FromMilliseconds(network.Random.NextInt(15)), () =>
            {
                var target = to < 0 ? network.Random.NextInt(network.AccessPoints.Count) : to;
                if (client.At < 0 && network.Faulty && !network.AccessPoints[target].IsDead)
                {
                    network.Attach(client, target);
                }
            });
        }
    }

    /// <summary>The first client goes to and fro, once a second.</summary>
    private static void PingPong(SimNetwork network, int to) => network.At(TimeSpan.FromMilliseconds(500), () =>
    {
        if (!network.Faulty)
        {
            return;
        }

        var client = network.Clients[0];
        if (!network.AccessPoints[to].IsDead)
        {
            network.Detach(client);
            network.Attach(client, to);
        }

        PingPong(network, 1 - to);
    });
}
