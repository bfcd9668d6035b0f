using Masquerade.Auth.Eap;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Authenticator;

public sealed partial class AuthenticatorPort
{
    private PortControl _portControl;
    private PortControl _portMode;
    private bool _eapolStart;
    private bool _eapolLogoff;
    private bool _reAuthenticate;
    private bool _authAbort;
    private bool _authStart;
    private bool _authSuccess;
    private bool _authFail;
    private bool _authTimeout;
    private int _reAuthCount;
    private Instant _quietWhile;
    private Instant _startPause;
    private Instant _reAuthWhen = Instant.Never;
    private Instant _sessionEnd = Instant.Never;
    private UnauthorisedReason? _disconnect;
    private UnauthorisedReason _failure;
    private UnauthorisedReason _timeout;

    // IEEE 802.1X-2004 figure 8-8.
    private bool StepPae(Instant now)
    {
        if (_disconnect is { } reason)
        {
            // Not in the figure: there the port itself goes away. The Failure tells the client what it could not see on a wire.
            _disconnect = null;
            if (reason != UnauthorisedReason.LinkLost)
            {
                SendFailure();
            }

            EnterDisconnected(reason);
            return true;
        }

        if (_portMode != _portControl)
        {
            EnterForced(now);
            return true;
        }

        switch (PaeState)
        {
            case PaeState.Initialize:
                EnterDisconnected(null);
                return true;

            case PaeState.Disconnected:
                PaeState = PaeState.Restart;
                _eapRestart = true;
                return true;

            case PaeState.Restart when !_eapRestart:
                PaeState = PaeState.Connecting;
                Stats.EntersConnecting++;
                _reAuthenticate = false;
                return true;

            case PaeState.Connecting when _eapolLogoff:
                Stats.EapLogoffsWhileConnecting++;
                EnterDisconnected(UnauthorisedReason.Logoff);
                return true;

            case PaeState.Connecting when _reAuthCount >= Config.ReAuthMax:
                EnterDisconnected(_timeout);
                return true;

            case PaeState.Connecting when _eapReq || _eapSuccess || _eapFail:
                PaeState = PaeState.Authenticating;
                Stats.EntersAuthenticating++;
                (_eapolStart, _authSuccess, _authFail, _authTimeout, _authStart) = (false, false, false, false, true);
                return true;

            case PaeState.Authenticating:
                return StepAuthenticating(now);

            case PaeState.Aborting when !_authAbort && _eapolLogoff:
                EnterDisconnected(UnauthorisedReason.Logoff);
                return true;

            case PaeState.Aborting when !_authAbort:
                EnterRestart();
                return true;

            case PaeState.Authenticated:
                return StepAuthenticated();

            case PaeState.Held when now >= _quietWhile:
                EnterRestart();
                return true;

            case PaeState.ForceAuth or PaeState.ForceUnauth when _eapolStart:
                EnterForced(now);
                return true;

            default:
                return false;
        }
    }

    private bool StepAuthenticating(Instant now)
    {
        if (_authSuccess)
        {
            Stats.AuthSuccessWhileAuthenticating++;
            EnterAuthenticated(now);
            return true;
        }

        if (_authFail)
        {
            Stats.AuthFailWhileAuthenticating++;
            EnterHeld(now);
            return true;
        }

        if (!_eapolStart && !_eapolLogoff && !_authTimeout)
        {
            return false;
        }

        // reAuthCount is counted here and not in CONNECTING: only silence uses it up, so that forged Starts cannot end a session.
        if (_authTimeout)
        {
            Stats.AuthTimeoutsWhileAuthenticating++;
            _reAuthCount++;
        }

        Stats.AuthEapStartsWhileAuthenticating += _eapolStart ? 1 : 0;
        Stats.AuthEapLogoffWhileAuthenticating += _eapolLogoff ? 1 : 0;
        PaeState = PaeState.Aborting;
        _authAbort = true;
        return true;
    }

    private bool StepAuthenticated()
    {
        if (_eapolStart || _reAuthenticate)
        {
            Stats.AuthEapStartsWhileAuthenticated += _eapolStart ? 1 : 0;
            Stats.AuthReauthsWhileAuthenticated += _reAuthenticate ? 1 : 0;
            EnterRestart();
            return true;
        }

        if (_eapolLogoff)
        {
            Stats.AuthEapLogoffWhileAuthenticated++;
            EnterDisconnected(UnauthorisedReason.Logoff);
            return true;
        }

        return false;
    }

    private void EnterRestart()
    {
        PaeState = PaeState.Restart;
        _eapRestart = true;
    }

    private void EnterAuthenticated(Instant now)
    {
        PaeState = PaeState.Authenticated;
        var wasAuthorised = IsAuthorised;
        IsAuthorised = true;
        _reAuthCount = 0;
        _reAuthenticate = false;
        _request = [];
        SetSessionEnd(now);
        _context.Output.PortAuthorised(Client, Exchange, wasAuthorised ? AuthorisedReason.Reauthenticated : AuthorisedReason.Authenticated);
    }

    private void EnterHeld(Instant now)
    {
        PaeState = PaeState.Held;
        _quietWhile = now + Config.QuietPeriod;
        _eapolLogoff = false;
        _request = [];
        _reAuthCount = 0;
        Unauthorise();
        _context.Output.PortUnauthorised(Client, _failure);
    }

    /// <summary>Ends the port, unless it is the state in which every port begins.</summary>
    private void EnterDisconnected(UnauthorisedReason? reason)
    {
        PaeState = PaeState.Disconnected;
        _reAuthCount = 0;
        _eapolLogoff = false;
        if (reason is not { } why)
        {
            return;
        }

        IsFinished = true;
        if (IsAuthorised)
        {
            Unauthorise();
            _context.Output.PortUnauthorised(Client, why);
        }
    }

    // FORCE_AUTH, FORCE_UNAUTH, and INITIALIZE on the way back to Auto.
    private void EnterForced(Instant now)
    {
        _portMode = _portControl;
        _eapolStart = false;
        _sessionEnd = _reAuthWhen = Instant.Never;
        switch (_portControl)
        {
            case PortControl.ForceAuthorised:
                PaeState = PaeState.ForceAuth;
                SendSuccess();
                if (!IsAuthorised)
                {
                    IsAuthorised = true;
                    _context.Output.PortAuthorised(Client, 0, AuthorisedReason.Forced);
                }

                break;

            case PortControl.ForceUnauthorised:
                PaeState = PaeState.ForceUnauth;
                SendFailure();
                LoseForced();
                break;

            default:
                PaeState = PaeState.Initialize;
                LoseForced();
                break;
        }
    }

    private void LoseForced()
    {
        if (IsAuthorised)
        {
            Unauthorise();
            _context.Output.PortUnauthorised(Client, UnauthorisedReason.Forced);
        }
    }

    private void Unauthorise()
    {
        (IsAuthorised, HasAsked, HasEngaged) = (false, false, false);
        _sessionEnd = _reAuthWhen = Instant.Never;
    }

    // The reauthentication timer (figure 8-12), with the end of a session that is not to be renewed.
    private bool StepReauthentication(Instant now)
    {
        if (now >= _sessionEnd)
        {
            _sessionEnd = Instant.Never;
            _disconnect = UnauthorisedReason.SessionTimeout;
            return true;
        }

        if (now >= _reAuthWhen)
        {
            // Nothing that the client does short of authenticating keeps its session beyond this.
            _reAuthWhen = Instant.Never;
            _sessionEnd = Instant.Min(_sessionEnd, now + Config.ReAuthGrace);
            _reAuthenticate = PaeState == PaeState.Authenticated;
            return true;
        }

        return false;
    }

    private void SetSessionEnd(Instant now)
    {
        (_sessionEnd, _reAuthWhen) = (Instant.Never, Instant.Never);
        if (_sessionTimeout == 0)
        {
            _reAuthWhen = Config.ReAuthEnabled ? now + Config.ReAuthPeriod : Instant.Never;
        }
        else if (_reauthenticateAtEnd)
        {
            _reAuthWhen = now + TimeSpan.FromSeconds(_sessionTimeout);
        }
        else
        {
            _sessionEnd = now + TimeSpan.FromSeconds(_sessionTimeout);
        }
    }

    private void SendSuccess()
    {
        Span<byte> packet = stackalloc byte[EapPacket.HeaderLength];
        EapPacket.WriteSuccess(packet, _currentId);
        _context.SendEap(Client, packet);
    }

    private void SendFailure()
    {
        Span<byte> packet = stackalloc byte[EapPacket.HeaderLength];
        EapPacket.WriteFailure(packet, _currentId);
        _context.SendEap(Client, packet);
    }
}
