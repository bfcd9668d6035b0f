using Masquerade.Auth.Eap;
using Masquerade.Core.Control;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Authenticator;

public sealed partial class AuthenticatorPort
{
    /// <summary>Where RFC 4137's full authenticator rests (sections 5 and 7); the states that it only passes through are the code between them.</summary>
    private enum EapLayer : byte
    {
        /// <summary>IDLE and IDLE2: a request is out.</summary>
        Idle,

        /// <summary>AAA_IDLE: the server is asked.</summary>
        AaaIdle,

        /// <summary>TIMEOUT_FAILURE and TIMEOUT_FAILURE2.</summary>
        TimeoutFailure,

        /// <summary>FAILURE2 and SUCCESS2.</summary>
        Ended,
    }

    private EapLayer _layer = EapLayer.Ended;
    private bool _eapRestart;
    private bool _eapReq;
    private bool _eapResp;
    private bool _eapSuccess;
    private bool _eapFail;
    private bool _eapTimeout;
    private bool _isRequested;
    private bool _sawMethod;
    private bool _reauthenticateAtEnd;
    private byte _currentId;
    private int _retransCount;
    private int _rounds;
    private uint _sessionTimeout;
    private TimeSpan _methodTimeout;
    private Instant _retransWhile = Instant.Never;
    private RetransmissionTimer _retransmission;
    private byte[] _request = [];

    private bool StepEap(Instant now)
    {
        if (_eapRestart)
        {
            BeginEap(now);
            return true;
        }

        if (_portControl != PortControl.Auto)
        {
            _retransWhile = Instant.Never;
            return false;
        }

        if (_layer != EapLayer.Idle)
        {
            return false;
        }

        if (_eapResp)
        {
            _eapResp = false;
            _retransWhile = Instant.Never;
            _layer = EapLayer.AaaIdle;
            return true;
        }

        if (now < _retransWhile)
        {
            return false;
        }

        if (_retransCount >= Config.MaxRetransmissions)
        {
            _retransWhile = Instant.Never;
            _layer = EapLayer.TimeoutFailure;
            _eapTimeout = true;
            return true;
        }

        _retransCount++;
        _eapReq = true;
        Await(now);
        return true;
    }

    // INITIALIZE, SELECT_ACTION, PROPOSE_METHOD, METHOD_REQUEST, SEND_REQUEST: the one method of our own is Identity.
    private void BeginEap(Instant now)
    {
        (_eapRestart, _eapResp, _eapSuccess, _eapFail, _eapTimeout) = (false, false, false, false, false);
        Exchange = 0;
        _request = [];
        _sawMethod = false;
        _rounds = 0;
        _methodTimeout = TimeSpan.Zero;
        _currentId++;
        _eapReq = true;
        _retransCount = 0;
        Await(now);
    }

    private void Await(Instant now)
    {
        _layer = EapLayer.Idle;
        _retransWhile = now + (_methodTimeout > TimeSpan.Zero ? _methodTimeout : _retransmission.Wait(Config, _retransCount));
    }

    // AAA_IDLE and what follows.
    private void TakeAnswer(in ServerAnswer answer, Instant now)
    {
        switch (answer.Outcome)
        {
            case EapOutcome.Continue:
                TakeRequest(answer, now);
                break;

            case EapOutcome.Accept when Config.KeyedPort && !_sawMethod:
                Stats.MethodsWithoutKey++;
                Fail(UnauthorisedReason.MethodWithoutKey);
                break;

            case EapOutcome.Accept:
                (_sessionTimeout, _reauthenticateAtEnd) = (answer.SessionTimeout, answer.ReauthenticateAtEnd);
                _layer = EapLayer.Ended;
                _eapSuccess = true;
                break;

            case EapOutcome.Reject:
                Fail(UnauthorisedReason.Rejected);
                break;

            case EapOutcome.Unavailable:
                // aaaTimeout, and not at once: a server that is away is not asked again faster than this.
                _aWhile = Instant.Min(_aWhile, now + Config.ServerPause);
                _layer = EapLayer.TimeoutFailure;
                break;

            default:
                Stats.ServerFaults++;
                Fail(UnauthorisedReason.ServerFault);
                break;
        }
    }

    private void TakeRequest(in ServerAnswer answer, Instant now)
    {
        if (!EapPacket.TryParse(answer.Eap, out var request) || request.Code != EapCode.Request || request.Octets.Length > Config.MaxEapToClient)
        {
            Stats.ServerFaults++;
            Fail(UnauthorisedReason.ServerFault);
            return;
        }

        if (Config.KeyedPort && request.Meaning is EapType.Md5Challenge or EapType.OneTimePassword or EapType.GenericTokenCard)
        {
            Stats.MethodsWithoutKey++;
            Fail(UnauthorisedReason.MethodWithoutKey);
            return;
        }

        if (_rounds >= Config.MaxRounds)
        {
            Stats.TooManyRounds++;
            Fail(UnauthorisedReason.ServerFault);
            return;
        }

        _sawMethod |= request.Meaning is not (EapType.Identity or EapType.Notification or EapType.Nak or EapType.None);
        _request = request.Octets.ToArray();
        _currentId = request.Identifier;
        var asked = TimeSpan.FromSeconds(answer.SessionTimeout);
        _methodTimeout = asked < Config.RetransmitMax ? asked : Config.RetransmitMax;
        _retransCount = 0;
        _eapReq = true;
        Await(now);
    }

    private void Fail(UnauthorisedReason reason)
    {
        _failure = reason;
        _layer = EapLayer.Ended;
        _eapFail = true;
    }

    /// <summary>What is done instead of accepting where there is no place for one more authorised port.</summary>
    internal void RefuseForWantOfPlace(Instant now)
    {
        if (BackendState == BackendState.Response)
        {
            Fail(UnauthorisedReason.Full);
            Step(now);
        }
    }
}
