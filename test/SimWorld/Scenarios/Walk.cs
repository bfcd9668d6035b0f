using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Fam;
using Masquerade.SimWorld.Checkers;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Scenarios;

/// <summary>
/// The life of a world: a fault phase in which clients walk, flows begin, and everything that the seed allows goes wrong; a quiet phase in which every flow that can be
/// alive must carry data again; and the end, in which everything must be given back.
/// </summary>
internal static class Walk
{
    public static SimNetwork Run(ulong seed, Settings? settings = null)
    {
        var network = new SimNetwork(seed, settings ?? Settings.Of(WorldKind.Walk, seed));
        try
        {
            Live(network);
        }
        catch (Exception e) when (e is not SimFailure)
        {
            throw network.Fail(e.ToString());
        }

        return network;
    }

    /// <summary>A world of a kind.</summary>
    public static SimNetwork Run(WorldKind kind, ulong seed) => Run(seed, Settings.Of(kind, seed));

    private static void Live(SimNetwork network)
    {
        network.Run(TimeSpan.FromMilliseconds(50));
        foreach (var client in network.Clients)
        {
            network.Attach(client, network.Random.NextInt(network.AccessPoints.Count));
            network.AddFlow(client, TransportProtocol.Udp, ipv6: false, 0);
            if (network.Settings.Links != ClientLinks.One)
            {
                ScheduleLinks(network, client);
            }
            else if (!network.Settings.PingPong || client.Index > 0)
            {
                ScheduleMove(network, client);
            }

            ScheduleFlows(network, client);
        }

        Faults.Schedule(network);
        Strays.Schedule(network);
        network.Run(TimeSpan.FromMilliseconds(network.Settings.FaultPhase));
        CheckClean(network);
        Quiet(network);
        CheckClean(network);
        CheckTables(network);
        End(network);
    }

    private static void ScheduleMove(SimNetwork network, SimClient client)
    {
        // Mostly a dwell, sometimes a quick return or two moves within one hand-over.
        var dwell = network.Random.Chance(0.2) ? network.Random.NextInt(60) : 100 + network.Random.NextInt(900);
        network.At(TimeSpan.FromMilliseconds(dwell), () =>
        {
            if (!network.Faulty)
            {
                return;
            }

            network.Detach(client);
            network.At(TimeSpan.FromMilliseconds(network.Random.NextInt(60)), () =>
            {
                // The quiet phase may have brought it back already.
                var to = network.Random.NextInt(network.AccessPoints.Count);
                if (client.At >= 0)
                {
                    return;
                }

                while (network.AccessPoints[to].IsDead)
                {
                    to = (to + 1) % network.AccessPoints.Count;
                }

                network.Attach(client, to);
                ScheduleMove(network, client);
            });
        });
    }

    /// <summary>One link more, or one less; the last one goes for a moment only.</summary>
    private static void ScheduleLinks(SimNetwork network, SimClient client) => network.At(TimeSpan.FromMilliseconds(network.Random.Chance(0.2) ? network.Random.NextInt(60) : 100 + network.Random.NextInt(600)), () =>
    {
        if (!network.Faulty)
        {
            return;
        }

        var at = network.Random.NextInt(network.AccessPoints.Count);
        if (client.At < 0)
        {
            at = network.AccessPoints[at].IsDead ? network.AccessPoints.FindIndex(a => !a.IsDead) : at;
            network.Attach(client, at);
        }
        else if (client.IsLinkedTo(at))
        {
            network.DetachFrom(client, at);
        }
        else if (!network.AccessPoints[at].IsDead && client.Also.Count < 3)
        {
            network.AttachAlso(client, at);
        }

        ScheduleLinks(network, client);
    });

    private static void ScheduleFlows(SimNetwork network, SimClient client) => network.At(TimeSpan.FromMilliseconds(network.Random.NextInt(700)), () =>
    {
        if (!network.Faulty || client.Flows.Count >= 12)
        {
            return;
        }

        var others = network.Settings.Hairpins && network.Random.Chance(0.3)
            ? network.Flows.Where(f => f.Client != client && f.Protocol == TransportProtocol.Udp && f.Target is null && !f.Seen.IsNone).ToList()
            : [];
        if (others.Count > 0)
        {
            var target = others[network.Random.NextInt(others.Count)];
            network.AddFlow(client, TransportProtocol.Udp, target.Seen, target);
            ScheduleFlows(network, client);
            return;
        }

        var protocol = network.Random.NextInt(3) switch
        {
            0 => TransportProtocol.Tcp,
            2 when network.Settings.Ports == 0 => TransportProtocol.Icmp,
            _ => TransportProtocol.Udp,
        };
        var flow = network.AddFlow(client, protocol, network.Random.Chance(0.4), network.Random.NextInt(network.Settings.Servers));
        if (protocol == TransportProtocol.Tcp && network.Random.Chance(0.4))
        {
            ScheduleClose(network, flow);
        }

        ScheduleFlows(network, client);
    });

    /// <summary>Some connections end while things go wrong: by either side, by both at once, or by a reset.</summary>
    private static void ScheduleClose(SimNetwork network, Flow flow) => network.At(TimeSpan.FromMilliseconds(200 + network.Random.NextInt(2_000)), () =>
    {
        var how = network.Random.NextInt(5);
        if (flow.ServerEnd is not { } server || !network.Faulty)
        {
            return;
        }

        if (how == 4)
        {
            flow.Aborted = true;
            server.Abort();
            return;
        }

        if (how != 1)
        {
            flow.ClientEnd!.Close();
        }

        if (how != 0)
        {
            server.Close();
        }
        else
        {
            // The other side has nothing more to say either, once it has heard.
            CloseAfter(network, flow);
        }

        if (how == 1)
        {
            CloseAfter(network, flow);
        }
    });

    private static void CloseAfter(SimNetwork network, Flow flow) => network.At(TimeSpan.FromMilliseconds(50), () =>
    {
        if (flow.ServerEnd is { PeerClosed: true } server)
        {
            server.Close();
        }

        if (flow.ClientEnd is { PeerClosed: true } client)
        {
            client.Close();
        }

        if (!flow.IsFinished && network.Faulty)
        {
            CloseAfter(network, flow);
        }
    });

    /// <summary>Where nothing but moves happens, nothing that reached a live link is lost, duplicated or reordered.</summary>
    private static void CheckClean(SimNetwork network)
    {
        if (!network.Settings.IsClean)
        {
            return;
        }

        foreach (var flow in network.Flows)
        {
            if (flow.Duplicated > 0 || flow.Reordered > 0)
            {
                throw network.Fail($"{flow}: {flow.Duplicated} duplicated, {flow.Reordered} reordered in a clean world");
            }
        }

        if (network.SentAstray > 0)
        {
            throw network.Fail($"{network.SentAstray} packets were sent to clients that were known to be gone");
        }

        foreach (var ap in network.AccessPoints)
        {
            // A packet that waits for the coordinator's answer may be overtaken by its client's next move.
            var overtaken = network.Settings.Anchoring == AnchorPolicy.Here ? 0 : ap.Node.Drops[DropReason.ClientGone];
            if (ap.Node.Drops.Total > overtaken)
            {
                throw network.Fail($"{ap.Name} drops packets in a clean world: {ap.Ledger.Describe(ap.Node.Drops)}");
            }
        }
    }

    /// <summary>Where nothing but moves happens, coordinator, HAMs and FAMs agree when it is quiet.</summary>
    private static void CheckTables(SimNetwork network)
    {
        if ((TableCheck.FirstDisagreement(network) ?? TableCheck.FirstStrayServer(network) ?? network.FirstStoreDisagreement() ?? network.FirstLostNode()) is { } what)
        {
            throw network.Fail(what);
        }
    }

    private static void Quiet(SimNetwork network)
    {
        network.Faulty = false;
        network.MendAll();
        Faults.ReviveAll(network);
        foreach (var client in network.Clients.Where(c => c.At < 0))
        {
            network.At(TimeSpan.FromMilliseconds(5), () =>
            {
                if (client.At < 0)
                {
                    network.Attach(client, 0);
                }
            });
        }

        foreach (var ap in network.AccessPoints)
        {
            network.At(TimeSpan.FromMilliseconds(10), () => network.Connect(ap));
        }

        foreach (var flow in network.Flows.Where(f => f.ClientEnd is { IsClosing: true } || f.ServerEnd is { IsClosing: true }))
        {
            flow.ClientEnd!.Close();
            flow.ServerEnd?.Close();
        }

        // What was lost with the store is told within seconds; records and index are compared ten seconds later.
        network.Run(TimeSpan.FromSeconds(network.Redis is null ? 8 : network.Redis.FailOvers > 0 ? 20 : 12));
        var before = network.Flows.Select(f => (f.ReceivedUp, f.ReceivedDown)).ToArray();
        network.Run(TimeSpan.FromSeconds(1));
        for (var i = 0; i < network.Flows.Count; i++)
        {
            var flow = network.Flows[i];
            if (network.IsDead(flow) || flow.Aborted)
            {
                continue;
            }

            if (flow.ClientEnd is { IsClosing: true } || flow.ServerEnd is { IsClosing: true })
            {
                if (!flow.IsFinished)
                {
                    throw network.Fail($"{flow} of c{flow.Client.Index + 1} is not closed: client {flow.ClientEnd}, server {flow.ServerEnd}\n{Explain(network, flow)}");
                }

                continue;
            }

            if (flow.ReceivedUp == before[i].ReceivedUp || flow.ReceivedDown == before[i].ReceivedDown)
            {
                throw network.Fail($"{flow} of c{flow.Client.Index + 1} at ap{flow.Client.At + 1} carries nothing in the quiet phase: "
                    + $"up {flow.ReceivedUp - before[i].ReceivedUp} of {flow.SentUp}, down {flow.ReceivedDown - before[i].ReceivedDown} of {flow.SentDown}\n{Explain(network, flow)}");
            }
        }
    }

    /// <summary>What everybody believes about a flow's mapping.</summary>
    private static string Explain(SimNetwork network, Flow flow)
    {
        var lines = new List<string>();
        var client = network.RecordOf(flow.Client.Mac);
        lines.Add($"coordinator: epoch {client?.Epoch}, FAM {client?.Fam}, pending {client?.Pending is not null}");
        foreach (var entry in client?.Mappings.Values.Where(e => e.Record.ClientEndpoint == flow.Local && e.Record.Mapping.Protocol == flow.Protocol) ?? [])
        {
            lines.Add($"  {entry.Record.Mapping} at {entry.Record.Ham}, FAMs {string.Join(", ", entry.Fams)}");
        }

        foreach (var ap in network.AccessPoints)
        {
            lines.Add($"{ap.Name}: FAM {ap.Node.Fam.MappingCount} mappings, {ap.Node.Fam.ConnectionCount} connections; HAM {ap.Node.Ham.MappingCount}; {ap.Ledger.Describe(ap.Node.Drops)}");
            foreach (var view in ap.Node.Fam.DescribeClients(100).Where(c => c.Client == flow.Client.Mac))
            {
                lines.Add($"{ap.Name}: {view.State} epoch {view.Epoch} complete {view.Complete}, session {ap.Node.Session}");
            }

            lines.AddRange(ap.Node.Fam.DescribeConnections(1_000).Where(c => c.Tuple.Source == flow.Local && c.Tuple.Protocol == flow.Protocol).Select(c => $"  FAM {c}"));
            lines.AddRange(ap.Node.Ham.Describe(1_000).Where(m => m.ClientEndpoint == flow.Local && m.Mapping.Protocol == flow.Protocol).Select(m => $"  HAM {m}"));
        }

        return string.Join('\n', lines);
    }

    private static void End(SimNetwork network)
    {
        network.IsEnding = true;
        foreach (var flow in network.Flows)
        {
            flow.Stopped = true;
            flow.ClientEnd?.Close();
            flow.ServerEnd?.Close();
        }

        // UDP, ICMP and what has been closed go by the short timeouts; what lost its anchor, and could not be closed, takes longer.
        network.Run(TimeSpan.FromMinutes(12));
        CheckReclaimed(network);
        if (!network.Settings.IsLong)
        {
            return;
        }

        foreach (var flow in network.Flows.Where(f => f.Protocol == TransportProtocol.Tcp))
        {
            flow.Aborted = true;
            flow.ClientEnd!.GiveUp();
            foreach (var end in flow.ServerEnds.Values)
            {
                end.GiveUp();
            }
        }

        network.Run(TimeSpan.FromMinutes(48));
        foreach (var ap in network.AccessPoints)
        {
            if (ap.Ledger.Held(ap.Node.Drops) != 0)
            {
                throw network.Fail($"{ap.Name} has lost packets without a reason: {ap.Ledger.Describe(ap.Node.Drops)}");
            }

            if (ap.Node.Fam.MappingCount + ap.Node.Ham.MappingCount + ap.Node.Fam.ClientCount != 0)
            {
                throw network.Fail($"{ap.Name} keeps {ap.Node.Fam.MappingCount} FAM mappings, {ap.Node.Ham.MappingCount} HAM mappings, {ap.Node.Fam.ClientCount} clients "
                    + "hours after the last packet");
            }
        }

        var left = network.Records().Sum(r => r.Mappings.Count);
        if (left != 0)
        {
            throw network.Fail($"the coordinator keeps {left} mappings hours after the last packet");
        }
    }

    private static void CheckReclaimed(SimNetwork network)
    {
        // A half-close is told with the hand-over. Where that can get lost, or what it told with a crash, a mapping may go by the long timeout, which is looked at later.
        if (network.Settings.IsClean)
        {
            CheckClosedIsGone(network);
        }

        foreach (var flow in network.Flows.Where(f => f.Protocol == TransportProtocol.Tcp && !f.IsFinished && !f.Aborted && !network.IsDead(f)))
        {
            throw network.Fail($"{flow} did not close: client {flow.ClientEnd}, server {flow.ServerEnd}");
        }
    }

    /// <summary>UDP, ICMP, and TCP that was closed on both sides has gone by the short timeouts.</summary>
    private static void CheckClosedIsGone(SimNetwork network)
    {
        var unfinished = network.Flows.Where(f => f.Protocol == TransportProtocol.Tcp && !f.IsFinished).Select(f => f.Local).ToHashSet();
        foreach (var ap in network.AccessPoints)
        {
            if (ap.Node.Fam.DescribeConnections(int.MaxValue).FirstOrDefault(c => c.Tuple.Protocol != TransportProtocol.Tcp || !unfinished.Contains(c.Tuple.Source)) is { } kept)
            {
                throw network.Fail($"{ap.Name} keeps {kept} long after its end");
            }

            if (ap.Node.Ham.Describe(int.MaxValue).FirstOrDefault(m => m.Mapping.Protocol != TransportProtocol.Tcp || !unfinished.Contains(m.ClientEndpoint)) is { } owned)
            {
                var flow = network.Flows.FirstOrDefault(f => f.Local == owned.ClientEndpoint && f.Protocol == owned.Mapping.Protocol);
                throw network.Fail($"{ap.Name} owns {owned} long after its end\n{(flow is null ? "no flow" : Explain(network, flow))}");
            }
        }
    }
}
