using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Core.Engine;

/// <summary>
/// What a FAM engine asks of the HAM engine of its own node: to own a mapping. It is a contract in Core so that the two engines need not know each other.
/// A mapping made here is routed to this node's own FAM until a <c>FamChange</c> says otherwise.
/// </summary>
public interface ILocalAnchor
{
    /// <summary>
    /// Takes a free masquerade endpoint of the client endpoint's address family and makes a mapping for it.
    /// Returns false when no port or no room is left; nothing has changed then, and <paramref name="reason"/> says which.
    /// </summary>
    bool TryAnchor(
        TransportProtocol protocol, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, Instant now,
        out TransportEndpoint masquerade, out Diagnostics.DropReason reason);

    /// <summary>
    /// Makes a mapping with an endpoint that the caller has already taken from the node's pool (an attach that established, A-09).
    /// On success the endpoint is the HAM's to give back; on failure (no room) it stays the caller's.
    /// </summary>
    bool TryAdopt(MappingId mapping, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, Instant now);

    /// <summary>Whether this node owns the mapping for this client.</summary>
    bool Owns(MappingId mapping, MacAddress client);

    /// <summary>The newest epoch of a client that its mappings here have heard of; none if it has none.</summary>
    Epoch NewestEpoch(MacAddress client);

    /// <summary>The mapping has ended: its masquerade endpoint rests and is reused later. Unknown mappings are ignored.</summary>
    void Release(MappingId mapping, Instant now);
}
