using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// Which mapping an endpoint belongs to, the client's or the FAM's. A mapping for one server (decision 27) may share its FAM endpoint: then the direct index says so, and the server's endpoint
/// decides.
/// </summary>
internal sealed partial class FamTranslationTable
{
    /// <summary>Mappings for one server each, by FAM endpoint and server; made with the first of them.</summary>
    private HashIndex? _byServer;

    /// <summary>The mapping that an inbound packet of a server to this FAM endpoint belongs to, or -1.</summary>
    public int FindByFamEndpoint(TransportProtocol protocol, TransportEndpoint endpoint, in TransportEndpoint server)
    {
        var slot = _byFamEndpoint[protocol, endpoint];
        return slot >= EndpointIndex.Nothing ? slot : FindShared(protocol, endpoint, server);
    }

    /// <summary>The mapping that a client endpoint uses towards a server: the one for that server, or else the one for all, which alone is looked for if no server is named.</summary>
    public int FindByClientEndpoint(TransportProtocol protocol, TransportEndpoint clientEndpoint, in TransportEndpoint server)
    {
        var exact = _byServer is { Count: > 0 } && !server.IsNone ? FindFirst(protocol, clientEndpoint, server) : -1;
        return exact >= 0 ? exact : FindFirst(protocol, clientEndpoint, TransportEndpoint.None);
    }

    /// <summary>Of two mappings for the same (made on both sides of a partition) the explicit one, then the one with the higher anchor epoch; ties go to the smaller HAM name.</summary>
    private int FindFirst(TransportProtocol protocol, TransportEndpoint clientEndpoint, in TransportEndpoint server)
    {
        var best = -1;
        var hash = HashOf(protocol, clientEndpoint, server);
        for (var slot = _byClientEndpoint.First(hash, out var probe); slot >= 0; slot = _byClientEndpoint.Next(ref probe))
        {
            ref var mapping = ref _mappings[slot];
            if (mapping.ClientEndpoint == clientEndpoint && mapping.Id.Protocol == protocol && mapping.Id.Server == server && (best < 0 || Precedes(mapping, _mappings[best])))
            {
                best = slot;
            }
        }

        return best;
    }

    /// <summary>How many mappings a mapping's client endpoint has for the same server, or for all as the mapping itself; more than one only if it was anchored twice.</summary>
    public int CountOfClientEndpoint(in FamMapping mapping)
    {
        var count = 0;
        var (protocol, clientEndpoint, server) = (mapping.Id.Protocol, mapping.ClientEndpoint, mapping.Id.Server);
        var hash = HashOf(protocol, clientEndpoint, server);
        for (var slot = _byClientEndpoint.First(hash, out var probe); slot >= 0; slot = _byClientEndpoint.Next(ref probe))
        {
            count += _mappings[slot].ClientEndpoint == clientEndpoint && _mappings[slot].Id.Protocol == protocol && _mappings[slot].Id.Server == server ? 1 : 0;
        }

        return count;
    }

    /// <summary>Binds a mapping to a FAM endpoint; the old one, if any, is no longer indexed.</summary>
    public void SetFamEndpoint(int slot, TransportEndpoint fam)
    {
        ref var mapping = ref _mappings[slot];
        if (!mapping.Fam.IsNone)
        {
            UnindexFamEndpoint(slot);
        }

        mapping.Fam = fam;
        mapping.ToClient = new PacketRewriter.Rewrite(fam, mapping.ClientEndpoint);
        IndexFamEndpoint(slot);
    }

    /// <summary>Binds a mapping whose HAM is this node to a second endpoint; gives the one that it had before, or none.</summary>
    public TransportEndpoint SetReturnEndpoint(int slot, TransportEndpoint endpoint)
    {
        ref var mapping = ref _mappings[slot];
        var before = mapping.ReturnEndpoint;
        if (!before.IsNone)
        {
            _byFamEndpoint[mapping.Id.Protocol, before] = -1;
        }

        mapping.ReturnEndpoint = endpoint;
        if (!endpoint.IsNone)
        {
            mapping.ReturnToClient = new PacketRewriter.Rewrite(endpoint, mapping.ClientEndpoint);
            _byFamEndpoint[mapping.Id.Protocol, endpoint] = slot;
        }

        return before;
    }

    private void IndexFamEndpoint(int slot)
    {
        ref var mapping = ref _mappings[slot];
        if (!mapping.Id.IsOfServer)
        {
            _byFamEndpoint[mapping.Id.Protocol, mapping.Fam] = slot;
            return;
        }

        _byServer ??= new HashIndex(_mappings.Capacity);
        _byServer.Insert(HashOf(mapping.Id.Protocol, mapping.Fam, mapping.Id.Server), slot);
        _byFamEndpoint.Share(mapping.Id.Protocol, mapping.Fam, more: true);
    }

    private void UnindexFamEndpoint(int slot)
    {
        ref var mapping = ref _mappings[slot];
        if (!mapping.Id.IsOfServer)
        {
            _byFamEndpoint[mapping.Id.Protocol, mapping.Fam] = EndpointIndex.Nothing;
            return;
        }

        _byServer!.Remove(HashOf(mapping.Id.Protocol, mapping.Fam, mapping.Id.Server), slot);
        _byFamEndpoint.Share(mapping.Id.Protocol, mapping.Fam, more: false);
    }

    private int FindShared(TransportProtocol protocol, TransportEndpoint endpoint, in TransportEndpoint server)
    {
        for (var slot = _byServer!.First(HashOf(protocol, endpoint, server), out var probe); slot >= 0; slot = _byServer.Next(ref probe))
        {
            ref var mapping = ref _mappings[slot];
            if (mapping.Fam == endpoint && mapping.Id.Server == server && mapping.Id.Protocol == protocol)
            {
                return slot;
            }
        }

        return -1;
    }

    /// <summary>The hash of an endpoint, the client's or the node's, towards a server or, with none, all of them.</summary>
    private uint HashOf(TransportProtocol protocol, TransportEndpoint endpoint, in TransportEndpoint server) =>
        server.IsNone ? FlowHash.Of(protocol, endpoint, _seed) : FlowHash.Of(new FlowTuple(endpoint, server, protocol), _seed);
}
