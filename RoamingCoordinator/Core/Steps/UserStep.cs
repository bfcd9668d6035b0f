using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>Whose client it is: who has authenticated, what an access point is told of it, and who may not have the client's place.</summary>
public static class UserStep
{
    /// <summary>
    /// A user has authenticated at an access point. A MAC address that another user's client has, and is served with, is not given away: who spoofs it has credentials of his own, and would get
    /// what is for the other (MacStealer). The user that has it may come again at any time; so may anybody when it is served no more, but what the one before had open is not for the next.
    /// </summary>
    public static Decision Accept(ClientRecord? state, NodeId node, EapFromClient asked, EapVerdict verdict, IUsers users, long time)
    {
        var user = verdict.User! with { At = node, Proof = SessionProof.Eap };
        var isOthers = IsOthers(state?.User, user);
        if (isOthers && !state!.User!.HasEnded(time) && IsServed(state, node))
        {
            var refused = Decision.Reply(Failure(asked, verdict));
            refused.Events.Add(new ClaimRefused(node, asked.Client, $"the address is in use by another user, at {state.Fam}", RefusalKind.ClientTaken));
            return refused;
        }

        var session = users.For(asked.Client, user, node, time);
        if (session is null)
        {
            return Decision.Reply(Failure(asked, verdict));
        }

        var next = (state ?? new ClientRecord { Client = asked.Client }) with { User = user };
        next = state?.User is { } past && !past.Session.Equals(user.Session) ? next.WithEnd(past, isOthers ? "another user has authenticated" : "authenticated again", users, time) : next;
        var decision = new Decision(isOthers ? WithoutMappings(next) : next, Answer(asked, EapOutcome.Accept, verdict.Eap, session));
        if (isOthers)
        {
            EndMappings(decision, state!);
        }

        if (state?.User is { } replaced)
        {
            // Where it was, the session of before is nobody's any more; the client itself is fetched from there by its arrival.
            foreach (var other in new[] { replaced.At, state.Fam }.Where(n => !n.IsNone && n != node).Distinct())
            {
                decision.Pushes.Add((other, new UserSessionChange { Id = 0, Client = asked.Client, Session = replaced.Session, Now = null, Reason = "authenticated elsewhere" }));
            }
        }

        decision.Events.Add(new UserSessionTaken(asked.Client, user));
        decision.Events.Add(new UserAuthenticated(asked.Client, user.User, node));
        return decision;
    }

    /// <summary>A user has authenticated by the access point's own link layer, and the key holder has passed it on (RADIUS proxy): it is not used yet, and what proves the client there is the link.</summary>
    public static Decision? Learn(ClientRecord? state, NodeId node, MacAddress client, UserRecord user, IUsers users, long time, out bool isTaken)
    {
        var asked = new EapFromClient { Id = 0, Client = client, Exchange = 0, Eap = Octets.Empty };
        var decision = Accept(state, node, asked, new EapVerdict(EapOutcome.Accept, Octets.Empty, user), users, time);
        isTaken = decision.Answer is EapToClient { Outcome: EapOutcome.Accept };
        if (!isTaken)
        {
            return decision with { Answer = null };
        }

        if (state?.User is { } before && before.At == node && users.For(client, decision.Next!.User!, node, time) is { } session)
        {
            // It goes on with the session of now, and the link that is up is its proof.
            decision.Pushes.Add((node, new UserSessionChange { Id = 0, Client = client, Session = before.Session, Now = session, Reason = "authenticated again" }));
        }

        return decision with { Answer = null };
    }

    /// <summary>An access point meets a client that it does not know .</summary>
    public static Decision Query(ClientRecord? state, NodeId node, UserSessionQuery asked, IUsers users, long time)
    {
        if (state?.User is { } kept && !kept.HasEnded(time) && users.For(asked.Client, kept, node, time) is { } session)
        {
            return Decision.Reply(new UserSessionReply { Id = asked.Id, Client = asked.Client, Session = session });
        }

        // What the access point remembers may be over: otherwise it could not tell that from a store that has forgotten.
        var why = asked.Known.Length == 0 ? null : SessionEnds.WhyOver(state, asked.Known, time);

        // Who is denied is no guest, and what a user has open is not for whoever has his MAC address next.
        var before = state?.User is { Role.Length: 0 } user ? user : null;
        var isDenied = before is not null && users.IsDenied(before.User);
        var free = isDenied ? null : users.WithoutProof(asked.Client, time);
        free = free is { Role.Length: > 0 } && SessionEnds.IsOfDenied(state, users) ? null : free;
        var told = free is null ? null : users.For(asked.Client, free, node, time);
        var reply = new UserSessionReply
        {
            Id = asked.Id, Client = asked.Client, Session = told, Ended = why is null && !(isDenied && before!.Session.Equals(asked.Known)) ? Octets.Empty : asked.Known, Reason = why ?? (isDenied ? "denied" : string.Empty),
        };
        if (isDenied)
        {
            return End(state, _ => true, "denied", users, time)! with { Answer = reply };
        }

        if (told is null)
        {
            return new Decision(state is null ? null : SessionEnds.SeenAgain(state, users, time), reply);
        }

        var next = (state ?? new ClientRecord { Client = asked.Client }) with { User = free };
        next = state?.User is { } past ? next.WithEnd(past, past.HasEnded(time) ? "its time is over" : "it holds no more", users, time) : next;
        var isOthers = IsOthers(before, free!);
        var decision = new Decision(isOthers ? WithoutMappings(next) : next, reply);
        if (isOthers)
        {
            EndMappings(decision, state!);
        }

        return decision;
    }

    /// <summary>An access point uses a session, or uses it no more.</summary>
    public static Decision Used(ClientRecord? state, NodeId node, UserSessionUsed used, IUsers users, long time)
    {
        if (state?.User is not { } user || !user.Session.Equals(used.Session) || (user.HasEnded(time) && used.Proof is not (SessionProof.None or SessionProof.Over)))
        {
            var unknown = Decision.Acknowledge(used.Id, AckStatus.Unknown);
            var why = SessionEnds.WhyOver(state, used.Session, time) ?? (state?.User is null ? null : "the session is over");
            if (why is not null && used.Proof is not (SessionProof.None or SessionProof.Over))
            {
                // It has ended, or another one has taken its place, and the news of that was lost. Where nothing is known of it the store may have forgotten: who is let in stays.
                unknown.Pushes.Add((node, new UserSessionChange { Id = 0, Client = used.Client, Session = used.Session, Now = null, Reason = why }));
            }

            if (state?.User is { } current && IsEarlierOf(current, state, used.Session))
            {
                // What passed before the user authenticated again is his all the same.
                unknown.Events.Add(new UserSessionUse(current, node, used with { Proof = SessionProof.None }));
            }

            return unknown;
        }

        if (used.Proof == SessionProof.Over && (user.At == node || user.At.IsNone))
        {
            var ended = (state with { User = null }).WithEnd(user, users.IsDenied(user.User) ? "denied" : $"over at {node}", users, time);
            var over = new Decision(ended, new Ack { Id = used.Id, Status = AckStatus.Ok });
            over.Events.Add(new UserSessionUse(user, node, used));
            over.Events.Add(new UserSessionOver(used.Client, user, "over"));
            over.Events.Add(new UserSessionEnded(used.Client, user.User, $"over at {node}"));
            return over;
        }

        var next = used.Proof is SessionProof.None or SessionProof.Over
            ? user.At == node ? user with { At = NodeId.None, Proof = SessionProof.None } : user
            : user with { At = node, Proof = used.Proof, IsProtected = user.IsProtected || used.Proof == SessionProof.Handshake };
        var decision = new Decision(next == user ? null : state with { User = next }, new Ack { Id = used.Id, Status = AckStatus.Ok });
        decision.Events.Add(new UserSessionUse(next, node, used));
        if (used.Proof is not (SessionProof.None or SessionProof.Over) && (user.At != node || user.Proof != used.Proof))
        {
            decision.Events.Add(new UserServed(used.Client, user.User, node, used.Proof));
        }

        if (used.Proof is not (SessionProof.None or SessionProof.Over) && used.Policy.Length > 0 && !used.Policy.Equals(users.PolicyOf(used.Client, next) ?? Octets.Empty))
        {
            // It has not heard of a change.
            return UserChangeStep.Tell(decision.Next ?? state, "another policy holds", users, time) is { } news ? news.After(decision) with { Answer = decision.Answer } : decision;
        }

        return decision;
    }

    /// <summary>The session of a client is over, for one reason or another: the access point that has it hears of it at once.</summary>
    /// <param name="state">The client's record.</param>
    /// <param name="isMeant">Which session is meant.</param>
    /// <param name="reason">Why.</param>
    /// <param name="users">The users.</param>
    /// <param name="time">The time in Unix milliseconds.</param>
    public static Decision? End(ClientRecord? state, Func<UserRecord, bool> isMeant, string reason, IUsers users, long time)
    {
        if (state?.User is not { } user || !isMeant(user))
        {
            return null;
        }

        var decision = new Decision((state with { User = null }).WithEnd(user, reason, users, time), null);
        foreach (var node in new[] { user.At, state.Fam }.Where(n => !n.IsNone).Distinct())
        {
            decision.Pushes.Add((node, new UserSessionChange { Id = 0, Client = state.Client, Session = user.Session, Now = null, Reason = reason }));
        }

        decision.Events.Add(new UserSessionOver(state.Client, user, reason));
        decision.Events.Add(new UserSessionEnded(state.Client, user.User, reason));
        return decision;
    }

    /// <summary>The answer to a supplicant.</summary>
    public static EapToClient Answer(EapFromClient asked, EapOutcome outcome, Octets eap, UserSession? session) =>
        new() { Id = asked.Id, Client = asked.Client, Exchange = asked.Exchange, Outcome = outcome, Eap = eap, Session = session };

    /// <summary>EAP-Failure in place of the success that the server has said (RFC 3748 section 4.2).</summary>
    internal static Octets FailureFor(Octets success) => success.Length < 4 ? Octets.Empty : new Octets([4, success.Span[1], 0, 4]);

    private static EapToClient Failure(EapFromClient asked, EapVerdict verdict) =>
        Answer(asked, EapOutcome.Reject, FailureFor(verdict.Eap), null);

    /// <summary>Whether the client is let in somewhere, or is served there.</summary>
    private static bool IsServed(ClientRecord state, NodeId node) =>
        (!state.Fam.IsNone && !state.Departed && !state.IsLinkLost) || (!state.User!.At.IsNone && state.User.At != node);

    /// <summary>Whether a session that is over was the same user's as the one of now.</summary>
    private static bool IsEarlierOf(UserRecord now, ClientRecord state, Octets session) =>
        now.Role.Length == 0 && state.Over.Any(e => e.Session.Equals(session) && string.Equals(e.User, now.User, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether what a user had open is not for the session that comes after his.</summary>
    internal static bool IsOthers(UserRecord? before, UserRecord next) => before is { Role.Length: 0 } && !string.Equals(before.User, next.User, StringComparison.OrdinalIgnoreCase);

    internal static ClientRecord WithoutMappings(ClientRecord state) =>
        (state with { Mappings = ImmutableDictionary<MappingId, MappingEntry>.Empty, Addresses = [] }).WithEnded([.. state.Mappings.Keys], state.Epoch, ulong.MaxValue);

    /// <summary>Whoever knows of a client's mappings hears that they have ended.</summary>
    internal static void EndMappings(Decision decision, ClientRecord state)
    {
        foreach (var node in state.Mappings.IsEmpty ? [] : state.Nodes())
        {
            Pushes.Ended(decision, node, state.Client, state.Epoch, [.. state.Mappings.Keys]);
        }
    }
}
