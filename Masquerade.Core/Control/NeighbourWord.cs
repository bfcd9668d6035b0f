using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>A datagram between two nodes about packets that their clients send each other at their own addresses (N-13).</summary>
public abstract record NeighbourWord;

/// <summary>
/// The sender's node → the receiver's: packets from this endpoint of mine, to your peer endpoint, are really from one client to another. Answered by the same as
/// <see cref="NeighbourFlowKnown"/>.
/// </summary>
/// <param name="Key">The key of the receiver's node (<see cref="NeighbourAt.Key"/>).</param>
/// <param name="Protocol">The transport protocol.</param>
/// <param name="Number">The sender's own port or identifier. A reply to a ping has it as its destination's.</param>
/// <param name="Source">The client that sends.</param>
/// <param name="Destination">The client that receives.</param>
public sealed record NeighbourFlowNamed(ulong Key, TransportProtocol Protocol, ushort Number, TransportEndpoint Source, TransportEndpoint Destination) : NeighbourWord;

/// <summary>Answer to <see cref="NeighbourFlowNamed"/>: it is known from now on.</summary>
/// <param name="Key">As in the question.</param>
/// <param name="Protocol">As in the question.</param>
/// <param name="Number">As in the question.</param>
/// <param name="Source">As in the question.</param>
/// <param name="Destination">As in the question.</param>
public sealed record NeighbourFlowKnown(ulong Key, TransportProtocol Protocol, ushort Number, TransportEndpoint Source, TransportEndpoint Destination) : NeighbourWord;

/// <summary>A node that has got packets for a client which it does not serve (any more) → who sent them: look again.</summary>
/// <param name="Address">The client's address.</param>
public sealed record NeighbourGone(IpAddress Address) : NeighbourWord;
