using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Users;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

public sealed class UserTests
{
    private static readonly Octets Response = new([2, 7, 0, 9, 1, (byte)'a', (byte)'l', (byte)'i', (byte)'c']);
    private static readonly Octets Success = new([3, 7, 0, 4]);

    private readonly PlayedUsers _users = new();
    private readonly CoordinatorBench _bench;

    public UserTests() => _bench = new CoordinatorBench(new CoordinatorOptions { Users = _users, EpochClock = 1_000_000 });

    [Fact]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-24")]
    public void What_a_supplicant_says_goes_to_the_key_holder_and_the_session_comes_back()
    {
        var first = Eap(Client);
        Assert.Empty(_bench.Tell(1, first));
        var (question, done) = _users.Asked.Dequeue();
        Assert.Equal((Ap1, Client, 5UL, Response), (question.Node, question.Client, question.Exchange, question.Eap));
        var said = _bench.During(() => done(new EapVerdict(EapOutcome.Continue, new Octets([1, 8, 0, 6, 13, 0]))));
        var next = Assert.IsType<EapToClient>(Assert.Single(said).Message);
        Assert.Equal((first.Id, EapOutcome.Continue, 5UL), (next.Id, next.Outcome, next.Exchange));

        var reply = Authenticate(1, Client, "alice", 1);
        Assert.Equal((EapOutcome.Accept, "alice", PlayedUsers.Key(1, Ap1)), (reply.Outcome, reply.Session!.User, reply.Session.Key));
        Assert.Equal(("alice", Ap1), (_bench.Record.User!.User, _bench.Record.User.At));
        Assert.Contains(new UserAuthenticated(Client, "alice", Ap1), _bench.Events);
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void Another_access_point_gets_the_session_with_a_key_of_its_own_and_nothing_moves_by_that()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.Ask<ArriveReply>(1, _bench.Arrive(1));
        var before = _bench.Record;
        var told = _bench.Ask<UserSessionReply>(2, Query(Client)).Session!;
        Assert.Equal(("alice", PlayedUsers.Key(1, Ap2)), (told.User, told.Key));
        Assert.NotEqual(PlayedUsers.Key(1, Ap1), told.Key);
        Assert.Same(before, _bench.Record);
        Assert.Equal(Ap1, _bench.Record.Fam);

        Assert.Null(_bench.Ask<UserSessionReply>(2, Query(OtherClient)).Session);
    }

    [Fact]
    [Trait("Req", "A-23")]
    public void An_answer_that_gets_lost_is_given_again_and_the_key_holder_is_not_asked_twice()
    {
        var asked = Eap(Client);
        _bench.Tell(1, asked);
        _bench.Tell(1, asked);
        var (_, done) = Assert.Single(_users.Asked);
        _users.Asked.Clear();
        _bench.During(() => done(new EapVerdict(EapOutcome.Accept, Success, PlayedUsers.Session("alice", 1))));
        var version = _bench.Record;
        Assert.Equal(EapOutcome.Accept, _bench.Ask<EapToClient>(1, asked).Outcome);
        Assert.Empty(_users.Asked);
        Assert.Same(version, _bench.Record);
    }

    /// <summary>Who spoofs the MAC address of a client that is served has credentials of his own, and would get what is for the other (MacStealer, CVE-2022-47522).</summary>
    [Fact]
    [Trait("Req", "A-24")]
    public void The_address_of_a_client_that_is_served_is_not_given_to_another_user()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.Ask<ArriveReply>(1, _bench.Arrive(1));
        var refused = Authenticate(2, Client, "mallory", 2);
        Assert.Equal(EapOutcome.Reject, refused.Outcome);
        Assert.Null(refused.Session);
        Assert.Equal(new byte[] { 4, 7, 0, 4 }, refused.Eap.Span);
        Assert.Equal(("alice", Ap1), (_bench.Record.User!.User, _bench.Record.Fam));
        Assert.Contains(_bench.Events, e => e is ClaimRefused { Kind: RefusalKind.ClientTaken } claim && claim.Node == Ap2);

        // The user that has it may come again, and anybody when it has left.
        Assert.Equal(EapOutcome.Accept, Authenticate(2, Client, "alice", 3).Outcome);
        _bench.Ask<Ack>(1, new Depart { Id = _bench.NextId(), Client = Client, Epoch = _bench.Record.Epoch, Idle = false });
        Assert.Equal(EapOutcome.Reject, Authenticate(3, Client, "bob", 4).Outcome);
        _bench.Ask<Ack>(2, new UserSessionUsed { Id = _bench.NextId(), Client = Client, Session = PlayedUsers.Id(3), Proof = SessionProof.None });
        Assert.Equal(EapOutcome.Accept, Authenticate(3, Client, "bob", 5).Outcome);
        Assert.Equal("bob", _bench.Record.User!.User);
    }

    [Fact]
    public void The_access_point_before_hears_that_the_session_there_is_over_when_the_user_authenticates_elsewhere()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.Ask<ArriveReply>(1, _bench.Arrive(1));
        var said = Accept(2, Client, "alice", 2);
        var change = Assert.Single(said.Where(s => s.Session == 1).Select(s => s.Message).OfType<UserSessionChange>());
        Assert.Equal((PlayedUsers.Id(1), null), (change.Session, change.Now));
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void A_session_that_has_ended_is_told_nobody()
    {
        Authenticate(1, Client, "alice", 1, ends: 1_000_000 + 60_000);
        Assert.InRange(_bench.Ask<UserSessionReply>(2, Query(Client)).Session!.SecondsLeft, 1U, 59U);
        _bench.Wait(60_000);
        _bench.Connect(2);
        Assert.Null(_bench.Ask<UserSessionReply>(2, Query(Client)).Session);
    }

    [Fact]
    [Trait("Req", "A-26")]
    public void A_trusted_address_gets_its_session_unasked_and_policies_are_told_by_name()
    {
        _users.Trusted.Add(Client);
        var told = _bench.Ask<UserSessionReply>(1, Query(Client)).Session!;
        Assert.Equal(("printer", true), (told.User, told.IsTrusted));
        Assert.Equal("printer", _bench.Record.User!.User);
        Assert.Equal("default deny"u8, _bench.Ask<PolicyReply>(1, new PolicyQuery { Id = _bench.NextId(), Policy = told.Policy }).Text.Span);
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void How_a_client_is_known_and_what_it_used_is_kept_and_accounted_for()
    {
        Authenticate(1, Client, "alice", 1);
        Assert.Equal(AckStatus.Ok, _bench.Ask<Ack>(2, Used(SessionProof.Handshake, 77)).Status);
        Assert.Equal((Ap2, SessionProof.Handshake), (_bench.Record.User!.At, _bench.Record.User.Proof));
        Assert.Equal([("alice", Ap2, 77UL)], _users.Usage);
        Assert.Contains(new UserServed(Client, "alice", Ap2, SessionProof.Handshake), _bench.Events);

        // Who has it no more says so, and does not take it from where it is used now.
        _bench.Ask<Ack>(1, Used(SessionProof.None, 5));
        Assert.Equal(Ap2, _bench.Record.User!.At);

        // Of another session than the one of now: its reporter has not heard that it is over.
        var told = _bench.Tell(1, Used(SessionProof.Eap, 5) with { Session = PlayedUsers.Id(9) });
        Assert.Equal(AckStatus.Unknown, told.Select(t => t.Message).OfType<Ack>().Single().Status);
        var over = told.Where(t => t.Session == 1).Select(t => t.Message).OfType<UserSessionChange>().Single();
        Assert.Equal((PlayedUsers.Id(9), null), (over.Session, over.Now));
        Assert.Equal(2, _users.Usage.Count);
    }

    /// <summary>The access point hears of the new session by the answer of the coordinator, which has it by then; what has passed under the old one it tells only after that.</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public void What_a_user_used_before_authenticating_again_is_accounted_for_once_and_to_nobody_else()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.Ask<Ack>(1, Used(SessionProof.Eap, 10));
        Authenticate(1, Client, "Alice", 2);
        var late = Used(SessionProof.None, 7);
        Assert.Equal(AckStatus.Unknown, _bench.Ask<Ack>(1, late).Status);
        _bench.Ask<Ack>(1, late);
        Assert.Equal([("alice", Ap1, 10UL), ("Alice", Ap1, 7UL)], _users.Usage);
        Assert.Equal((PlayedUsers.Id(2), Ap1), (_bench.Record.User!.Session, _bench.Record.User.At));

        Authenticate(1, Client, "bob", 3);
        _bench.Ask<Ack>(1, Used(SessionProof.None, 5));
        Assert.Equal(2, _users.Usage.Count);
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void A_session_that_is_ended_ends_where_it_is_used_and_another_one_of_that_client_does_not()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.Ask<Ack>(2, Used(SessionProof.Handshake, 0));
        Assert.Empty(_bench.During(() => _bench.Core.EndUserSession(Client, u => u.User is "bob", "denied", _bench.Now)));
        var change = Assert.IsType<UserSessionChange>(Assert.Single(_bench.During(() => _bench.Core.EndUserSession(Client, u => u.User is "alice", "disconnected", _bench.Now))).Message);
        Assert.Equal((PlayedUsers.Id(1), null, "disconnected"), (change.Session, change.Now, change.Reason));
        Assert.Null(_bench.Record.User);
        Assert.Equal(["alice: disconnected"], _users.Over);
        Assert.Null(_bench.Ask<UserSessionReply>(3, Query(Client)).Session);
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void All_access_points_hear_of_a_user_who_is_denied_and_repeat_nothing_for_him()
    {
        Authenticate(1, Client, "alice", 1);
        var said = _bench.During(() => Assert.True(_bench.Core.TryDeny("alice", denied: true, _bench.Now)));
        Assert.Equal([1UL, 2UL, 3UL], said.Where(s => s.Message is UserDenied { User: "alice" }).Select(s => s.Session).Order());
        Assert.Null(_bench.Ask<UserSessionReply>(3, Query(Client)).Session);
        Assert.Equal(EapOutcome.Reject, Authenticate(1, Client, "alice", 2).Outcome);
        Assert.True(_bench.Core.TryDeny("alice", denied: false, _bench.Now));
        Assert.Equal(EapOutcome.Accept, Authenticate(1, Client, "alice", 3).Outcome);

        // What cannot be kept is not done by half, and where there are no users there is nobody to deny.
        _users.CannotKeep = true;
        Assert.Empty(_bench.During(() => Assert.False(_bench.Core.TryDeny("alice", denied: true, _bench.Now))));
        Assert.Null(new CoordinatorBench().Core.TryDeny("alice", denied: true, _bench.Now));
    }

    [Fact]
    [Trait("Req", "A-26")]
    public void A_guest_becomes_a_user_by_authenticating()
    {
        _users.LetsGuestsIn = true;
        Assert.Equal("guest", _bench.Ask<UserSessionReply>(1, Query(Client)).Session!.User);
        _bench.Ask<ArriveReply>(1, _bench.Arrive(1));
        Assert.Equal(EapOutcome.Accept, Authenticate(1, Client, "alice", 1).Outcome);
        Assert.Equal("alice", _bench.Record.User!.User);
        Assert.Equal(EapOutcome.Reject, Authenticate(2, Client, "mallory", 2).Outcome);
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void An_access_point_that_was_away_hears_who_is_denied_when_it_comes_back()
    {
        _bench.Core.OnDisconnected(2, _bench.Now);
        _bench.During(() => _bench.Core.TryDeny("alice", denied: true, _bench.Now));
        Assert.Contains(_bench.Connect(2, session: 22), s => s is { Session: 22, Message: UserDenied { User: "alice" } });
    }

    /// <summary>An answer that was made before the denial, or is given again after it, brings nobody in.</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public void A_denial_overtakes_answers_that_were_made_before_it()
    {
        var asked = Eap(Client);
        _bench.Tell(1, asked);
        _bench.During(() => _users.Asked.Dequeue().Done(new EapVerdict(EapOutcome.Accept, Success, PlayedUsers.Session("alice", 1))));
        _bench.Core.TryDeny("alice", denied: true, _bench.Now);
        var again = _bench.Ask<EapToClient>(1, asked);
        Assert.Equal((EapOutcome.Reject, null), (again.Outcome, again.Session));
    }

    /// <summary>Who has a MAC address next gets none of what the user before has open.</summary>
    [Fact]
    [Trait("Req", "A-24")]
    public void What_a_user_has_open_ends_when_another_one_has_the_address()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.Ask<ArriveReply>(1, _bench.Arrive(1));
        _bench.Ask<Ack>(1, _bench.Announce(_bench.Record.Epoch.Value, Mapping(1, 5_000, _bench.Record.Epoch.Value)));
        Assert.Single(_bench.Record.Mappings);
        _bench.Ask<Ack>(1, Used(SessionProof.None, 0));
        _bench.Ask<Ack>(1, new Depart { Id = _bench.NextId(), Client = Client, Epoch = _bench.Record.Epoch, Idle = false });
        var said = Accept(2, Client, "bob", 2);
        Assert.Contains(said, s => s is { Session: 1, Message: MappingsEnded });
        Assert.Empty(_bench.Record.Mappings);
        Assert.Empty(_bench.Record.Addresses);

        // The same user keeps what he has, and a guest gets nothing of it either.
        _bench.Ask<ArriveReply>(2, _bench.Arrive(2));
        _bench.Ask<Ack>(2, _bench.Announce(_bench.Record.Epoch.Value, Mapping(2, 5_001, _bench.Record.Epoch.Value)));
        Authenticate(2, Client, "BOB", 3);
        Assert.Single(_bench.Record.Mappings);
        _users.LetsGuestsIn = true;
        _bench.Core.TryDeny("bob", denied: true, _bench.Now);
        _bench.Core.TryDeny("BOB", denied: true, _bench.Now);
        Assert.Null(_bench.Ask<UserSessionReply>(3, Query(Client)).Session);
    }

    [Fact]
    public void A_session_that_its_access_point_says_is_over_is_over_everywhere()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.Ask<Ack>(1, Used(SessionProof.Eap, 10));
        _bench.Ask<Ack>(2, Used(SessionProof.Over, 10));
        Assert.NotNull(_bench.Record.User);
        var last = Used(SessionProof.Over, 7);
        _bench.Ask<Ack>(1, last);
        Assert.Null(_bench.Record.User);
        Assert.Equal(["alice: over"], _users.Over);

        // A report that comes twice counts once.
        Assert.Equal(AckStatus.Unknown, _bench.Ask<Ack>(1, last).Status);
        Assert.Equal([10UL, 10UL, 7UL], _users.Usage.Select(u => u.Octets));
    }

    [Fact]
    public void Only_so_much_is_under_way_and_a_full_access_point_does_not_fill_it_for_others()
    {
        var bench = new CoordinatorBench(new CoordinatorOptions { Users = _users, MaxEapExchanges = 16 });
        for (var i = 0; i < 10; i++)
        {
            bench.Tell(1, Eap(new MacAddress(0x0200_0000_1000 + (ulong)i), bench.NextId()));
        }

        Assert.Equal((2, 8L), (_users.Asked.Count, bench.Core.EapRefused));
        bench.Tell(2, Eap(Client, bench.NextId()));
        Assert.Equal(3, _users.Asked.Count);
        _users.Asked.Dequeue().Done(new EapVerdict(EapOutcome.Reject, new Octets([4, 7, 0, 4])));
        bench.Tell(1, Eap(Client, bench.NextId()));
        Assert.Equal(3, _users.Asked.Count);
    }

    [Fact]
    public void Without_users_access_points_are_told_so_and_who_claims_no_address_is_refused()
    {
        var bench = new CoordinatorBench();
        Assert.Equal(EapOutcome.Unavailable, bench.Ask<EapToClient>(1, Eap(Client, bench.NextId())).Outcome);
        Assert.Equal(AckStatus.Refused, bench.Ask<Ack>(1, Used(SessionProof.Eap, 1) with { Id = bench.NextId() }).Status);
        Assert.Equal(EapOutcome.Unavailable, _bench.Ask<EapToClient>(1, Eap(MacAddress.None)).Outcome);
        Assert.Empty(_users.Asked);
    }

    /// <summary>A key is in no event and in no text of a message.</summary>
    [Fact]
    public void No_key_is_written_out()
    {
        var reply = Authenticate(1, Client, "alice", 1);
        var key = Convert.ToHexString(reply.Session!.Key.Span);
        var text = $"{reply} {_bench.Record} {string.Join(' ', _bench.Events)}";
        Assert.Contains("(32 octets)", text, StringComparison.Ordinal);
        Assert.DoesNotContain(key, text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("01, 01, 02, 03", text, StringComparison.OrdinalIgnoreCase);
    }

    private EapToClient Authenticate(ulong node, MacAddress client, string user, byte number, long ends = 0) =>
        Assert.Single(Accept(node, client, user, number, ends).Select(s => s.Message).OfType<EapToClient>());

    private IReadOnlyList<(ulong Session, ControlMessage Message)> Accept(ulong node, MacAddress client, string user, byte number, long ends = 0)
    {
        _bench.Tell(node, Eap(client));
        var (_, done) = _users.Asked.Dequeue();
        return _bench.During(() => done(new EapVerdict(EapOutcome.Accept, Success, PlayedUsers.Session(user, number, ends))));
    }

    private EapFromClient Eap(MacAddress client) => Eap(client, _bench.NextId());

    private static EapFromClient Eap(MacAddress client, ulong id) => new() { Id = id, Client = client, Exchange = 5, Eap = Response };

    private UserSessionQuery Query(MacAddress client) => new() { Id = _bench.NextId(), Client = client };

    private UserSessionUsed Used(SessionProof proof, ulong octets) => new()
    {
        Id = _bench.NextId(), Client = Client, Session = PlayedUsers.Id(1), Proof = proof, OctetsFrom = octets,
    };
}
