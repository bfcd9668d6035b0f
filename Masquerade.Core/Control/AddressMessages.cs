using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>Who owns a masquerade address. Of two statements about an address the one with the higher epoch is right.</summary>
/// <param name="Address">The address.</param>
/// <param name="Epoch">The number of the address's last move; made as a client's epoch is, so that it grows also over a loss of the coordinator's memory.</param>
/// <param name="Node">The node that answers for it.</param>
/// <param name="Settled">
/// The owner has been told of all mappings at the address. Before that it takes none for unknown, and gives out no port of it.
/// </param>
public sealed record AddressOwner(IpAddress Address, Epoch Epoch, NodeId Node, bool Settled);

/// <summary>
/// Coordinator → agent (repeated until acknowledged): who owns these addresses now. A node that is named answers for the address from now on; one that is not gives it up. An
/// acknowledgement that says Refused: the node cannot take them.
/// </summary>
public sealed record AddressOwners : ControlMessage
{
    /// <summary>The addresses.</summary>
    public required IReadOnlyList<AddressOwner> Owners { get; init; }

    /// <summary>
    /// Whether an operator has wanted it so: who had an address until now, without a break, and has others, goes on serving what it serves at those. Otherwise who learns that an
    /// address of its own is another's knows nothing any more.
    /// </summary>
    public bool Planned { get; init; }
}

/// <summary>Coordinator → agent (repeated until answered): a node does not answer the coordinator; does it answer you on the data path?</summary>
public sealed record ProbeNode : ControlMessage
{
    /// <summary>Where the node takes datagrams of other nodes.</summary>
    public required TransportEndpoint Peer { get; init; }

    /// <summary>A random number that the node's answer must carry.</summary>
    public required ulong Token { get; init; }
}

/// <summary>Agent → coordinator, answer to <see cref="ProbeNode"/>.</summary>
public sealed record ProbeResult : ControlMessage
{
    /// <summary>Whether the node has answered.</summary>
    public required bool Alive { get; init; }
}
