using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Core.Engine;

/// <summary>
/// What a FAM engine asks of the HAM engine of its own node: to own a mapping. It is a contract in Core so that the two engines need not know each other.
/// </summary>
public interface ILocalAnchor
{
    /// <summary>
    /// Takes a free masquerade endpoint of the client endpoint's address family, makes a mapping for it and routes it to this node's own FAM.
    /// Returns false when no port or no room is left; nothing has changed then.
    /// </summary>
    bool TryAnchor(TransportProtocol protocol, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, Instant now, out TransportEndpoint masquerade);

    /// <summary>The mapping's inbound traffic belongs to this node's FAM again (the client came home) if no newer epoch is known. False if this node does not own it.</summary>
    bool TryRouteLocally(MappingId mapping, MacAddress client, Epoch epoch, Instant now);

    /// <summary>The mapping has ended: its masquerade endpoint rests and is reused later. Unknown mappings are ignored.</summary>
    void Release(MappingId mapping, Instant now);
}
