using Masquerade.Core.Flow;

namespace Masquerade.Fam;

/// <summary>A client as a FAM shows it to operators.</summary>
/// <param name="Client">The client.</param>
/// <param name="State">Arriving, Serving, Away, Departing, Superseded or Further.</param>
/// <param name="Epoch">Its epoch here.</param>
/// <param name="Complete">Whether the arrival is complete.</param>
/// <param name="Mappings">How many mappings are known.</param>
/// <param name="Addresses">The client's addresses.</param>
public sealed record FamClientView(MacAddress Client, string State, Epoch Epoch, bool Complete, int Mappings, IReadOnlyList<IpAddress> Addresses);

/// <summary>A connection as a FAM shows it to operators.</summary>
/// <param name="Client">The client.</param>
/// <param name="Tuple">Client endpoint to server.</param>
/// <param name="Masquerade">What the server sees.</param>
/// <param name="Ham">Who owns that.</param>
/// <param name="FamEndpoint">Where the HAM sends inbound packets.</param>
/// <param name="State">How far it is.</param>
/// <param name="PacketsOut">Packets from the client.</param>
/// <param name="PacketsIn">Packets to the client.</param>
public sealed record FamConnectionView(
    MacAddress Client, FlowTuple Tuple, TransportEndpoint Masquerade, NodeId Ham, TransportEndpoint FamEndpoint, ConnectionState State, long PacketsOut, long PacketsIn);

/// <summary>What the FAM shows of its tables. Allocates; not for the packet path.</summary>
public sealed partial class FamEngine
{
    /// <summary>The clients known here, at most <paramref name="limit"/>.</summary>
    public IReadOnlyList<FamClientView> DescribeClients(int limit)
    {
        var views = new List<FamClientView>();
        for (var slot = _clients.Next(0); slot >= 0 && views.Count < limit; slot = _clients.Next(slot + 1))
        {
            ref var client = ref _clients[slot];
            views.Add(new FamClientView(client.Mac, client.State.ToString(), client.Epoch, client.Complete, client.MappingCount, [.. client.Addresses]));
        }

        return views;
    }

    /// <summary>The connections known here, at most <paramref name="limit"/>.</summary>
    public IReadOnlyList<FamConnectionView> DescribeConnections(int limit)
    {
        var views = new List<FamConnectionView>();
        for (var slot = _table.NextMapping(0); slot >= 0 && views.Count < limit; slot = _table.NextMapping(slot + 1))
        {
            ref var mapping = ref _table.Mapping(slot);
            var client = _clients[mapping.Client].Mac;
            for (var c = mapping.FirstConnection; c >= 0 && views.Count < limit; c = _table.Connection(c).NextOfMapping)
            {
                _table.TakePassed(c);
                ref var connection = ref _table.Connection(c);
                views.Add(new FamConnectionView(
                    client, connection.Tuple, mapping.Id.Masquerade, mapping.Ham, mapping.Fam, connection.State, connection.PacketsOut, connection.PacketsIn));
            }
        }

        return views;
    }
}
