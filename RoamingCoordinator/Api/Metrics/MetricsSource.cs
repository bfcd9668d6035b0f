using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Observing;
using Masquerade.RoamingCoordinator.Api.Routes;

namespace Masquerade.RoamingCoordinator.Api.Metrics;

/// <summary>Where the figures come from, whoever shows them. Labels have few values: message types, reasons, outcomes; never a client or an access point.</summary>
internal sealed class MetricsSource(Site site, IReadOnlyList<Action<MetricsSnapshot>> others)
{
    /// <summary>Takes the figures of this moment.</summary>
    /// <exception cref="NotAvailableException">The coordinator cannot tell.</exception>
    public async Task<MetricsSnapshot> TakeAsync(CancellationToken cancel)
    {
        var census = await site.Register.CensusAsync(cancel).ConfigureAwait(false);
        var snapshot = new MetricsSnapshot();
        snapshot.Gauge("masq_clients", "Clients that are known.", census.Clients);
        snapshot.Gauge("masq_clients_present", "Clients that an access point serves.", census.Present);
        snapshot.Gauge("masq_mappings", "Mappings that are known.", census.Mappings);
        snapshot.Gauge("masq_connections", "Connections that are known.", census.Connections);

        // Taken in the loop, all in one moment.
        await site.Inquiry.AskAsync(
            (core, _) =>
            {
                Core(snapshot, core);
                Chronicle(snapshot, site.Chronicle);
                return true;
            },
            cancel).ConfigureAwait(false);
        Process(snapshot);
        foreach (var other in others)
        {
            other(snapshot);
        }

        return snapshot;
    }

    private static void Core(MetricsSnapshot snapshot, CoordinatorCore core)
    {
        var nodes = core.Nodes.Nodes.ToList();
        snapshot.Gauge("masq_nodes", "Access points and other nodes that are known.", nodes.Count);
        snapshot.Gauge("masq_nodes_connected", "Nodes that are connected with any coordinator.", nodes.Count(n => n.IsConnected));
        snapshot.Gauge("masq_sessions", "Nodes that are connected with this coordinator.", nodes.Count(n => n.IsHere));
        snapshot.Gauge("masq_nodes_draining", "Nodes that operators have told to give their addresses away.", nodes.Count(n => n.IsDraining));
        snapshot.Gauge("masq_nodes_fenced", "Nodes that have no address of their own now and serve nobody.", nodes.Count(n => n.Addresses.Count > 0 && core.Nodes.IsFenced(n)));
        snapshot.Gauge("masq_ways_rewritten", "Ways between nodes on which the network drops foreign sources, so that packets are rewritten; of nodes that are connected with this coordinator.", nodes.Where(n => n.IsHere).Sum(n => (double)n.WaysRewritten));
        snapshot.Gauge("masq_addresses_elsewhere", "Addresses that another node owns than the one that they are configured at.", core.Nodes.Elsewhere.Count());
        snapshot.Gauge("masq_neighbour_addresses", "Clients' addresses of which it is known where they are.", core.Neighbours.AddressCount);
        snapshot.Gauge("masq_addresses_moving", "Addresses of which the next owner has not got everything yet.", core.AddressesMoving);
        snapshot.Gauge("masq_outbox_messages", "Pushes that wait for a node's acknowledgment.", nodes.Sum(n => (long)n.PushesWaiting));
        snapshot.Gauge("masq_outbox_bytes", "Octets of pushes that wait for a node's acknowledgment, at most.", nodes.Sum(n => n.PushesWaitingBytes));
        snapshot.Gauge("masq_decisions_under_way", "Decisions about clients that are being made or wait for another about the same client.", core.DecisionsUnderWay);
        snapshot.Counter("masq_eap_refused_total", "EAP messages that were not passed on because too many were under way.", core.EapRefused);
        snapshot.Counter("masq_placement_loops_total", "New connections that placement rules would have sent round in a loop.", core.PlacementLoops);
        snapshot.Counter("masq_leases_refused_total", "Questions of clients for which the pool had no address, or not the one they asked for.", core.LeasesRefused);
        snapshot.Counter("masq_neighbour_queries_total", "Questions of nodes for clients elsewhere that their clients speak to.", core.NeighbourQueries);
        snapshot.Counter("masq_neighbour_addresses_refused_total", "Addresses that a client used and that were another client's.", core.NeighbourAddressesRefused);
        snapshot.Counter("masq_requests_postponed_total", "Requests of agents that were not taken because too many waited; they come again.", core.RequestsRefused);
        snapshot.Counter(
            "masq_store_failures_total", "How often the store could not do what it was asked.", "reason",
            Enum.GetValues<StoreFailure>().Where(f => f != StoreFailure.None).Select(f => (MetricsSnapshot.LabelOf(f), (double)core.StoreFailures(f))));
    }

    private static void Chronicle(MetricsSnapshot snapshot, Chronicle chronicle)
    {
        snapshot.Counter("masq_users_authenticated_total", "Users that have authenticated.", chronicle.UsersAuthenticated);
        snapshot.Counter("masq_user_sessions_changed_total", "User sessions that a RADIUS server has changed.", chronicle.UsersChanged);
        snapshot.Counter("masq_guests_admitted_total", "Guests that were admitted for a time.", chronicle.GuestsAdmitted);
        snapshot.Counter("masq_guests_revoked_total", "Guests that were made captive again before their time.", chronicle.GuestsRevoked);
        snapshot.Counter("masq_sessions_opened_total", "Sessions of nodes that came up.", chronicle.SessionsOpened);
        snapshot.Counter("masq_sessions_replaced_total", "Sessions of nodes that were replaced by a newer one.", chronicle.SessionsReplaced);
        snapshot.Counter("masq_nodes_behind_total", "How often a node did not take its news and had to start over.", chronicle.NodesBehind);
        snapshot.Counter("masq_nodes_failed_total", "How often a node was taken for dead.", chronicle.NodesFailed);
        snapshot.Counter(
            "masq_addresses_moved_total", "How often an address has changed its owner.", "reason",
            Enum.GetValues<MoveCause>().Select(c => (MetricsSnapshot.LabelOf(c), (double)chronicle.AddressesMoved[(int)c])));
        snapshot.Counter("masq_store_losses_total", "How often the store had forgotten everything.", chronicle.StoresReborn);
        snapshot.Counter("masq_messages_received_total", "Messages of agents.", "type", Types(chronicle.Received));
        snapshot.Counter("masq_messages_sent_total", "Messages to agents, repetitions included.", "type", Types(chronicle.Sent));
        snapshot.Counter("masq_refusals_total", "Claims that were refused.", "reason", Enum.GetValues<RefusalKind>().Select(k => (MetricsSnapshot.LabelOf(k), (double)chronicle.Refusals[(int)k])));
        snapshot.Counter("masq_arrivals_total", "Clients that appeared and were not known.", chronicle.Arrivals);
        snapshot.Counter("masq_departures_total", "Clients that left.", chronicle.Departures);
        snapshot.Counter("masq_roams_total", "Moves of clients.", "outcome", Enum.GetValues<RoamOutcome>().Select(o => (MetricsSnapshot.LabelOf(o), (double)chronicle.Roams[(int)o])));
        snapshot.Histogram(chronicle.HandOvers);
        snapshot.Histogram(chronicle.Gaps);
    }

    private static void Process(MetricsSnapshot snapshot)
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        snapshot.Counter("process_cpu_seconds_total", "Processor time of the process.", process.TotalProcessorTime.TotalSeconds);
        snapshot.Gauge("process_resident_memory_bytes", "Resident memory of the process.", process.WorkingSet64);
        snapshot.Gauge("process_start_time_seconds", "When the process began, in seconds since 1970.", (process.StartTime.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds);
    }

    private static IEnumerable<(string, double)> Types(Dictionary<Type, long> counts) =>
        counts.OrderBy(c => c.Key.Name, StringComparer.Ordinal).Select(c => (c.Key.Name, (double)c.Value));
}
