using Masquerade.Core.Flow;

namespace Masquerade.Auth.Authenticator;

/// <summary>
/// What an <see cref="AuthenticatorTable"/> wants done. It is called while the table works: it takes note, copies the spans that it needs later, and does not call the
/// table.
/// </summary>
public interface IAuthenticatorOutput
{
    /// <summary>Send an EAPOL frame to a client.</summary>
    /// <param name="client">To whom; the frame goes to its own address, not to the group's.</param>
    /// <param name="pdu">The frame from its version octet on, without the Ethernet header.</param>
    void SendEapol(MacAddress client, ReadOnlySpan<byte> pdu);

    /// <summary>Ask the server, and repeat it as long as the way there needs that. The answer goes to <see cref="AuthenticatorTable.OnServerAnswer"/>.</summary>
    /// <param name="client">Whose response it is.</param>
    /// <param name="exchange">The number of this authentication, the same for all its rounds.</param>
    /// <param name="eap">The EAP response.</param>
    /// <param name="identity">What the client called itself in this authentication; at most 253 octets, and hostile as everything that it says.</param>
    void AskServer(MacAddress client, ulong exchange, ReadOnlySpan<byte> eap, ReadOnlySpan<byte> identity);

    /// <summary>The port is authorised; said again after every further authentication.</summary>
    /// <param name="client">Whose port.</param>
    /// <param name="exchange">The authentication that says so; 0 if none did.</param>
    /// <param name="reason">Why.</param>
    void PortAuthorised(MacAddress client, ulong exchange, AuthorisedReason reason);

    /// <summary>The port is not authorised: it was, or an authentication ended badly.</summary>
    /// <param name="client">Whose port.</param>
    /// <param name="reason">Why.</param>
    void PortUnauthorised(MacAddress client, UnauthorisedReason reason);
}
