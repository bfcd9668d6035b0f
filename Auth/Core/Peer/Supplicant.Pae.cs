using System.Security.Cryptography;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Auth.Peer;

/// <content>The supplicant PAE (IEEE 802.1X-2004 clause 8.2.11). Its countdowns are deadlines.</content>
public sealed partial class Supplicant
{
    private static readonly TimeSpan LongestProbe = TimeSpan.FromMinutes(1);

    // An authenticator that has begun anew asks for the identity in the middle of a method; one that is forged must not end it.
    private static readonly TimeSpan BeginsAnew = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan RequestWait = TimeSpan.FromSeconds(1);

    private MacAddress _authenticator;
    private Instant _deadline = Instant.Never;
    private Instant _offerUntil = Instant.Never;
    private Instant _requestAt = Instant.Never;
    private Instant _holdUntil = Instant.Never;
    private Instant _probeAt = Instant.Never;
    private Instant _silentSince = Instant.Never;
    private Instant _lastRequest;
    private TimeSpan _probeWait;
    private int _starts;

    /// <summary>The link is up: asks who is there.</summary>
    public void LinkUp(Instant now)
    {
        if (State != SupplicantState.Disconnected)
        {
            return;
        }

        _began = null;
        Begin(now, 0);
        if (_link is not null)
        {
            _holdUntil = now + _config.HoldAtMost;
        }

        _output.Tell(new SupplicantEvent(SupplicantEventKind.Connecting));
        Connect(now);
    }

    /// <summary>The link is down. The session stays, for the next access point or the same.</summary>
    public void LinkDown(Instant now)
    {
        if (State is SupplicantState.Disconnected or SupplicantState.LoggedOff)
        {
            return;
        }

        _peer.Restart();
        GiveUpCandidates();
        State = SupplicantState.Disconnected;
        IsPlain = false;
        _deadline = _offerUntil = _holdUntil = _probeAt = _silentSince = Instant.Never;
        _output.Tell(new SupplicantEvent(SupplicantEventKind.Disconnected) { AccessPoint = AccessPoint });
    }

    /// <summary>Ends the session: tells the authenticator, and zeroes all keys.</summary>
    public void LogOff()
    {
        if (State == SupplicantState.LoggedOff)
        {
            return;
        }

        if (State != SupplicantState.Disconnected)
        {
            SendEapol(EapolType.Logoff, default);
        }

        ForgetAll();
        _peer.Restart();
        State = SupplicantState.LoggedOff;
        IsPlain = false;
        _deadline = _offerUntil = _holdUntil = _probeAt = _silentSince = Instant.Never;
        _output.Tell(new SupplicantEvent(SupplicantEventKind.LoggedOff));
    }

    private void Connect(Instant now)
    {
        State = SupplicantState.Connecting;
        _peer.Restart();
        _authenticator = MacAddress.None;
        _starts = 1;
        _deadline = now + _config.StartPeriod;
        SendEapol(EapolType.Start, default);
    }

    private void AdvancePae(Instant now)
    {
        if (now >= _holdUntil)
        {
            _holdUntil = Instant.Never;
        }

        if (now >= _offerUntil)
        {
            _offerUntil = Instant.Never;
            IsPlain = _config.PlainIsGood && _link is null;
            _output.Tell(new SupplicantEvent(IsPlain ? SupplicantEventKind.Plain : SupplicantEventKind.NotProtected) { AccessPoint = _authenticator });
            _began = null;
        }

        if (now >= _requestAt)
        {
            _requestAt = Instant.Never;
            if (_offerUntil != Instant.Never && _candidates.Count == 0 && State == SupplicantState.Authenticated)
            {
                RequestHandshake(now);
            }
        }

        if (now >= _probeAt)
        {
            _probeWait = _probeWait + _probeWait < LongestProbe ? _probeWait + _probeWait : LongestProbe;
            _probeAt = now + _probeWait;
            if (State == SupplicantState.Authenticated)
            {
                SendEapol(EapolType.Start, default);
            }
        }

        if (now < _deadline)
        {
            return;
        }

        switch (State)
        {
            case SupplicantState.Connecting:
                Ask(now);
                break;
            case SupplicantState.Authenticating:
                _peer.Abandon(EapPeerFailure.Timeout);
                Reject(now);
                if (_link?.Address == _authenticator)
                {
                    // The access point did not go on with it, and has not ended what there was.
                    State = SupplicantState.Authenticated;
                    _deadline = Instant.Never;
                }
                else
                {
                    Connect(now);
                }

                break;
            case SupplicantState.Held:
                Connect(now);
                break;
            default:
                _deadline = Instant.Never;
                break;
        }
    }

    private void Ask(Instant now)
    {
        if (_starts == _config.MaxStart)
        {
            _starts++;
            _deadline = now + _config.HeldPeriod;
            _output.Tell(new SupplicantEvent(SupplicantEventKind.NoAuthenticator));
            return;
        }

        _starts += _starts < _config.MaxStart ? 1 : 0;
        _deadline = now + (_starts <= _config.MaxStart ? _config.StartPeriod : _config.HeldPeriod);
        SendEapol(EapolType.Start, default);
    }

    private void TakeEap(MacAddress source, ReadOnlySpan<byte> octets, Instant now)
    {
        if (!EapPacket.TryParse(octets, out var packet))
        {
            _ = _peer.Receive(octets);
            return;
        }

        var isRequest = packet.Code == EapCode.Request;
        if (isRequest && State != SupplicantState.Authenticating)
        {
            // RESTART, AUTHENTICATING: an authenticator begins, perhaps again. A repetition of what was answered last is no beginning.
            if (State is SupplicantState.Authenticated or SupplicantState.Held && packet.Type != EapType.Identity)
            {
                Answer(source, octets, now, isNew: false);
                return;
            }

            Enter(source, now);
        }
        else if (isRequest && packet.Type == EapType.Identity && (_peer.IsInMethod ? now - _lastRequest >= BeginsAnew : source != _authenticator))
        {
            Enter(source, now);
        }
        else if (source != _authenticator)
        {
            Counters.Count(SupplicantDrop.OtherAuthenticator);
            return;
        }

        Answer(source, octets, now, isNew: true);
    }

    private void Enter(MacAddress source, Instant now)
    {
        _peer.Restart();
        _authenticator = source;
        State = SupplicantState.Authenticating;
        _deadline = now + _config.AuthPeriod;
        _offerUntil = Instant.Never;
        Begin(now, 1);
        _output.Tell(new SupplicantEvent(SupplicantEventKind.Authenticating) { AccessPoint = source });
    }

    private void Answer(MacAddress source, ReadOnlySpan<byte> octets, Instant now, bool isNew)
    {
        switch (_peer.Receive(octets))
        {
            case EapPeerVerdict.Respond:
                if (isNew)
                {
                    _lastRequest = now;
                    _deadline = now + _config.AuthPeriod;
                }

                SendEapol(EapolType.Packet, _peer.Response);
                break;
            case EapPeerVerdict.Succeeded:
                Succeed(source, now);
                break;
            case EapPeerVerdict.Failed:
                Reject(now);
                State = SupplicantState.Held;
                _deadline = now + _config.HeldPeriod;
                break;
            default:
                // A Failure out of nowhere proves nothing, but may be meant: ask.
                if (State == SupplicantState.Authenticated && octets[0] == (byte)EapCode.Failure && source == _authenticator)
                {
                    Probe(now, _config.StartPeriod);
                }

                break;
        }
    }

    private void Succeed(MacAddress source, Instant now)
    {
        Span<byte> msk = stackalloc byte[SessionKey.MskLength];
        if (!_peer.TryTakeMsk(msk) || !SupplicantKeys.TryFromMsk(msk, _own, out var keys))
        {
            CryptographicOperations.ZeroMemory(msk);
            return;
        }

        CryptographicOperations.ZeroMemory(msk);
        Renew(keys);
        State = SupplicantState.Authenticated;
        _withEap = true;
        _deadline = Instant.Never;
        _offerUntil = now + _config.OfferWait;
        _output.Tell(Measured(SupplicantEventKind.Authenticated, source, now) with { IsResumed = _peer.IsResumed });
        RequestHandshake(now);
    }

    // Access points offer the handshake to those who ask for it: to others message 1 does harm.
    private void RequestHandshake(Instant now)
    {
        _requestAt = now + RequestWait;
        SendPdu(HandshakeRequest.Write(_eapol.AsSpan(EthernetHeader.Length)));
    }

    private void Reject(Instant now)
    {
        _output.Tell(Measured(SupplicantEventKind.Rejected, _authenticator, now) with { Failure = _peer.Failure, Detail = _peer.Detail });
        _began = null;
    }

    private void Probe(Instant now, TimeSpan wait)
    {
        if (_probeAt == Instant.Never)
        {
            _probeWait = wait;
            _probeAt = now + wait;
        }
    }
}
