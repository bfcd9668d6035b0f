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
    /// Returns false when no port or no room is left; nothing has changed then, and <paramref name="reason"/> says which. With a server named the mapping is for that one alone.
    /// </summary>
    bool TryAnchor(
        TransportProtocol protocol, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, TransportEndpoint server, Instant now,
        out TransportEndpoint masquerade, out Diagnostics.DropReason reason);

    /// <summary>As <see cref="TryAnchor"/>, endpoint-independent, with a masquerade endpoint that would suit the client.</summary>
    /// <param name="protocol">The protocol.</param>
    /// <param name="clientEndpoint">The client's own endpoint.</param>
    /// <param name="client">The client.</param>
    /// <param name="epoch">Its epoch.</param>
    /// <param name="suggested">The endpoint; its address or its port may be none.</param>
    /// <param name="exactly">Whether no other will do: <see cref="Diagnostics.DropReason.Refused"/> if it is not to be had.</param>
    /// <param name="now">The time.</param>
    /// <param name="masquerade">The endpoint that it has become.</param>
    /// <param name="reason">Why there is none.</param>
    bool TryAnchorAt(
        TransportProtocol protocol, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, TransportEndpoint suggested, bool exactly, Instant now,
        out TransportEndpoint masquerade, out Diagnostics.DropReason reason);

    /// <summary>As <see cref="TryAnchor"/>, endpoint-independent, at an own address at which the client has another mapping, and nowhere else.</summary>
    bool TryAnchorBeside(TransportProtocol protocol, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, IpAddress address, Instant now, out TransportEndpoint masquerade);

    /// <summary>What makes a mapping explicit: by these terms it lives while nobody serves its client. Null: it is none any more. Unknown mappings are ignored.</summary>
    void Keep(MappingId mapping, Control.ExplicitTerms? terms, Instant now);

    /// <summary>
    /// Takes a free endpoint that may become a masquerade endpoint of a client, of the address that its mappings have (RFC 4787 REQ-2). It is the caller's: it becomes a mapping by
    /// <see cref="TryAdopt"/>, or goes back to the pool. With a server named it is the caller's towards that one alone.
    /// </summary>
    bool TryReserve(TransportProtocol protocol, bool ipv6, MacAddress client, TransportEndpoint server, Instant now, out TransportEndpoint endpoint, out Diagnostics.DropReason reason);

    /// <summary>
    /// Makes a mapping with an endpoint that the caller has already taken from the node's pool (an attach that established, A-09).
    /// On success the endpoint is the HAM's to give back; on failure (no room) it stays the caller's.
    /// </summary>
    bool TryAdopt(MappingId mapping, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, Instant now);

    /// <summary>Whether this node owns the mapping for this client.</summary>
    bool Owns(MappingId mapping, MacAddress client);

    /// <summary>When a mapping that this node owns was opened, as <see cref="Control.MappingRecord.Opened"/>; 0 if it does not own it.</summary>
    long OpenedAt(MappingId mapping);

    /// <summary>The newest epoch of a client that its mappings here have heard of; none if it has none.</summary>
    Epoch NewestEpoch(MacAddress client);

    /// <summary>The mapping has ended: its masquerade endpoint rests and is reused later. Unknown mappings are ignored.</summary>
    void Release(MappingId mapping, Instant now);

    /// <summary>Whether this node owns this mapping, and its client is at another FAM, which sends from it.</summary>
    bool IsServedElsewhere(MappingId mapping);
}
