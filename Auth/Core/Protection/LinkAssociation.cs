namespace Masquerade.Auth.Protection;

/// <summary>Under what a key is used: what both ends have agreed on in the handshake.</summary>
/// <param name="Transmit">This end.</param>
/// <param name="Receive">The other end.</param>
/// <param name="KeyNumber">0 to 3: the association number of IEEE 802.1AE.</param>
/// <param name="FirstTransmit">The first packet number that this end uses; at least 1.</param>
/// <param name="FirstReceive">The first packet number that the other end uses; at least 1.</param>
public readonly record struct LinkAssociation(Sci Transmit, Sci Receive, byte KeyNumber, uint FirstTransmit, uint FirstReceive);
