using Masquerade.Core.Flow;

namespace Masquerade.Fam;

/// <summary>Which endpoints belong together, for who must send a packet in another way than the engine would (N-09).</summary>
public sealed partial class FamEngine
{
    /// <summary>The mapping that a client's packet goes out by, its FAM endpoint and its client.</summary>
    /// <param name="tuple">The packet's 5-tuple, as the client has it.</param>
    /// <param name="mapping">The mapping.</param>
    /// <param name="fam">Its FAM endpoint here.</param>
    /// <param name="client">Whose it is.</param>
    public bool TryFindOutbound(in FlowTuple tuple, out MappingId mapping, out TransportEndpoint fam, out MacAddress client)
    {
        var connection = _table.FindConnection(tuple);
        return Tell(connection >= 0 ? _table.Connection(connection).Mapping : _table.FindByClientEndpoint(tuple.Protocol, tuple.Source, tuple.Destination), out mapping, out fam, out client);
    }

    /// <summary>The mapping behind a FAM endpoint of this node. For an offer that no mapping has yet only the client is known.</summary>
    /// <param name="protocol">The transport protocol.</param>
    /// <param name="endpoint">The FAM endpoint.</param>
    /// <param name="server">The server whose packets come there.</param>
    /// <param name="mapping">The mapping; the default value if there is none yet.</param>
    /// <param name="client">Whose it is.</param>
    public bool TryFindInbound(TransportProtocol protocol, TransportEndpoint endpoint, TransportEndpoint server, out MappingId mapping, out MacAddress client)
    {
        if (Tell(_table.FindByFamEndpoint(protocol, endpoint, server), out mapping, out _, out client))
        {
            return true;
        }

        var arriving = _offered[protocol, endpoint];
        client = arriving >= 0 ? _clients[arriving].Mac : MacAddress.None;
        return arriving >= 0;
    }

    /// <summary>The FAM endpoint of the mapping here by which a client speaks to a server from a masquerade endpoint.</summary>
    public bool TryFindMapping(TransportProtocol protocol, TransportEndpoint masquerade, TransportEndpoint server, MacAddress client, out TransportEndpoint fam)
    {
        fam = TransportEndpoint.None;
        var owner = _clients.Find(client);
        return owner >= 0 && (Tell(_table.FindOfClient(owner, new MappingId(protocol, masquerade, server)), out _, out fam, out _)
            || Tell(_table.FindOfClient(owner, new MappingId(protocol, masquerade)), out _, out fam, out _));
    }

    private bool Tell(int slot, out MappingId mapping, out TransportEndpoint fam, out MacAddress client)
    {
        (mapping, fam, client) = (default, default, default);
        if (slot < 0)
        {
            return false;
        }

        ref var record = ref _table.Mapping(slot);
        (mapping, fam, client) = (record.Id, record.Fam, _clients[record.Client].Mac);
        return true;
    }
}
