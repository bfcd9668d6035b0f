using Masquerade.Auth.Eap;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Authenticator;

public sealed partial class AuthenticatorPort
{
    private bool _eapolEap;
    private Instant _aWhile;

    // IEEE 802.1X-2004 figure 8-14.
    private bool StepBackend(Instant now)
    {
        if (_portControl != PortControl.Auto || _authAbort)
        {
            var wasElsewhere = BackendState != BackendState.Initialize || _authAbort;
            BackendState = BackendState.Initialize;
            _authAbort = false;
            _authStart = false;
            _eapolEap = false;
            return wasElsewhere;
        }

        switch (BackendState)
        {
            case BackendState.Initialize or BackendState.Success or BackendState.Fail or BackendState.Timeout:
                BackendState = BackendState.Idle;
                return true;

            case BackendState.Idle when _authStart:
                return StepIdle(now);

            case BackendState.Request when _eapolEap:
                BackendState = BackendState.Response;
                _authTimeout = false;
                _eapolEap = false;
                _aWhile = now + Config.ServerTimeout;
                _eapResp = true;
                Stats.BackendResponses++;
                return true;

            case BackendState.Request when _eapReq:
                EnterRequest(now);
                return true;

            case BackendState.Request when _eapTimeout:
                EnterTimeout(UnauthorisedReason.ClientTimeout);
                return true;

            case BackendState.Response when _eapReq:
                Stats.BackendAccessChallenges++;
                EnterRequest(now);
                return true;

            case BackendState.Response when _eapFail:
                Stats.BackendAuthFails++;
                EnterFail();
                return true;

            case BackendState.Response when _eapSuccess:
                Stats.BackendAuthSuccesses++;
                BackendState = BackendState.Success;
                SendSuccess();
                _authSuccess = true;
                return true;

            case BackendState.Response when now >= _aWhile:
                EnterTimeout(UnauthorisedReason.ServerTimeout);
                return true;

            default:
                return false;
        }
    }

    // The EAP layer here always begins with a request of its own, so that the figure's ways from IDLE to SUCCESS and FAIL are not taken.
    private bool StepIdle(Instant now)
    {
        if (!_eapReq)
        {
            return false;
        }

        _authStart = false;
        EnterRequest(now);
        return true;
    }

    private void EnterRequest(Instant now)
    {
        BackendState = BackendState.Request;
        _eapReq = false;
        _eapolEap = false;
        SendRequest(now);
    }

    private void EnterTimeout(UnauthorisedReason whose)
    {
        BackendState = BackendState.Timeout;
        _authTimeout = true;
        _timeout = whose;
    }

    private void EnterFail()
    {
        BackendState = BackendState.Fail;
        SendFailure();
        _authFail = true;
    }

    private void SendRequest(Instant now)
    {
        var isIdentity = Exchange == 0;
        var isRepetition = _retransCount > 0;
        _retransmission.Sent(now, isRepetition || _isRequested);
        if (_isRequested)
        {
            return;
        }

        Stats.BackendOtherRequestsToSupplicant++;
        Stats.Retransmissions += isRepetition ? 1 : 0;
        Stats.EapolReqIdFramesTx += isIdentity ? 1 : 0;
        Stats.EapolReqFramesTx += isIdentity ? 0 : 1;
        if (!isIdentity)
        {
            _context.SendEap(Client, _request);
            return;
        }

        Span<byte> request = stackalloc byte[256];
        if (EapPacket.TryWrite(request, EapCode.Request, _currentId, EapType.Identity, Config.IdentityText.Span, out var written))
        {
            _context.SendEap(Client, request[..written]);
        }
    }
}
