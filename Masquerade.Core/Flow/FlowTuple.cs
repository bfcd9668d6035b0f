namespace Masquerade.Core.Flow;

/// <summary>The 5-tuple of a packet: who sends to whom with which protocol. For ICMP queries the client's port is the identifier and the server's is 0.</summary>
/// <param name="Source">Where the packet comes from.</param>
/// <param name="Destination">Where it goes.</param>
/// <param name="Protocol">The transport protocol.</param>
public readonly record struct FlowTuple(TransportEndpoint Source, TransportEndpoint Destination, TransportProtocol Protocol)
{
    /// <summary>The tuple of a packet in the other direction.</summary>
    public FlowTuple Reply() => new(Destination, Source, Protocol);

    /// <inheritdoc/>
    public override string ToString() => $"{Protocol} {Source} > {Destination}";
}
