using Masquerade.Auth.Authenticator;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Users;

/// <summary>Between the authenticator and the key holder: what clients say by EAP, and what is said to it.</summary>
internal sealed partial class UserSide : IAuthenticatorOutput
{
    /// <summary>What clients have said by EAP and nobody has answered: each waits in the queue of what is to be said to the coordinator.</summary>
    private const int MaxEapQuestions = 1_024;

    private readonly Dictionary<MacAddress, ulong> _eapQuestions = [];

    void IAuthenticatorOutput.SendEapol(MacAddress supplicant, ReadOnlySpan<byte> frame) => _host.SendEapol(supplicant, frame);

    void IAuthenticatorOutput.AskServer(MacAddress supplicant, ulong exchange, ReadOnlySpan<byte> eap, ReadOnlySpan<byte> identity)
    {
        // What is answered no more need not be repeated.
        var copy = new Octets(eap);
        WithdrawEap(supplicant);
        var question = _eapQuestions.Count >= MaxEapQuestions ? 0 : _host.Ask(id => new EapFromClient { Id = id, Client = supplicant, Exchange = exchange, Eap = copy });
        if (question != 0)
        {
            _eapQuestions[supplicant] = question;
        }
        else
        {
            _drops.Count(DropReason.ControlQueueFull);
        }
    }

    void IAuthenticatorOutput.PortAuthorised(MacAddress supplicant, ulong exchange, AuthorisedReason reason)
    {
        if (_clients.Find(supplicant) is { Session: { } session } client && MayBeUnprotected(session))
        {
            Admit(client, SessionProof.Eap);
        }
    }

    void IAuthenticatorOutput.PortUnauthorised(MacAddress supplicant, UnauthorisedReason reason)
    {
        WithdrawEap(supplicant);
        if (reason is UnauthorisedReason.ServerTimeout or UnauthorisedReason.ServerFault || _clients.Find(supplicant) is not { } client)
        {
            // Nobody has said anything about the user: who is let in goes on until the session ends.
            return;
        }

        client.Proved = SessionProof.None;
        if (client is { IsAdmitted: true, Proof: SessionProof.Eap })
        {
            ShutOut(client, reason.ToString(), Ending.Session);
        }
    }

    /// <summary>What a client has said by EAP and nobody has answered: it has said something else, or nobody waits any more.</summary>
    private void WithdrawEap(MacAddress client)
    {
        if (_eapQuestions.Remove(client, out var question))
        {
            _host.Withdraw(question);
        }
    }

    private void OnEap(EapToClient said)
    {
        if (_eapQuestions.GetValueOrDefault(said.Client) == said.Id)
        {
            _eapQuestions.Remove(said.Client);
        }

        var outcome = said.Outcome;
        if (outcome == EapOutcome.Accept && (said.Session is null || _authenticator.Find(said.Client)?.Exchange != said.Exchange))
        {
            // Without a session there is nothing to let in; and what is about an earlier exchange is nobody's any more.
            outcome = EapOutcome.Unavailable;
        }

        if (outcome == EapOutcome.Accept && said.Session is { } session)
        {
            if ((_clients.Find(said.Client) ?? _clients.Add(said.Client, isProven: true)) is not { } client)
            {
                return;
            }

            if (client.IsAdmitted && client.Session?.Session.Equals(session.Session) == false)
            {
                // One session takes the place of another; what is counted from now on is the new one's.
                Report(client, SessionProof.None);
            }

            Take(client, session, hasAuthenticated: true);
            if (client.IsAdmitted && client.Link is null && !MayBeUnprotected(client.Session!))
            {
                ShutOut(client, "new keys", Ending.Link);
            }
        }

        // How long the session lasts is watched here, wherever the client has authenticated; so the port has no time of its own.
        _authenticator.OnServerAnswer(said.Client, new ServerAnswer { Exchange = said.Exchange, Outcome = outcome, Eap = said.Eap.Span }, _now);
        if (outcome == EapOutcome.Accept && _authenticator.Find(said.Client) is { IsAuthorised: true } && _clients.Find(said.Client) is { Session: { } proved } accepted && ShouldShakeHands(proved))
        {
            // Others ask for it: to an ordinary supplicant message 1 does harm.
            StartHandshake(accepted);
        }
    }
}
