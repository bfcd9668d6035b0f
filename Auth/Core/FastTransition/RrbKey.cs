namespace Masquerade.Auth.FastTransition;

/// <summary>An answer to a question for a key.</summary>
/// <param name="Key">The key, owned by the receiver; null: there is none.</param>
/// <param name="Cipher">The pairwise cipher suite of the client's link, <see cref="MobilityDomain.Cipher"/>.</param>
/// <param name="SecondsLeft">For how many seconds the session holds; 0: it does not end by itself.</param>
/// <param name="Vlan">The VLAN of the client, 1 to 4,094; 0: none.</param>
/// <param name="User">The session's user, of at most 253 octets, by which name hostapd knows whose key the link has proved; null or empty: it does not.</param>
public readonly record struct RrbKey(PmkR1? Key, uint Cipher, uint SecondsLeft, ushort Vlan, string? User = null);
