using System.Diagnostics;
using System.Text;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Masquerade.RoamingCoordinator.Api.Observing;
using Masquerade.RoamingCoordinator.Api.Routes;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Metrics;

/// <summary><c>/metrics</c> in the Prometheus text format. Labels have few values: message types, reasons, outcomes; never a client or an access point.</summary>
internal sealed class MetricsRoute(Site site, EventRoute events, Gatekeeper gatekeeper, Doorman doorman, IReadOnlyList<Action<MetricsWriter>> others)
{
    public async Task ServeAsync(HttpContext context)
    {
        _ = new Query(context.Request);
        var census = await site.Register.CensusAsync(context.RequestAborted).ConfigureAwait(false);
        var writer = new MetricsWriter();
        writer.Gauge("masq_clients", "Clients that are known.", census.Clients);
        writer.Gauge("masq_clients_present", "Clients that an access point serves.", census.Present);
        writer.Gauge("masq_mappings", "Mappings that are known.", census.Mappings);
        writer.Gauge("masq_connections", "Connections that are known.", census.Connections);

        // Taken in the loop, all in one moment.
        await site.Inquiry.AskAsync(
            (core, _) =>
            {
                Core(writer, core);
                Chronicle(writer, site.Chronicle);
                return true;
            },
            context.RequestAborted).ConfigureAwait(false);
        Api(writer);
        Process(writer);
        foreach (var other in others)
        {
            other(writer);
        }

        await Reply.SendAsync(context, "text/plain; version=0.0.4; charset=utf-8", Encoding.UTF8.GetBytes(writer.ToString())).ConfigureAwait(false);
    }

    private static void Core(MetricsWriter writer, CoordinatorCore core)
    {
        var nodes = core.Nodes.Nodes.ToList();
        writer.Gauge("masq_nodes", "Access points and other nodes that are known.", nodes.Count);
        writer.Gauge("masq_nodes_connected", "Nodes that are connected with any coordinator.", nodes.Count(n => n.IsConnected));
        writer.Gauge("masq_sessions", "Nodes that are connected with this coordinator.", nodes.Count(n => n.IsHere));
        writer.Gauge("masq_nodes_fenced", "Nodes that have no address of their own now and serve nobody.", nodes.Count(n => n.Addresses.Count > 0 && core.Nodes.IsFenced(n)));
        writer.Gauge("masq_addresses_elsewhere", "Addresses that another node owns than the one that they are configured at.", core.Nodes.Elsewhere.Count());
        writer.Gauge("masq_addresses_moving", "Addresses of which the next owner has not got everything yet.", core.AddressesMoving);
        writer.Gauge("masq_outbox_messages", "Pushes that wait for a node's acknowledgment.", nodes.Sum(n => (long)n.PushesWaiting));
        writer.Gauge("masq_outbox_bytes", "Octets of pushes that wait for a node's acknowledgment, at most.", nodes.Sum(n => n.PushesWaitingBytes));
        writer.Gauge("masq_decisions_under_way", "Decisions about clients that are being made or wait for another about the same client.", core.DecisionsUnderWay);
        writer.Counter("masq_requests_postponed_total", "Requests of agents that were not taken because too many waited; they come again.", core.RequestsRefused);
        writer.Counter(
            "masq_store_failures_total", "How often the store could not do what it was asked.", "reason",
            Enum.GetValues<StoreFailure>().Where(f => f != StoreFailure.None).Select(f => (MetricsWriter.LabelOf(f), (double)core.StoreFailures(f))));
    }

    private static void Chronicle(MetricsWriter writer, Chronicle chronicle)
    {
        writer.Counter("masq_sessions_opened_total", "Sessions of nodes that came up.", chronicle.SessionsOpened);
        writer.Counter("masq_sessions_replaced_total", "Sessions of nodes that were replaced by a newer one.", chronicle.SessionsReplaced);
        writer.Counter("masq_nodes_behind_total", "How often a node did not take its news and had to start over.", chronicle.NodesBehind);
        writer.Counter("masq_nodes_failed_total", "How often a node was taken for dead.", chronicle.NodesFailed);
        writer.Counter("masq_addresses_moved_total", "How often an address has changed its owner.", chronicle.AddressesMoved);
        writer.Counter("masq_store_losses_total", "How often the store had forgotten everything.", chronicle.StoresReborn);
        writer.Counter("masq_messages_received_total", "Messages of agents.", "type", Types(chronicle.Received));
        writer.Counter("masq_messages_sent_total", "Messages to agents, repetitions included.", "type", Types(chronicle.Sent));
        writer.Counter("masq_refusals_total", "Claims that were refused.", "reason", Enum.GetValues<RefusalKind>().Select(k => (MetricsWriter.LabelOf(k), (double)chronicle.Refusals[(int)k])));
        writer.Counter("masq_arrivals_total", "Clients that appeared and were not known.", chronicle.Arrivals);
        writer.Counter("masq_departures_total", "Clients that left.", chronicle.Departures);
        writer.Counter("masq_roams_total", "Moves of clients.", "outcome", Enum.GetValues<RoamOutcome>().Select(o => (MetricsWriter.LabelOf(o), (double)chronicle.Roams[(int)o])));
        writer.Histogram("masq_roam_hand_over_seconds", "From the arrival of a client until it was complete.", chronicle.HandOvers.Read());
        writer.Histogram("masq_roam_gap_seconds", "From the announced departure of a client, or else from its arrival, until the arrival was complete.", chronicle.Gaps.Read());
    }

    private void Api(MetricsWriter writer)
    {
        writer.Gauge("masq_api_connections", "Connections to the API.", doorman.Open);
        writer.Gauge("masq_api_streams", "Event streams that are open.", events.Open);
        writer.Counter(
            "masq_api_streams_dropped_total", "Event streams that were ended because their reader was too slow.", "reason", [("overrun", events.Overrun), ("stalled", events.Stalled)]);
        writer.Counter(
            "masq_api_refused_total", "What the API has turned away.", "reason",
            [
                ("unauthorized", gatekeeper.Unauthorized), ("wrong_host", gatekeeper.WrongHost), ("too_many_connections", doorman.Refused), ("too_many_streams", events.Refused),
                ("too_many_questions", site.Inquiry.Refused),
            ]);
    }

    private static void Process(MetricsWriter writer)
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        writer.Counter("process_cpu_seconds_total", "Processor time of the process.", process.TotalProcessorTime.TotalSeconds);
        writer.Gauge("process_resident_memory_bytes", "Resident memory of the process.", process.WorkingSet64);
        writer.Gauge("process_start_time_seconds", "When the process began, in seconds since 1970.", (process.StartTime.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds);
    }

    private static IEnumerable<(string, double)> Types(Dictionary<Type, long> counts) =>
        counts.OrderBy(c => c.Key.Name, StringComparer.Ordinal).Select(c => (c.Key.Name, (double)c.Value));
}
