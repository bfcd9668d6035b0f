using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator;

/// <summary>What operators, RADIUS servers and portals order about sessions: done at once, where the client is, whole or not at all.</summary>
public sealed partial class CoordinatorCore
{
    /// <summary>For so long an order is tried again when the store fails. Whoever ordered it waits meanwhile.</summary>
    private static readonly TimeSpan OrderPatience = TimeSpan.FromSeconds(1.5);

    private static readonly Outcomes<UserChangeOutcome> s_changes = new(UserChangeOutcome.Done, UserChangeOutcome.Failed, UserChangeOutcome.Unsure);
    private static readonly Outcomes<GuestOutcome> s_guests = new(GuestOutcome.Done, GuestOutcome.Failed, GuestOutcome.Unsure);

    /// <summary>The site's policies; null: this coordinator knows of no users.</summary>
    public IPolicyDesk? Policies => _options.Users?.Policies;

    /// <summary>What a portal may give guests; null: there is no portal.</summary>
    public GuestRules? Guests => _options.Users?.Guests;

    /// <summary>Whether a user is denied.</summary>
    public bool IsDenied(string user) => _options.Users?.IsDenied(user) == true;

    /// <summary>Ends the session of a client, wherever it is (RFC 5176 section 2.1), and says what became of it.</summary>
    /// <param name="client">The client.</param>
    /// <param name="isMeant">Which session is meant.</param>
    /// <param name="reason">Why, for logs.</param>
    /// <param name="done">Is told when the store has it.</param>
    /// <param name="now">The time.</param>
    public void EndUserSession(MacAddress client, Func<UserRecord, bool> isMeant, string reason, Action<UserChangeOutcome> done, Instant now)
    {
        _now = now;
        Order(client, s_changes, done, (state, users, say) =>
        {
            var decision = UserStep.End(state, isMeant, reason, users, UnixNow);
            say(decision is null ? UserChangeOutcome.Unknown : UserChangeOutcome.Done);
            return decision;
        });
    }

    /// <summary>Changes the session of a client at once, wherever it is (RFC 5176 sections 2.2 and 6).</summary>
    /// <param name="client">The client.</param>
    /// <param name="isMeant">Which session is meant.</param>
    /// <param name="change">What it is from now on, in Unix milliseconds; null refuses. May be called again.</param>
    /// <param name="reason">Why, for logs.</param>
    /// <param name="done">Is told when the store has it.</param>
    /// <param name="now">The time.</param>
    public void ChangeUserSession(MacAddress client, Func<UserRecord, bool> isMeant, Func<UserRecord, long, UserRecord?> change, string reason, Action<UserChangeOutcome> done, Instant now)
    {
        _now = now;
        Order(client, s_changes, done, (state, users, say) =>
        {
            var decision = UserChangeStep.Change(state, isMeant, change, reason, users, UnixNow, out var outcome);
            say(outcome);
            return decision;
        });
    }

    /// <summary>A user has authenticated at an access point whose own link layer has asked the key holder (RADIUS proxy).</summary>
    /// <param name="client">The client.</param>
    /// <param name="node">The access point.</param>
    /// <param name="user">The session.</param>
    /// <param name="done">Is told whether he has it.</param>
    /// <param name="now">The time.</param>
    public void TakeUser(MacAddress client, NodeId node, UserRecord user, Action<bool> done, Instant now)
    {
        _now = now;
        Order(client, new Outcomes<bool>(true, false, false), done, (state, users, say) =>
        {
            var decision = UserStep.Learn(state, node, client, user, users, UnixNow, out var isTaken);
            say(isTaken);
            return decision;
        });
    }

    /// <summary>
    /// Policies have changed: whoever serves a client whose policy is another one now hears of it, once, at once. Nodes that are connected to another coordinator hear it from that one, which may not know the policies yet.
    /// </summary>
    /// <param name="isConcerned">Whether a session's policy is another one.</param>
    /// <param name="reason">Why, for logs.</param>
    /// <param name="done">Is told when the store has been gone through; false: it could not be, not wholly.</param>
    /// <param name="now">The time.</param>
    public void TellPolicies(Func<MacAddress, UserRecord, bool> isConcerned, string reason, Action<bool> done, Instant now)
    {
        _now = now;
        Walk(
            (record, next) =>
            {
                if (_options.Users is { } users && record.User is { } user && isConcerned(record.Client, user))
                {
                    Run(new Job(record.Client, (state, _) => UserChangeStep.Tell(state, reason, users, UnixNow, id => Nodes.Find(id) is not { } node || IsNobodyElses(node))) { Done = next });
                }
                else
                {
                    next();
                }

                return true;
            },
            failure => done(failure == StoreFailure.None));
    }

    /// <summary>Admits a guest for a time (captive portals), wherever he is and goes.</summary>
    /// <param name="client">His client, which must have been here.</param>
    /// <param name="name">What he is called; <see cref="GuestStep.Prefix"/> comes before it.</param>
    /// <param name="role">What he may do, as the policies' roles have it.</param>
    /// <param name="time">For how long.</param>
    /// <param name="done">Is told what became of it.</param>
    /// <param name="now">The time.</param>
    public void AdmitGuest(MacAddress client, string name, string role, TimeSpan time, Action<GuestOutcome> done, Instant now)
    {
        _now = now;
        Order(client, s_guests, done, (state, users, say) =>
        {
            var decision = GuestStep.Admit(state, client, name, role, UnixNow + (long)time.TotalMilliseconds, users, UnixNow, out var outcome);
            say(outcome);
            return decision;
        });
    }

    /// <summary>A guest is captive again.</summary>
    public void RevokeGuest(MacAddress client, Action<GuestOutcome> done, Instant now)
    {
        _now = now;
        Order(client, s_guests, done, (state, users, say) =>
        {
            var decision = GuestStep.Revoke(state, users, UnixNow, out var outcome);
            say(outcome);
            return decision;
        });
    }

    /// <summary>A step may be made again; what it said last is what became of it, if the store has kept it.</summary>
    private void Order<T>(MacAddress client, Outcomes<T> outcomes, Action<T> done, Func<ClientRecord?, IUsers, Action<T>, Decision?> step)
        where T : struct
    {
        if (_options.Users is not { } users)
        {
            done(outcomes.Failed);
            return;
        }

        var outcome = outcomes.Failed;
        Run(new Job(client, (state, _) => step(state, users, said => outcome = said))
        {
            Patience = _now + OrderPatience,
            Settled = fate => done(
                fate == OrderFate.None ? outcome
                : fate == OrderFate.Lost ? outcomes.Failed
                : fate == OrderFate.Unsure && EqualityComparer<T>.Default.Equals(outcome, outcomes.Done) ? outcome : outcomes.Unsure),
        });
    }

    /// <summary>What is said of an order that the store has, has not, or may have kept.</summary>
    private readonly record struct Outcomes<T>(T Done, T Failed, T Unsure);
}
