using Masquerade.Auth.Eap;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Authenticator;

/// <summary>
/// The authenticator of one supplicant: the PAE state machine, the backend's, the reauthentication timer (IEEE 802.1X-2004 clause 8.2) and the pass-through half of
/// RFC 4137's EAP layer. Variables have the standard's names; its countdowns are deadlines here. portValid is always true: what protects the link stands behind this port.
/// </summary>
public sealed partial class AuthenticatorPort
{
    /// <summary>Octets of an identity, at most: what RADIUS takes as a user's name (RFC 2865 section 5.1).</summary>
    public const int MaxIdentity = 253;

    private const int MaxSteps = 100;

    private readonly AuthenticatorContext _context;
    private byte[] _identity = [];

    internal AuthenticatorPort(MacAddress client, byte firstIdentifier, PortControl control, AuthenticatorContext context)
    {
        Client = client;
        _context = context;
        _currentId = (byte)(firstIdentifier - 1);
        _portControl = control;
    }

    /// <summary>Whose port it is.</summary>
    public MacAddress Client { get; }

    /// <summary>authPortStatus: whether the client may send and receive.</summary>
    public bool IsAuthorised { get; private set; }

    /// <summary>Where the PAE state machine is.</summary>
    public PaeState PaeState { get; private set; } = PaeState.Initialize;

    /// <summary>Where the backend state machine is.</summary>
    public BackendState BackendState { get; private set; } = BackendState.Initialize;

    /// <summary>What the client called itself last; empty if it has not. Hostile, as everything that it says.</summary>
    public ReadOnlySpan<byte> Identity => _identity;

    /// <summary>The exchange with the server that is under way, or the last; 0 if there is none.</summary>
    public ulong Exchange { get; private set; }

    /// <summary>When the session ends, or the client has to authenticate again; <see cref="Instant.Never"/> if neither is set.</summary>
    public Instant SessionEnd => Instant.Min(_sessionEnd, _reAuthWhen);

    /// <summary>Whether the port is done with: it does nothing any more.</summary>
    internal bool IsFinished { get; private set; }

    /// <summary>Whether the client has said who it is, and the server was asked.</summary>
    internal bool HasAsked { get; private set; }

    /// <summary>Whether the client has answered a request of the server, which a forged sender address cannot.</summary>
    public bool HasEngaged { get; private set; }

    /// <summary>When a response of the client was last taken.</summary>
    internal Instant LastProgress { get; private set; }

    /// <summary>When <see cref="Advance"/> has something to do.</summary>
    internal Instant Deadline =>
        IsFinished ? Instant.Never
        : Instant.Min(Instant.Min(PaeState == PaeState.Held ? _quietWhile : Instant.Never, SessionEnd), Instant.Min(_retransWhile, BackendState == BackendState.Response ? _aWhile : Instant.Never));

    private AuthenticatorConfig Config => _context.Config;

    private AuthenticatorStats Stats => _context.Stats;

    /// <summary>Lets the machines begin.</summary>
    /// <param name="cause">What the port was made for.</param>
    /// <param name="now">The time.</param>
    internal void Begin(PortCause cause, Instant now)
    {
        _isRequested = cause == PortCause.Identity;
        if (cause == PortCause.Start)
        {
            _startPause = now + Config.StartPause;
        }

        Step(now);
        _isRequested = false;
    }

    /// <summary>Takes an EAPOL-Start.</summary>
    internal AuthenticatorDrop OnStart(Instant now)
    {
        if (PaeState == PaeState.Held)
        {
            return AuthenticatorDrop.Held;
        }

        if (now < _startPause)
        {
            return AuthenticatorDrop.StartPause;
        }

        _startPause = now + Config.StartPause;
        _eapolStart = true;
        Step(now);
        return AuthenticatorDrop.None;
    }

    /// <summary>Takes an EAPOL-Logoff.</summary>
    internal AuthenticatorDrop OnLogoff(Instant now)
    {
        if (!Config.ObeyLogoff)
        {
            return AuthenticatorDrop.LogoffNotObeyed;
        }

        if (PaeState == PaeState.Held)
        {
            return AuthenticatorDrop.Held;
        }

        if (_portControl != PortControl.Auto)
        {
            return AuthenticatorDrop.Forced;
        }

        _eapolLogoff = true;
        Step(now);
        return AuthenticatorDrop.None;
    }

    /// <summary>Whether a response is the one that is awaited.</summary>
    internal AuthenticatorDrop Check(EapPacket eap)
    {
        if (PaeState == PaeState.Held)
        {
            return AuthenticatorDrop.Held;
        }

        if (_portControl != PortControl.Auto)
        {
            return AuthenticatorDrop.Forced;
        }

        if (BackendState != BackendState.Request || _layer != EapLayer.Idle)
        {
            return AuthenticatorDrop.NotAwaited;
        }

        if (eap.Identifier != _currentId)
        {
            return AuthenticatorDrop.Identifier;
        }

        // The one request that is ours; a Nak to it has no meaning (RFC 3748 section 5.3.1).
        if (Exchange == 0 && eap.Type != EapType.Identity)
        {
            return AuthenticatorDrop.NotIdentity;
        }

        if (eap.Type == EapType.Identity && eap.TypeData.Length > MaxIdentity)
        {
            return AuthenticatorDrop.IdentityLength;
        }

        return eap.Octets.Length > Config.MaxEapToServer ? AuthenticatorDrop.TooLong : AuthenticatorDrop.None;
    }

    /// <summary>Takes a response that <see cref="Check"/> let through.</summary>
    internal void OnResponse(EapPacket eap, Instant now)
    {
        if (eap.Type == EapType.Identity)
        {
            _identity = eap.TypeData.ToArray();
        }

        if (Exchange == 0)
        {
            Exchange = _context.NextExchange();
            HasAsked = true;
        }
        else
        {
            HasEngaged = true;
        }

        _rounds++;
        LastProgress = now;
        _retransmission.Answered(now);
        _eapolEap = true;
        Step(now);
        if (_layer == EapLayer.AaaIdle && BackendState == BackendState.Response)
        {
            _context.Output.AskServer(Client, Exchange, eap.Octets, _identity);
        }
    }

    /// <summary>Takes an answer of the server.</summary>
    internal AuthenticatorDrop OnServerAnswer(in ServerAnswer answer, Instant now)
    {
        if (Exchange == 0 || answer.Exchange != Exchange)
        {
            return AuthenticatorDrop.AnswerExchange;
        }

        if (BackendState != BackendState.Response || _layer != EapLayer.AaaIdle)
        {
            return AuthenticatorDrop.AnswerNotAwaited;
        }

        // A new request has a new identifier (RFC 3748 section 4.1), so the very same octets are the answer to the response before.
        if (answer.Outcome == EapOutcome.Continue && _request.Length > 0 && answer.Eap.SequenceEqual(_request))
        {
            return AuthenticatorDrop.AnswerRepeated;
        }

        TakeAnswer(answer, now);
        Step(now);
        return AuthenticatorDrop.None;
    }

    /// <summary>Makes an authenticated client authenticate again; false if it is not.</summary>
    internal bool Reauthenticate(Instant now)
    {
        if (PaeState != PaeState.Authenticated)
        {
            return false;
        }

        _reAuthWhen = now;
        Step(now);
        return true;
    }

    /// <summary>Ends whatever there is.</summary>
    internal void Disconnect(UnauthorisedReason reason, Instant now)
    {
        _disconnect = reason;
        Step(now);
    }

    /// <summary>Puts the port under other control.</summary>
    internal void SetPortControl(PortControl control, Instant now)
    {
        _portControl = control;
        Step(now);
    }

    /// <summary>Looks at the time.</summary>
    internal void Advance(Instant now) => Step(now);

    private void Step(Instant now)
    {
        // The machines settle within a few steps; the bound is a net under a mistake in their drawing.
        for (var steps = 0; steps < MaxSteps; steps++)
        {
            var hasMoved = StepPae(now);
            if (IsFinished)
            {
                return;
            }

            hasMoved |= StepBackend(now);
            hasMoved |= StepReauthentication(now);
            hasMoved |= StepEap(now);
            if (!hasMoved)
            {
                return;
            }
        }
    }
}
