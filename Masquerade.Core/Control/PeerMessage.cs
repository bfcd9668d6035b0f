using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>A datagram between two nodes on the data path. It travels behind the translated packets that were sent before it.</summary>
/// <param name="Client">The client that moved.</param>
/// <param name="Epoch">The epoch of the new FAM.</param>
/// <param name="Token">The token of the move (<see cref="FamChange.Token"/>); a wrong one is ignored.</param>
public abstract record PeerMessage(MacAddress Client, Epoch Epoch, ulong Token);

/// <summary>HAM → previous FAM: the last packet on the old way is in front of this. The HAM holds new packets until <see cref="Drained"/> or a short deadline, so that order is kept.</summary>
public sealed record Drain(MacAddress Client, Epoch Epoch, ulong Token) : PeerMessage(Client, Epoch, Token);

/// <summary>Node → node, for the coordinator: are you there?</summary>
public sealed record Probe(ulong Token) : PeerMessage(MacAddress.None, Epoch.None, Token);

/// <summary>Answer to <see cref="Probe"/>. Only the node that the address was configured at gives it, not one that has taken it over.</summary>
public sealed record Probed(ulong Token) : PeerMessage(MacAddress.None, Epoch.None, Token);

/// <summary>Previous FAM → HAM: everything in front of your marker has gone to the new FAM.</summary>
public sealed record Drained(MacAddress Client, Epoch Epoch, ulong Token) : PeerMessage(Client, Epoch, Token);
