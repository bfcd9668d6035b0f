using Masquerade.Auth.Eap;
using Masquerade.Auth.Eapol;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Authenticator;

/// <summary>
/// The authenticator of a link with many clients: an <see cref="AuthenticatorPort"/> for each MAC address, bounded in number however many addresses are made up
/// (decision 29). Not for several threads at once; nothing here calls back into it.
/// </summary>
public sealed partial class AuthenticatorTable
{
    private readonly AuthenticatorContext _context;
    private readonly PortSet _ports;
    private readonly uint _seed;
    private TokenBucket _newPorts;
    private TokenBucket _answers;
    private TokenBucket _exchanges;
    private PortControl _control;

    /// <summary>A table without ports.</summary>
    /// <param name="config">Constants and limits.</param>
    /// <param name="output">What is told what to do.</param>
    /// <param name="seed">Hard to guess: places clients in the hash table and draws identifiers.</param>
    /// <param name="firstExchange">Where the numbers of exchanges begin; a number that no earlier life of this access point has come to, so drawn at random or from the time.</param>
    /// <param name="now">The time.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value of the configuration is out of its range.</exception>
    public AuthenticatorTable(AuthenticatorConfig config, IAuthenticatorOutput output, uint seed, ulong firstExchange, Instant now)
    {
        config.Validate();
        _context = new AuthenticatorContext(config, output, firstExchange);
        _seed = seed;
        _control = config.PortControl;
        _ports = new PortSet(config.MaxUnanswered + config.MaxExchanges + config.MaxHeld + config.MaxAuthorised, seed, now);
        _newPorts = new TokenBucket(config.NewPortsPerSecond);
        _answers = new TokenBucket(config.AnswersPerSecond);
        _exchanges = new TokenBucket(config.ExchangesPerSecond);
    }

    /// <summary>Counters.</summary>
    public AuthenticatorStats Stats => _context.Stats;

    /// <summary>Ports of all kinds.</summary>
    public int Count => _ports.Count;

    /// <summary>Ports whose client has not answered yet.</summary>
    public int UnansweredCount => _ports.CountOf(PortStanding.Unanswered);

    /// <summary>Ports in an exchange with the server that are not authorised.</summary>
    public int ExchangeCount => _ports.CountOf(PortStanding.Asked) + _ports.CountOf(PortStanding.Engaged);

    /// <summary>Ports in their quiet period.</summary>
    public int HeldCount => _ports.CountOf(PortStanding.Held);

    /// <summary>Authorised ports.</summary>
    public int AuthorisedCount => _ports.CountOf(PortStanding.Authorised);

    /// <summary>When <see cref="Advance"/> should be called next; it may turn out that nothing is due.</summary>
    public Instant NextDeadline => _ports.NextDeadline;

    /// <summary>The port of a client, to look at; null if it has none.</summary>
    public AuthenticatorPort? Find(MacAddress client)
    {
        var slot = _ports.Find(client);
        return slot < 0 ? null : _ports[slot];
    }

    /// <summary>Takes an EAPOL frame.</summary>
    /// <param name="client">The sender's address in the Ethernet header.</param>
    /// <param name="frame">From the version octet on; padding behind it does no harm.</param>
    /// <param name="now">The time.</param>
    public EapolVerdict OnEapol(MacAddress client, ReadOnlySpan<byte> frame, Instant now)
    {
        if (client.IsGroup || client.IsNone)
        {
            return Drop(AuthenticatorDrop.SourceAddress);
        }

        if (!EapolFrame.TryParse(frame, out var eapol, out var fault))
        {
            Stats.EapLengthErrorFramesRx += fault == EapolFault.BodyLength ? 1 : 0;
            return Drop(fault == EapolFault.BodyLength ? AuthenticatorDrop.EapolLength : AuthenticatorDrop.InvalidEapol);
        }

        Stats.EapolFramesRx++;
        Stats.LastEapolFrameVersion = eapol.Version;
        Stats.LastEapolFrameSource = client;
        switch (eapol.Type)
        {
            case EapolType.Packet:
                return Verdict(OnPacket(client, eapol.Body, now));

            case EapolType.Start:
                Stats.EapolStartFramesRx++;
                return Verdict(OnStart(client, PortCause.Start, now));

            case EapolType.Logoff:
                Stats.EapolLogoffFramesRx++;
                return Verdict(OnLogoff(client, now));

            case EapolType.Key or EapolType.Mka or EapolType.AnnouncementGeneric or EapolType.AnnouncementSpecific or EapolType.AnnouncementRequest:
                return EapolVerdict.NotMine;

            default:
                Stats.InvalidEapolFramesRx++;
                return Drop(AuthenticatorDrop.EapolType);
        }
    }

    /// <summary>Asks a client that the shell has seen on the link who it is; nothing happens if it has a port.</summary>
    /// <returns>False if it is not asked, because of a limit or because its address is none of a client.</returns>
    public bool Begin(MacAddress client, Instant now)
    {
        if (client.IsGroup || client.IsNone)
        {
            Stats.Drop(AuthenticatorDrop.SourceAddress);
            return false;
        }

        return _ports.Find(client) >= 0 || Verdict(OnStart(client, PortCause.Seen, now)) == EapolVerdict.Taken;
    }

    /// <summary>Takes what the server says. What is late, doubled, or about something else does nothing and is counted.</summary>
    /// <returns>Whether it was taken.</returns>
    public bool OnServerAnswer(MacAddress client, in ServerAnswer answer, Instant now)
    {
        var slot = _ports.Find(client);
        if (slot < 0)
        {
            Stats.Drop(AuthenticatorDrop.AnswerUnknownClient);
            return false;
        }

        var port = _ports[slot];
        if (answer.Outcome == EapOutcome.Accept && !port.IsAuthorised && answer.Exchange == port.Exchange && AuthorisedCount >= _context.Config.MaxAuthorised)
        {
            Stats.Drop(AuthenticatorDrop.AuthorisedFull);
            port.RefuseForWantOfPlace(now);
            Settle(slot);
            return false;
        }

        var drop = port.OnServerAnswer(answer, now);
        Settle(slot);
        return Verdict(drop) == EapolVerdict.Taken;
    }

    /// <summary>Makes an authenticated client authenticate again; it stays authorised meanwhile. False if it is not authenticated.</summary>
    public bool Reauthenticate(MacAddress client, Instant now)
    {
        var slot = _ports.Find(client);
        if (slot < 0)
        {
            return false;
        }

        var isBegun = _ports[slot].Reauthenticate(now);
        Settle(slot);
        return isBegun;
    }

    /// <summary>Ends a client's session, or whatever there is, and forgets its port. False if it has none.</summary>
    public bool Disconnect(MacAddress client, UnauthorisedReason reason, Instant now)
    {
        var slot = _ports.Find(client);
        if (slot < 0)
        {
            return false;
        }

        _ports[slot].Disconnect(reason, now);
        Settle(slot);
        return true;
    }

    /// <summary>Puts all ports under other control.</summary>
    public void SetPortControl(PortControl control, Instant now)
    {
        _control = control;
        for (var slot = 0; slot < _ports.End; slot++)
        {
            if (!_ports.IsUsed(slot))
            {
                continue;
            }

            if (control == PortControl.ForceAuthorised && !_ports[slot].IsAuthorised && AuthorisedCount >= _context.Config.MaxAuthorised)
            {
                Stats.Drop(AuthenticatorDrop.AuthorisedFull);
                _ports.Remove(slot);
                continue;
            }

            _ports[slot].SetPortControl(control, now);
            Settle(slot);
        }
    }

    /// <summary>Lets time pass: retransmissions, timeouts, ends of sessions.</summary>
    public void Advance(Instant now)
    {
        Span<int> due = stackalloc int[64];
        int count;
        do
        {
            count = _ports.Expire(now, due);
            foreach (var slot in due[..count])
            {
                // One that made place for another in this very round is not there any more.
                if (_ports.IsUsed(slot))
                {
                    _ports[slot].Advance(now);
                    Settle(slot);
                }
            }
        }
        while (count == due.Length);
    }

    private AuthenticatorDrop OnPacket(MacAddress client, ReadOnlySpan<byte> body, Instant now)
    {
        if (!EapPacket.TryParse(body, out var eap))
        {
            return AuthenticatorDrop.InvalidEap;
        }

        if (eap.Code != EapCode.Response)
        {
            return AuthenticatorDrop.EapCode;
        }

        Stats.EapolRespIdFramesRx += eap.Type == EapType.Identity ? 1 : 0;
        Stats.EapolRespFramesRx += eap.Type == EapType.Identity ? 0 : 1;
        var slot = _ports.Find(client);
        return slot < 0 ? OnFirstResponse(client, eap, now) : OnResponse(slot, eap, now);
    }

    private AuthenticatorDrop OnLogoff(MacAddress client, Instant now)
    {
        var slot = _ports.Find(client);
        if (slot < 0)
        {
            return AuthenticatorDrop.UnknownClient;
        }

        var drop = _ports[slot].OnLogoff(now);
        Settle(slot);
        return drop;
    }

    private EapolVerdict Drop(AuthenticatorDrop reason)
    {
        Stats.Drop(reason);
        return EapolVerdict.Dropped;
    }

    private EapolVerdict Verdict(AuthenticatorDrop reason) => reason == AuthenticatorDrop.None ? EapolVerdict.Taken : Drop(reason);
}
