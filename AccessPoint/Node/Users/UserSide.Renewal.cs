using Masquerade.Auth.Eapol;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Users;

/// <summary>
/// One session after another on the same link: while a client authenticates again everything stays as it is (IEEE 802.1X-2004 8.2.8), and where its link is protected it stays protected, under the
/// keys of before until the client has proved the new session's.
/// </summary>
internal sealed partial class UserSide
{
    /// <summary>So long before its session ends a client is asked to authenticate again, at most; a tenth of what is left where that is less.</summary>
    private static readonly TimeSpan s_renewBefore = TimeSpan.FromSeconds(30);

    private static bool IsSameUser(UserClient client, UserSession session) => string.Equals(client.Session?.User, session.User, StringComparison.OrdinalIgnoreCase);

    private Instant RenewalOf(UserSession session)
    {
        if (session.SecondsLeft == 0)
        {
            return Instant.Never;
        }

        var whole = TimeSpan.FromSeconds(session.SecondsLeft);
        return _now + whole - (whole / 10 < s_renewBefore ? whole / 10 : s_renewBefore);
    }

    /// <summary>Whether a client's protected link goes on with another session. Only the same user's: what another one opens he opens with his own keys.</summary>
    private bool IsRenewedInPlace(UserClient client, UserSession session) =>
        client is { IsAdmitted: true, Link: { IsUp: true } link } && IsSameUser(client, session) && _config.Protection != LinkProtection.Off && link.TryGoOn(session, client.Mac, _config, Node, Gateway, Random!);

    /// <summary>Another session has come that was not authenticated here: a link that was protected is not used without because of it.</summary>
    private void StayProtected(UserClient client)
    {
        if (client.Session is not { IsProtected: true } || client.Link is { IsProven: true })
        {
            return;
        }

        if (client is { IsAdmitted: true, Link: null })
        {
            ShutOut(client, "new keys", Ending.Link);
        }

        if (!StartHandshake(client))
        {
            AskWhoItIs(client);
        }
    }

    /// <summary>Who has authenticated is asked to do it again; what its session lets pass passes on until it ends.</summary>
    private void AskAgain(UserClient client)
    {
        client.RenewAt = Instant.Never;
        if (_config.Authenticator == UserAuthenticator.Agent && client.Proof is SessionProof.Eap or SessionProof.Handshake && !_authenticator.Reauthenticate(client.Mac, _now))
        {
            _authenticator.Begin(client.Mac, _now);
        }
    }

    /// <summary>Whether a client has just said by EAP who it is, here or to the link layer. Of what it has said to the link layer the key of its session is all that is known here; the handshake proves the rest.</summary>
    private bool HasAuthenticated(UserClient client) =>
        _config.Authenticator == UserAuthenticator.Link ? client.Session is { Key.Length: > 0 } : _authenticator.Find(client.Mac) is { IsAuthorised: true };

    /// <summary>EAPOL where somebody else authenticates: only what makes link keys is for this access point.</summary>
    private void TakeBesideAnother(MacAddress mac, EapolFrame pdu)
    {
        if (!pdu.Pdu.IsEmpty && pdu.Type == EapolType.Key)
        {
            OnKeyFrame(mac, pdu.Pdu);
        }
        else
        {
            _drops.Count(DropReason.NotForUs);
        }
    }

    /// <summary>
    /// Whether a client is in the middle of proving itself, so that it does not give way to addresses that nobody has heard of (decision 29). Exchanges with the server keep half of the places at
    /// most, or stations that begin one and go no further would shut out whoever needs none: guests, trusted devices and those who come with a session. An exchange goes on without the place.
    /// </summary>
    private bool IsUnderWay(UserClient client) =>
        client.Proved != SessionProof.None || client.Link is { IsUnderWay: true }
        || (_authenticator.ExchangeCount * 2 <= _clients.MaxOthers && _authenticator.Find(client.Mac) is { HasEngaged: true, IsAuthorised: false });

    /// <summary>The key in a message that nobody has taken.</summary>
    private void ZeroUnused(ControlMessage message)
    {
        var (mac, session) = message switch
        {
            UserSessionReply reply => (reply.Client, reply.Session),
            EapToClient eap => (eap.Client, eap.Session),
            UserSessionChange change => (change.Client, change.Now),
            _ => default,
        };
        if (session is not null && !ReferenceEquals(_clients.Find(mac)?.Session?.Key, session.Key))
        {
            session.Key.Zero();
        }
    }
}
