using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Steps;
using Masquerade.RoamingCoordinator.Users;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

/// <summary>What operators, RADIUS servers and portals order about sessions.</summary>
public sealed class UserOrderTests
{
    private readonly PlayedUsers _users = new() { LetsGuestsIn = true };
    private readonly CoordinatorBench _bench;
    private ulong _exchange;

    public UserOrderTests() => _bench = new CoordinatorBench(new CoordinatorOptions { Users = _users, EpochClock = 1_000_000 });

    [Fact]
    [Trait("Req", "A-27")]
    public void A_change_reaches_the_access_point_that_serves_the_client_with_one_message_and_no_other()
    {
        Authenticate(1, Client, "alice", 1);
        Used(2, 1);
        _users.Policy = 7;
        UserChangeOutcome? outcome = null;
        var said = _bench.During(() => _bench.Core.ChangeUserSession(Client, u => u.User is "alice", (u, _) => u with { Segment = "quarantine" }, "changed", o => outcome = o, _bench.Now));
        var (session, message) = Assert.Single(said);
        var change = Assert.IsType<UserSessionChange>(message);
        Assert.Equal((2UL, PlayedUsers.Id(1), PlayedUsers.Key(1, Ap2), "quarantine"), (session, change.Session, change.Now!.Key, change.Now.Segment));
        Assert.Equal(7, change.Now.Policy.Span[0]);
        Assert.Equal((UserChangeOutcome.Done, "quarantine"), (outcome, _bench.Record.User!.Segment));
        Assert.Contains(new UserSessionChanged(Client, "alice", "changed"), _bench.Events);
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void A_change_that_cannot_be_changes_nothing()
    {
        Authenticate(1, Client, "alice", 1);
        var before = _bench.Record;
        _users.RefusedSegments.Add("nowhere");
        var outcomes = new List<UserChangeOutcome>();
        Assert.Empty(_bench.During(() =>
        {
            _bench.Core.ChangeUserSession(Client, u => u.User is "alice", (u, _) => u with { Segment = "nowhere" }, "changed", outcomes.Add, _bench.Now);
            _bench.Core.ChangeUserSession(Client, u => u.User is "alice", (_, _) => null, "changed", outcomes.Add, _bench.Now);
            _bench.Core.ChangeUserSession(Client, u => u.User is "bob", (u, _) => u, "changed", outcomes.Add, _bench.Now);
            _bench.Core.ChangeUserSession(OtherClient, _ => true, (u, _) => u, "changed", outcomes.Add, _bench.Now);
            _bench.Core.EndUserSession(Client, u => u.User is "bob", "ended", outcomes.Add, _bench.Now);
        }));
        Assert.Equal([UserChangeOutcome.Refused, UserChangeOutcome.Refused, UserChangeOutcome.Unknown, UserChangeOutcome.Unknown, UserChangeOutcome.Unknown], outcomes);
        Assert.Same(before, _bench.Record);
    }

    [Fact]
    [Trait("Req", "A-26")]
    [Trait("Req", "A-27")]
    public void When_policies_change_each_access_point_hears_once_of_each_client_whose_policy_is_another()
    {
        for (var i = 0; i < 300; i++)
        {
            Authenticate((ulong)(1 + (i % 2)), Mac(i), i % 3 == 0 ? "alice" : "bob", (byte)(1 + (i % 250)));
        }

        _users.Policy = 9;
        var isWhole = false;
        var said = _bench.During(() => _bench.Core.TellPolicies((_, user) => user.User is "alice", "policies", whole => isWhole = whole, _bench.Now)).ToList();
        for (var i = 0; i < 50 && !isWhole; i++)
        {
            AcknowledgeAll(said);
            said.AddRange(_bench.Wait(2));
        }

        Assert.True(isWhole);
        Assert.Equal(0, _bench.Core.UserWalks);
        var told = said.Where(s => s.Message is UserSessionChange { Now.Policy: { } policy } && policy.Span[0] == 9).Select(s => (s.Session, ((UserSessionChange)s.Message).Client)).ToList();
        Assert.Equal(Enumerable.Range(0, 300).Where(i => i % 3 == 0).Select(i => ((ulong)(1 + (i % 2)), Mac(i))).Order(), told.Distinct().Order());
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void An_access_point_that_has_missed_a_change_is_told_when_it_reports()
    {
        Authenticate(1, Client, "alice", 1);
        var old = _users.PolicyOf(Client, _bench.Record.User!)!;
        Assert.DoesNotContain(Report(old), m => m is UserSessionChange);
        _users.Policy = 3;
        var change = Assert.Single(Report(old).OfType<UserSessionChange>());
        Assert.Equal(3, change.Now!.Policy.Span[0]);
        Assert.DoesNotContain(Report(change.Now.Policy), m => m is UserSessionChange { Now.Policy: { } other } && !other.Equals(change.Now.Policy));

        // One of which nothing can be told any more has ended.
        _users.RefusedSegments.Add("staff");
        Assert.Null(Assert.Single(Report(change.Now.Policy).OfType<UserSessionChange>(), c => c.Now is null).Now);
        Assert.Null(_bench.Record.User);

        IEnumerable<ControlMessage> Report(Octets policy) => _bench.Tell(1, new UserSessionUsed
        {
            Id = _bench.NextId(), Client = Client, Session = PlayedUsers.Id(1), Proof = SessionProof.Eap, Policy = policy,
        }).Select(s => s.Message).ToList();
    }

    [Fact]
    public void Sessions_are_found_by_what_is_known_of_them_and_no_more_than_asked_for()
    {
        for (var i = 0; i < 600; i++)
        {
            Authenticate(1, Mac(i), i % 2 == 0 ? "alice" : "bob", 1);
        }

        Assert.Equal(300, Find(u => u.User is "alice", 1_000)!.Count);
        Assert.Equal(2, Find(u => u.User is "alice", 2)!.Count);
        Assert.Empty(Find(u => u.User is "eve", 2)!);

        IReadOnlyList<(MacAddress Client, UserRecord User)>? Find(Func<UserRecord, bool> isMeant, int most)
        {
            IReadOnlyList<(MacAddress, UserRecord)>? found = null;
            var isDone = false;
            _bench.Core.FindUserSessions((_, user) => isMeant(user), most, all => (found, isDone) = (all, true), _bench.Now);
            for (var i = 0; i < 50 && !isDone; i++)
            {
                _bench.Wait(20);
            }

            Assert.True(isDone);
            return found;
        }
    }

    [Fact]
    [Trait("Req", "A-26")]
    public void A_guest_is_admitted_for_a_time_and_keeps_it_where_he_goes()
    {
        _bench.Ask<UserSessionReply>(1, new UserSessionQuery { Id = _bench.NextId(), Client = Client });
        var captive = _bench.Record.User!;
        Report(1, captive);
        Assert.Equal(GuestOutcome.Done, Admit(Client, 600, out var said));
        var change = Assert.IsType<UserSessionChange>(Assert.Single(said).Message);
        Assert.Equal((captive.Session, captive.Session, "guest:room 7", 600U, true), (change.Session, change.Now!.Session, change.Now.User, change.Now.SecondsLeft, change.Now.IsTrusted));
        Assert.NotEqual(_users.PolicyOf(Client, captive), change.Now.Policy);
        Assert.Contains(_bench.Events, e => e is GuestAdmitted { User: "guest:room 7", Role: "admitted" });

        // The next access point is told the same, for what is left.
        _bench.Wait(60_000);
        _bench.Connect(2);
        var there = Session(2);
        Assert.Equal((change.Now.Policy, "guest:room 7"), (there.Policy, there.User));
        Assert.InRange(there.SecondsLeft, 530U, 540U);
        _bench.Wait(541_000);
        _bench.Connect(2);
        Assert.Equal(("guest", 0U), (Session(2).User, Session(2).SecondsLeft));
    }

    [Fact]
    [Trait("Req", "A-26")]
    public void A_guest_who_is_revoked_is_captive_again_at_once_and_nobody_else_is_taken_for_a_guest()
    {
        Assert.Equal(GuestOutcome.Unknown, Admit(Client, 600, out _));
        _bench.Ask<UserSessionReply>(1, new UserSessionQuery { Id = _bench.NextId(), Client = Client });
        Report(1, _bench.Record.User!);
        GuestOutcome? outcome = null;
        _bench.Core.RevokeGuest(Client, o => outcome = o, _bench.Now);
        Assert.Equal(GuestOutcome.Unknown, outcome);
        Admit(Client, 600, out _);
        Assert.Equal(GuestOutcome.Refused, Admit(Client, 600, out _, "unknown"));
        var said = _bench.During(() => _bench.Core.RevokeGuest(Client, o => outcome = o, _bench.Now));
        Assert.Equal("guest", Assert.IsType<UserSessionChange>(Assert.Single(said).Message).Now!.User);
        Assert.Equal((GuestOutcome.Done, "guest", 0L), (outcome, _bench.Record.User!.Role, _bench.Record.User.Ends));

        Authenticate(1, OtherClient, "alice", 4);
        Assert.Equal(GuestOutcome.HasUser, Admit(OtherClient, 600, out _));
        _users.LetsGuestsIn = false;
        Assert.Equal(GuestOutcome.Done, Admit(Client, 600, out _));
        said = _bench.During(() => _bench.Core.RevokeGuest(Client, o => outcome = o, _bench.Now));
        Assert.Null(Assert.IsType<UserSessionChange>(Assert.Single(said).Message).Now);
    }

    private static MacAddress Mac(int number) => new(0x0200_0001_0000 + (ulong)number);

    private GuestOutcome Admit(MacAddress client, int seconds, out IReadOnlyList<(ulong Session, ControlMessage Message)> said, string role = "admitted")
    {
        var outcome = GuestOutcome.Failed;
        said = _bench.During(() => _bench.Core.AdmitGuest(client, "room 7", role, TimeSpan.FromSeconds(seconds), o => outcome = o, _bench.Now));
        return outcome;
    }

    private UserSession Session(ulong node) => _bench.Ask<UserSessionReply>(node, new UserSessionQuery { Id = _bench.NextId(), Client = Client }).Session!;

    private void Report(ulong node, UserRecord user) =>
        _bench.Ask<Ack>(node, new UserSessionUsed { Id = _bench.NextId(), Client = Client, Session = user.Session, Proof = SessionProof.Trusted });

    private void Used(ulong node, byte number) =>
        _bench.Ask<Ack>(node, new UserSessionUsed { Id = _bench.NextId(), Client = Client, Session = PlayedUsers.Id(number), Proof = SessionProof.Handshake });

    private void AcknowledgeAll(IEnumerable<(ulong Session, ControlMessage Message)> said)
    {
        foreach (var (session, message) in said.ToList())
        {
            if (message is UserSessionChange)
            {
                _bench.Tell(session, new Ack { Id = message.Id, Status = AckStatus.Ok });
            }
        }
    }

    private void Authenticate(ulong node, MacAddress client, string user, byte number)
    {
        _bench.Tell(node, new EapFromClient { Id = _bench.NextId(), Client = client, Exchange = ++_exchange, Eap = new Octets([2, 7, 0, 6, 1, 65]) });
        var (_, done) = _users.Asked.Dequeue();
        _bench.During(() => done(new EapVerdict(EapOutcome.Accept, new Octets([3, 7, 0, 4]), PlayedUsers.Session(user, number))));
    }
}
