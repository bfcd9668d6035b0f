using Masquerade.Auth.Eap;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Authenticator;

/// <summary>Who gets a port, who keeps it, and who is answered without one (decision 29).</summary>
public sealed partial class AuthenticatorTable
{
    // How long the identifier of an identity request that was sent without a port is good for: one to two such times.
    private const long IdentifierSpan = 64_000_000_000;

    private AuthenticatorDrop OnStart(MacAddress client, PortCause cause, Instant now)
    {
        var slot = _ports.Find(client);
        if (slot >= 0)
        {
            var drop = _ports[slot].OnStart(now);
            Settle(slot);
            return drop;
        }

        if (!_answers.TryTake(now))
        {
            return AuthenticatorDrop.NewRate;
        }

        if (_control == PortControl.ForceUnauthorised)
        {
            // The answer is the same for everybody and needs no memory.
            Span<byte> failure = stackalloc byte[EapPacket.HeaderLength];
            EapPacket.WriteFailure(failure, IdentifierOf(client, now.Nanoseconds / IdentifierSpan));
            _context.SendEap(client, failure);
            return AuthenticatorDrop.Forced;
        }

        if (AuthorisedCount >= _context.Config.MaxAuthorised)
        {
            return AuthenticatorDrop.AuthorisedFull;
        }

        if (_control == PortControl.Auto && (UnansweredCount >= _context.Config.MaxUnanswered || !_newPorts.TryTake(now)))
        {
            AskWithoutPort(client, now);
            return AuthenticatorDrop.None;
        }

        return Make(client, cause, PortStanding.Unanswered, now) >= 0 ? AuthenticatorDrop.None : AuthenticatorDrop.NewRate;
    }

    /// <summary>A response of a client without a port: it may be to a request that was sent without one.</summary>
    private AuthenticatorDrop OnFirstResponse(MacAddress client, EapPacket eap, Instant now)
    {
        var span = now.Nanoseconds / IdentifierSpan;
        if (_control != PortControl.Auto || eap.Type != EapType.Identity ||
            (eap.Identifier != IdentifierOf(client, span) && eap.Identifier != IdentifierOf(client, span - 1)))
        {
            return AuthenticatorDrop.UnknownClient;
        }

        if (eap.TypeData.Length > AuthenticatorPort.MaxIdentity)
        {
            return AuthenticatorDrop.IdentityLength;
        }

        if (eap.Octets.Length > _context.Config.MaxEapToServer)
        {
            return AuthenticatorDrop.TooLong;
        }

        if (AuthorisedCount >= _context.Config.MaxAuthorised)
        {
            return AuthenticatorDrop.AuthorisedFull;
        }

        var drop = MakeRoomForExchange(now);
        if (drop != AuthenticatorDrop.None)
        {
            return drop;
        }

        var slot = Make(client, PortCause.Identity, PortStanding.Asked, now, eap.Identifier);
        if (slot < 0)
        {
            return AuthenticatorDrop.ExchangesFull;
        }

        _ports[slot].OnResponse(eap, now);
        Settle(slot);
        return AuthenticatorDrop.None;
    }

    private AuthenticatorDrop OnResponse(int slot, EapPacket eap, Instant now)
    {
        var port = _ports[slot];
        var drop = port.Check(eap);

        // The port stays where it has no place in an exchange yet: its request is sent again, and so comes the response.
        if (drop == AuthenticatorDrop.None && _ports.StandingOf(slot) == PortStanding.Unanswered)
        {
            drop = MakeRoomForExchange(now);
        }

        if (drop == AuthenticatorDrop.None)
        {
            port.OnResponse(eap, now);
            Settle(slot);
            if (_ports.IsUsed(slot) && _ports.StandingOf(slot) == PortStanding.Engaged)
            {
                _ports.Move(slot, PortStanding.Engaged);
            }
        }

        return drop;
    }

    /// <summary>Makes room for one more client in an exchange, if need be by taking that of another; who goes on stays.</summary>
    private AuthenticatorDrop MakeRoomForExchange(Instant now)
    {
        var isFull = ExchangeCount >= _context.Config.MaxExchanges;
        var victim = isFull ? VictimOfExchanges(now) : -1;
        if (isFull && victim < 0)
        {
            return AuthenticatorDrop.ExchangesFull;
        }

        if (!_exchanges.TryTake(now))
        {
            return AuthenticatorDrop.ExchangeRate;
        }

        if (isFull)
        {
            Stats.EvictedAsked += _ports.StandingOf(victim) == PortStanding.Asked ? 1 : 0;
            Stats.EvictedStalled += _ports.StandingOf(victim) == PortStanding.Engaged ? 1 : 0;
            _ports.Remove(victim);
        }

        return AuthenticatorDrop.None;
    }

    // Clients that only said a name may have half of the places for sure: were they always the ones to go, those who stall in an exchange would keep all newcomers out.
    private int VictimOfExchanges(Instant now)
    {
        var hasAsked = _ports.TryOldest(PortStanding.Asked, out var asked);
        if (_ports.CountOf(PortStanding.Asked) * 2 <= _context.Config.MaxExchanges && _ports.TryOldest(PortStanding.Engaged, out var stalled) &&
            now - _ports[stalled].LastProgress >= _context.Config.StallTime)
        {
            return stalled;
        }

        return hasAsked ? asked : -1;
    }

    private void AskWithoutPort(MacAddress client, Instant now)
    {
        Span<byte> request = stackalloc byte[256];
        var identifier = IdentifierOf(client, now.Nanoseconds / IdentifierSpan);
        if (EapPacket.TryWrite(request, EapCode.Request, identifier, EapType.Identity, _context.Config.IdentityText.Span, out var written))
        {
            _context.SendEap(client, request[..written]);
            Stats.AnsweredWithoutPort++;
            Stats.EapolReqIdFramesTx++;
        }
    }

    private int Make(MacAddress client, PortCause cause, PortStanding standing, Instant now, byte? identifier = null)
    {
        var port = new AuthenticatorPort(client, identifier ?? IdentifierOf(client, now.Nanoseconds / IdentifierSpan), _control, _context);
        var slot = _ports.Add(port, standing);
        if (slot >= 0)
        {
            port.Begin(cause, now);
            Settle(slot);
        }

        return slot;
    }

    /// <summary>Brings a port's standing and timer up to date with its machines.</summary>
    private void Settle(int slot)
    {
        var port = _ports[slot];
        if (port.IsFinished)
        {
            _ports.Remove(slot);
            return;
        }

        var before = _ports.StandingOf(slot);
        var standing = Standing(port, before);
        if (standing != before)
        {
            if (standing == PortStanding.Held && HeldCount >= _context.Config.MaxHeld && _ports.TryOldest(PortStanding.Held, out var oldest))
            {
                _ports.Remove(oldest);
                Stats.EvictedHeld++;
            }

            if (standing == PortStanding.Unanswered && UnansweredCount >= _context.Config.MaxUnanswered)
            {
                // A quiet period is over, and nobody knows whether the client is still there: it is for it to begin.
                _ports.Remove(slot);
                return;
            }

            _ports.Move(slot, standing);
        }

        _ports.Schedule(slot);
    }

    private static PortStanding Standing(AuthenticatorPort port, PortStanding before)
    {
        if (port.IsAuthorised)
        {
            return PortStanding.Authorised;
        }

        if (port.PaeState is PaeState.Held or PaeState.ForceUnauth)
        {
            return PortStanding.Held;
        }

        // After a quiet period it begins from the bottom; until then it keeps the place that it has come to.
        return before == PortStanding.Held || before == PortStanding.Authorised ? PortStanding.Unanswered
            : port.HasEngaged ? PortStanding.Engaged
            : port.HasAsked ? PortStanding.Asked
            : before;
    }

    /// <summary>
    /// The identifier of a client's first identity request: the same for a while, so that the response is known without memory of the request. It is no proof of anything,
    /// with its 8 bits; it tells late and stray responses from awaited ones.
    /// </summary>
    private byte IdentifierOf(MacAddress client, long span) => (byte)FlowHash.Of(new MacAddress(client.Value ^ ((ulong)span << 48)), _seed ^ 0x5EED);
}
