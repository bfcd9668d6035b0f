using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Protection;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Users;

/// <summary>
/// Who clients' users are, at an access point: the controlled port of IEEE 802.1X for each MAC address. Nothing of a client passes, either way, before its user is known and it has been
/// proved that the client is the user's; then it arrives. Whoever the coordinator knows keeps the session, and proves it again, without EAP where that is possible.
/// </summary>
internal sealed partial class UserSide
{
    private readonly UsersConfig _config;
    private readonly IUserSideHost _host;
    private readonly DropCounters _drops;
    private readonly AuthenticatorTable _authenticator;
    private readonly UserPolicies _policies;
    private readonly UserClients _clients;
    private readonly PriorityQueue<(UserClient Client, Instant At), Instant> _deadlines = new();
    private Instant _now;

    public UserSide(UsersConfig config, IUserSideHost host, DropCounters drops, SeededRandom random)
    {
        _config = config;
        _host = host;
        _drops = drops;
        _policies = new UserPolicies(host, config.MaxClients);
        _clients = new UserClients(config.MaxClients, IsUnderWay, OnForgotten);
        _authenticator = new AuthenticatorTable(config.ToAuthenticator(), this, (uint)random.NextUInt64(), random.NextUInt64() >> 1, Instant.Zero);
    }

    /// <summary>The authenticator, for its counters.</summary>
    public AuthenticatorTable Authenticator => _authenticator;

    /// <summary>Clients that are let in.</summary>
    public int AdmittedCount => _clients.AdmittedCount;

    /// <summary>All clients that are known here.</summary>
    public int Count => _clients.Count;

    public Instant NextDeadline => Instant.Min(Instant.Min(_authenticator.NextDeadline, _policies.NextDeadline),
        Instant.Min(_deadlines.TryPeek(out _, out var due) ? due : Instant.Never, _linkDeadlines.TryPeek(out _, out due) ? due : Instant.Never));

    /// <summary>Which client may do what.</summary>
    public IClientFilter Policies => _policies.Table;

    /// <summary>Whether a client is let in.</summary>
    public bool IsAdmitted(MacAddress mac) => _clients.Find(mac) is { IsAdmitted: true };

    /// <summary>Whether a frame of a client passes; if not, it is found out who the client is.</summary>
    public bool AdmitsFrom(MacAddress mac, int length, Instant now)
    {
        _now = now;
        var client = _clients.Find(mac);
        if (client is { IsAdmitted: true })
        {
            if (client.Link is { IsUp: true })
            {
                _drops.Count(Links.Count(ProtectionDrop.NotProtected));
                return false;
            }

            client.LastHeard = now;
            client.OctetsFrom += (ulong)length;
            client.PacketsFrom++;
            return true;
        }

        _drops.Count(DropReason.NotAuthenticated);
        FindOut(client, mac);
        return false;
    }

    /// <summary>Whether a frame for a client passes.</summary>
    public bool AdmitsTo(MacAddress mac, int length)
    {
        if (mac.IsGroup)
        {
            // Broadcasts of DHCP, and what is relayed to groups: everybody on the link hears it, so it is sent only if somebody is let in.
            return AdmittedCount > 0;
        }

        if (_clients.Find(mac) is { IsAdmitted: true } client)
        {
            client.OctetsTo += (ulong)length;
            client.PacketsTo++;
            return true;
        }

        _drops.Count(DropReason.NotAuthenticated);
        return false;
    }

    /// <summary>An EAPOL frame of a client, whole. It is never forwarded (CVE-2020-26139).</summary>
    public void OnEapol(MacAddress mac, ReadOnlySpan<byte> frame, Instant now)
    {
        _now = now;
        if (EapolFrame.TryParse(frame, out var pdu))
        {
            if (pdu.Type == EapolType.Start && TakesStart(mac))
            {
                return;
            }

            if (pdu.Type == EapolType.Logoff && _clients.Find(mac) is { Link.IsUp: true })
            {
                Links.LogoffsIgnored++;
                return;
            }
        }

        if (_config.Authenticator == UserAuthenticator.Link)
        {
            TakeBesideAnother(mac, pdu);
        }
        else if (_authenticator.OnEapol(mac, frame, now) == EapolVerdict.NotMine && pdu.Type == EapolType.Key)
        {
            OnKeyFrame(mac, pdu.Pdu);
        }
    }

    /// <summary>A link is up. Where the link layer has proved a key of its own, that is proof enough for a session that there is.</summary>
    public void OnAssociated(MacAddress mac, Instant now)
    {
        _now = now;
        if (_clients.Find(mac) is { } client)
        {
            // A new link has proved nothing of what the old one had.
            client.Proved = SessionProof.None;
            client.WasProtected = false;
            DropLink(client);
            ShutOut(client, "new link", Ending.Link);
            client.AskAt = now;
        }

        _authenticator.Disconnect(mac, UnauthorisedReason.LinkLost, now);

        FindOut(_clients.Find(mac), mac);
    }

    /// <summary>A link is gone, and with it the proof.</summary>
    public void OnDisassociated(MacAddress mac, Instant now)
    {
        Leave(mac, "link lost", now);
    }

    /// <summary>The client is served elsewhere: whoever uses its MAC address here has proved nothing.</summary>
    public void OnMoved(MacAddress mac, Instant now)
    {
        Leave(mac, "served elsewhere", now);
    }

    /// <summary>First the client, then its port: what is under way to the client goes on to where it is, which an end of the port would stop.</summary>
    private void Leave(MacAddress mac, string reason, Instant now)
    {
        _now = now;
        if (_clients.Find(mac) is { } client)
        {
            ShutOut(client, reason, Ending.Elsewhere);
            _clients.Forget(client);
        }

        _authenticator.Disconnect(mac, UnauthorisedReason.LinkLost, now);
    }

    /// <summary>The coordinator's word about users.</summary>
    public void OnControl(ControlMessage message, Instant now)
    {
        _now = now;
        switch (message)
        {
            case UserSessionReply reply when _clients.Find(reply.Client) is { } client && client.Question == reply.Id:
                OnSession(client, reply);
                break;
            case EapToClient eap:
                OnEap(eap);
                break;
            case PolicyReply policy:
                OnPolicy(policy);
                break;
            case UserSessionChange change when _clients.Find(change.Client) is { Session: { } session } client && session.Session.Equals(change.Session):
                if (change.Now is null)
                {
                    End(client, change.Reason);
                }
                else
                {
                    Take(client, change.Now);
                    StayProtected(client);
                    StayProvedByLink(client);
                }

                break;
            case UserDenied denied:
                foreach (var client in _clients.All.Where(c => string.Equals(c.Session?.User, denied.User, StringComparison.OrdinalIgnoreCase)).ToArray())
                {
                    End(client, "denied");
                }

                break;
        }

        ZeroUnused(message);
    }

    public void Advance(Instant now)
    {
        _now = now;
        _authenticator.Advance(now);
        _policies.Advance(now);
        while (_deadlines.TryPeek(out var next, out var due) && due <= now)
        {
            _deadlines.Dequeue();
            Due(next.Client, next.At);
        }

        AdvanceLinks();
    }

    /// <summary>A client of which nothing is known, or nothing is proved: the coordinator is asked, and the client.</summary>
    private void FindOut(UserClient? client, MacAddress mac)
    {
        client ??= _clients.Add(mac);
        if (client is null || client.IsAsked || _now < client.AskAt || client.Link is { IsUnderWay: true })
        {
            return;
        }

        if (client is { Proved: not SessionProof.None, Session: { } session })
        {
            // Everything is known but what the user may do.
            client.AskAt = _now + _config.AskAgain;
            _policies.Ask(session.Policy);
            return;
        }

        client.Question = _host.Ask(id => new UserSessionQuery { Id = id, Client = mac, Known = client.Session?.Session ?? Octets.Empty });
        client.AskAt = _now + _config.AskAgain;
    }

    private void OnSession(UserClient client, UserSessionReply reply)
    {
        client.Question = 0;
        var session = reply.Session;
        if (reply.Ended.Length > 0 && client.Session is { } remembered && remembered.Session.Equals(reply.Ended))
        {
            // It is over for certain, whatever the client has proved of it meanwhile.
            ShutOut(client, reply.Reason, Ending.Session);
            EndLink(client.Mac, reply.Reason);
            _authenticator.Disconnect(client.Mac, UnauthorisedReason.Administrative, _now);
            (client.Session, client.Ends, client.Proved) = (null, Instant.Never, SessionProof.None);
        }

        if (client.IsAdmitted)
        {
            // It has authenticated meanwhile: this is about what was before.
            return;
        }

        if (session is not null)
        {
            Take(client, session);
            if (session.IsTrusted && MayBeUnprotected(client.Session!))
            {
                Admit(client, SessionProof.Trusted);
            }
            else if (!client.Session!.IsProtected && IsProvedByLink(client))
            {
                Admit(client, SessionProof.Link);
            }
        }

        if (session is null && client is { Proved: SessionProof.None, Link: not { IsUnderWay: true } })
        {
            // What is remembered here of an earlier visit is over: the news of its end went where the client was then.
            (client.Session, client.Ends, client.RenewAt) = (null, Instant.Never, Instant.Never);
            DropLink(client);
            if (_config.Authenticator == UserAuthenticator.Link && _host.LinkUserOf(client.Mac) is not null)
            {
                // It has come by a key that the link layer remembers, and the coordinator knows no session of it.
                EndLink(client.Mac, "no session");
            }
        }

        if (!client.IsAdmitted && !(client.Session is { } known && ShouldShakeHands(known) && StartHandshake(client)))
        {
            AskWhoItIs(client);
        }
    }

    /// <summary>What is known of a client's session from now on.</summary>
    /// <param name="client">The client.</param>
    /// <param name="session">The session.</param>
    /// <param name="hasAuthenticated">Whether the client has just authenticated here, by EAP.</param>
    private void Take(UserClient client, UserSession session, bool hasAuthenticated = false)
    {
        var isAnother = client.Session?.Session.Equals(session.Session) != true;
        if (isAnother ? client.WasProtected && !(hasAuthenticated && client.Link is not { IsUp: true }) : client.Session!.IsProtected)
        {
            // The coordinator may not have heard of it yet; and a link that was protected is not made weaker by another session.
            session = session with { IsProtected = true };
        }

        if (isAnother)
        {
            // What was proved was proved of another session.
            client.Proved = SessionProof.None;
            if (!IsSameUser(client, session))
            {
                (client.Ipv4, client.Lease) = (IpAddress.None, client.Session is null ? client.Lease : IpAddress.None);
            }

            if (!IsRenewedInPlace(client, session))
            {
                DropLink(client);
            }
        }

        client.Session = session;
        client.Ends = session.SecondsLeft == 0 ? Instant.Never : _now + TimeSpan.FromSeconds(session.SecondsLeft);
        client.RenewAt = RenewalOf(session);
        client.LastHeard = _now;
        client.Policy = _policies.Assign(client.Mac, session.Policy, client.IsAdmitted);
        Watch(client);
    }

    private void OnPolicy(PolicyReply reply)
    {
        if (!_policies.TryTake(reply))
        {
            _host.Report(new PolicyUnusable(Convert.ToHexStringLower(reply.Policy.Span)));
            foreach (var waiting in _clients.All.Where(c => c.Policy == IClientFilter.Unknown && c.Session?.Policy.Equals(reply.Policy) == true).ToArray())
            {
                // The session is asked for again, with the policy that it has by then.
                waiting.Proved = SessionProof.None;
                waiting.AskAt = _now + _config.AskAgain;
                ShutOut(waiting, "no policy", Ending.Session);
                _authenticator.Disconnect(waiting.Mac, UnauthorisedReason.Administrative, _now);
            }

            return;
        }

        foreach (var client in _clients.All.Where(c => c.Session?.Policy.Equals(reply.Policy) == true).ToArray())
        {
            client.Policy = _policies.Assign(client.Mac, reply.Policy, client.IsAdmitted);
            if (client.Proved != SessionProof.None)
            {
                Admit(client, client.Proved);
            }
        }
    }

    private void Admit(UserClient client, SessionProof proof)
    {
        if (client.Policy == IClientFilter.Unknown)
        {
            client.Proved = proof;
            return;
        }

        client.Proved = SessionProof.None;
        var isNew = !client.IsAdmitted;
        client.Proof = proof;
        client.ReportAt = _now + _config.ReportInterval;
        Report(client, proof);
        Watch(client);
        if (isNew)
        {
            _clients.AdmittedCount++;
            _host.Report(new ClientAdmitted(client.Mac, client.Session!.User, proof));
            _host.Arrived(client.Mac);
            _host.SetLinkOverhead(client.Mac, client.Link is { IsUp: true } link ? link.Overhead : 0);
        }
    }

    /// <summary>A session is over: nothing passes any more, and the client has to say anew who it is.</summary>
    private void End(UserClient client, string reason)
    {
        ShutOut(client, reason, Ending.Session);
        EndLink(client.Mac, reason);
        _authenticator.Disconnect(client.Mac, UnauthorisedReason.Administrative, _now);
        _clients.Forget(client);
    }

    private void ShutOut(UserClient client, string reason, Ending ending)
    {
        DropLink(client);
        if (!client.IsAdmitted)
        {
            return;
        }

        _clients.AdmittedCount--;
        _clients.Shut(client);
        if (ending != Ending.Link)
        {
            Report(client, ending == Ending.Session ? SessionProof.Over : SessionProof.None);
        }

        client.Proof = SessionProof.None;
        client.ReportAt = Instant.Never;
        if (ending == Ending.Session)
        {
            _policies.Revoke(client.Mac);
        }

        _host.Report(new ClientShutOut(client.Mac, client.Session?.User ?? string.Empty, reason));
        if (ending != Ending.Elsewhere)
        {
            _host.Left(client.Mac);
        }
    }

    private void OnForgotten(UserClient client)
    {
        if (_authenticator.Find(client.Mac) is { IsAuthorised: true })
        {
            // Or it would not be asked who it is when it comes again.
            _authenticator.Disconnect(client.Mac, UnauthorisedReason.Administrative, _now);
        }

        DropLink(client);
        client.Session = null;
        _policies.Release(client.Mac);
        if (client.IsAsked)
        {
            // Nobody waits for the answer: others need the room.
            _host.Withdraw(client.Question);
            client.Question = 0;
        }
    }

    private void Report(UserClient client, SessionProof proof)
    {
        NotePassed(client);
        var sent = _host.Ask(id => new UserSessionUsed
        {
            Id = id, Client = client.Mac, Session = client.Session!.Session, Proof = proof, OctetsFrom = client.OctetsFrom, OctetsTo = client.OctetsTo,
            PacketsFrom = client.PacketsFrom, PacketsTo = client.PacketsTo, Policy = client.Session.Policy,
        });
        if (sent != 0)
        {
            client.LastReport = sent;
            (client.OctetsFrom, client.OctetsTo, client.PacketsFrom, client.PacketsTo) = (0, 0, 0, 0);
        }
    }

    /// <summary>What is over when a client is let in no more.</summary>
    private enum Ending
    {
        /// <summary>Its link, which a new one replaces: what it has open waits for a proof.</summary>
        Link,

        /// <summary>Its link, or its stay here, as the FAM knows by itself: what is under way to the client goes on to where it is.</summary>
        Elsewhere,

        /// <summary>The session: what the client has open may not go on.</summary>
        Session,
    }
}
