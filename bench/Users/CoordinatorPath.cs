using Masquerade.Bench.Coordinator;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Users;

/// <summary>As in the product: access points relay to the coordinator, whose key holder asks the RADIUS server, makes keys, judges, and keeps the session.</summary>
internal sealed class CoordinatorPath(LoadSite site) : IEapPath
{
    public void Say(MacAddress client, ulong exchange, ReadOnlySpan<byte> eap, EapAnswered answered)
    {
        var octets = new Octets(eap);
        site.Ask(
            (int)(exchange % (ulong)site.Nodes),
            id => new EapFromClient { Id = id, Client = client, Exchange = exchange, Eap = octets },
            message =>
            {
                var answer = (EapToClient)message;
                if (answer.Outcome == EapOutcome.Accept && answer.Session is not { Key.Length: UserSession.KeyLength })
                {
                    throw new BenchException("a user was accepted without a session and its key");
                }

                answered(answer.Outcome, answer.Eap.Span);
            });
    }

    public void RunUntil(Func<bool> isDone) => site.RunUntil(isDone);

    public void Dispose() => site.Dispose();
}
