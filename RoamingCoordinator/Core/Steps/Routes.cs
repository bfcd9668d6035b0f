using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>Who must hear of which mapping's way when a client's FAM changes.</summary>
internal static class Routes
{
    /// <summary>
    /// One <see cref="FamChange"/> per node: each HAM with its mappings, the previous FAM with all that it served; a node that is both gets one message, so that it
    /// flushes what it held before it switches. A previous FAM that is out of reach drains nothing, but hears of it when it is back: it would go on serving, and ending
    /// what is not its any more. Mappings are told in the order in which they are given.
    /// </summary>
    public static void PushFamChange(Decision decision, ClientRecord client, NodeId previous, bool drain, IEnumerable<MappingEntry> inOrder, StepContext context, ulong stay = 0)
    {
        var routesByNode = new SortedDictionary<string, List<FamRoute>>(StringComparer.Ordinal);
        var tellPrevious = !previous.IsNone && previous != client.Fam;
        if (tellPrevious)
        {
            routesByNode[previous.Name!] = [];
        }

        foreach (var entry in inOrder)
        {
            var route = new FamRoute(entry.Record.Mapping, entry.Record.Ham, entry.EndpointAt(previous), entry.EndpointAt(client.Fam)) { Further = FurtherOf(entry, client, context) };
            Add(routesByNode, entry.Record.Ham, route);
            if (tellPrevious && entry.Record.Ham != previous)
            {
                Add(routesByNode, previous, route);
            }
        }

        var peer = drain ? context.Nodes.Find(previous)?.PeerEndpoint ?? TransportEndpoint.None : TransportEndpoint.None;
        var change = Change(client, previous, context) with { PreviousFamPeer = peer, Stay = stay };
        foreach (var (node, routes) in routesByNode)
        {
            Pushes.Change(decision, new NodeId(node), change, routes);
        }
    }

    /// <summary>The change without its routes.</summary>
    public static FamChange Change(ClientRecord client, NodeId previous, StepContext context)
    {
        var chooses = client.Further.Length > 0 && context.Options.Fams != FamChoice.Newest;
        var marks = chooses && context.Options.Fams == FamChoice.Duplicate;
        return new FamChange
        {
            Id = 0,
            Client = client.Client,
            Epoch = client.Epoch,
            NewFam = client.Fam,
            PreviousFam = previous,
            Token = client.Token,
            Choice = chooses ? context.Options.Fams : FamChoice.Newest,
            CopyMilliseconds = marks ? (uint)context.Options.Duplicate.TotalMilliseconds : 0,
            Peers = marks ? [.. client.Further.Select(f => f.Node).Prepend(client.Fam).Select(n => context.Nodes.Find(n)?.PeerEndpoint ?? TransportEndpoint.None).Where(p => !p.IsNone)] : [],
        };
    }

    /// <summary>The endpoints at further FAMs among which the HAM is to choose.</summary>
    private static IReadOnlyList<TransportEndpoint> FurtherOf(MappingEntry entry, ClientRecord client, StepContext context) =>
        client.Further.IsEmpty || context.Options.Fams == FamChoice.Newest
            ? []
            : [.. client.Further.Select(f => entry.EndpointAt(f.Node)).Where(e => !e.IsNone)];

    /// <summary>All that a client's last move meant for others, once more: taking it twice is the same as taking it once.</summary>
    public static void PushWhole(Decision decision, ClientRecord client, StepContext context)
    {
        // Who hears the client again since the move is not to take itself for left.
        var previous = client.IsFurther(client.PreviousFam) ? NodeId.None : client.PreviousFam;
        var drain = previous != client.Fam && context.Nodes.IsConnected(previous);
        PushFamChange(decision, client, previous, drain, InOrder(client.Mappings.Values), context);
    }

    /// <summary>Mappings in the order in which they are told.</summary>
    public static IEnumerable<MappingEntry> InOrder(IEnumerable<MappingEntry> entries) =>
        entries.OrderBy(e => e.Record.Mapping);

    /// <summary>Tells the HAMs that mappings have ended.</summary>
    public static void PushEnded(Decision decision, MacAddress client, Epoch epoch, IEnumerable<MappingEntry> ended, NodeId except)
    {
        foreach (var group in ended.Where(e => e.Record.Ham != except).GroupBy(e => e.Record.Ham.Name, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            Pushes.Ended(decision, new NodeId(group.Key), client, epoch, [.. group.Select(e => e.Record.Mapping)]);
        }
    }

    /// <summary>The record of a mapping as a FAM is told it.</summary>
    public static MappingRecord For(MappingEntry entry, NodeId fam, Instant now) => entry.Record with { FamEndpoint = entry.EndpointAt(fam), Explicit = entry.TermsNow(now) };

    /// <summary>HAMs must know for how long to keep explicit mappings that nobody serves; taking one again that is there says so.</summary>
    public static void PushTerms(Decision decision, ClientRecord client, IEnumerable<MappingEntry> kept, Instant now)
    {
        foreach (var group in kept.GroupBy(e => e.Record.Ham.Name, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            Pushes.Adopt(decision, new NodeId(group.Key), client, InOrder(group).Select(e => For(e, client.Fam, now)));
        }
    }

    /// <summary>
    /// Gives a mapping a FAM endpoint at the client's FAM: the first fitting offer, or at its own HAM the masquerade endpoint. A client that comes home while its previous FAM
    /// is still sending packets on gets an endpoint apart at its HAM as well: what comes round by the old way must be told from what comes straight.
    /// </summary>
    public static MappingEntry Assign(MappingEntry entry, NodeId fam, Epoch epoch, bool drain, ref ImmutableArray<FamOffer> offers)
    {
        var id = entry.Record.Mapping;
        if (entry.Record.Ham == fam && !drain)
        {
            return entry.WithFam(new FamRecord(fam, id.Masquerade, epoch));
        }

        for (var i = 0; i < offers.Length; i++)
        {
            if (offers[i].Protocol == id.Protocol && offers[i].Endpoint.Address.IsIPv4 == id.Masquerade.Address.IsIPv4)
            {
                var endpoint = offers[i].Endpoint;
                offers = offers.RemoveAt(i);
                return entry.WithFam(new FamRecord(fam, endpoint, epoch));
            }
        }

        return entry.Record.Ham == fam ? entry.WithFam(new FamRecord(fam, id.Masquerade, epoch)) : entry.WithoutFam(fam);
    }

    private static void Add(SortedDictionary<string, List<FamRoute>> routes, NodeId node, FamRoute route)
    {
        if (!routes.TryGetValue(node.Name!, out var list))
        {
            routes[node.Name!] = list = [];
        }

        list.Add(route);
    }
}
