using Masquerade.Coordinator.Tests.Store;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Steps;
using Masquerade.RoamingCoordinator.Users;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Steps;

/// <summary>What is known of sessions that are over, and orders that the store does not keep.</summary>
public sealed class SessionEndTests
{
    private const long Day = 86_400_000;
    private readonly PlayedUsers _users = new() { LetsGuestsIn = true };
    private CoordinatorBench _bench;
    private ulong _exchange;

    public SessionEndTests() => _bench = new CoordinatorBench(Options());

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Req", "A-26")]
    [Trait("Req", "A-27")]
    public void The_device_of_a_user_who_is_denied_is_no_guest_while_that_stands(bool saidByAccessPoint)
    {
        Authenticate(1, Client, "alice", 1);
        Report(1, 1, SessionProof.Eap);
        if (saidByAccessPoint)
        {
            _bench.During(() => _bench.Core.TryDeny("alice", denied: true, _bench.Now));
            Report(1, 1, SessionProof.Over);
        }
        else
        {
            // It was over before he was denied.
            _bench.During(() => _bench.Core.EndUserSession(Client, _ => true, "disconnected", _bench.Now));
            _bench.During(() => _bench.Core.TryDeny("alice", denied: true, _bench.Now));
        }

        Assert.Null(_bench.Record.User);
        Assert.Null(Query(2, Client));
        Assert.Null(_bench.Record.User);
        Assert.Equal(GuestOutcome.Denied, Admit(Client));
        Assert.Equal("guest", Query(2, OtherClient)!.User);

        // While it stands, and no longer.
        _bench.During(() => _bench.Core.TryDeny("alice", denied: false, _bench.Now));
        Assert.Equal("guest", Query(2, Client)!.User);
        Assert.Equal(GuestOutcome.Done, Admit(Client));
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void A_guest_whose_user_is_denied_meanwhile_is_captive_no_more_but_out()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.During(() => _bench.Core.EndUserSession(Client, _ => true, "disconnected", _bench.Now));
        Assert.Equal("guest", Query(1, Client)!.User);
        Assert.Equal(GuestOutcome.Done, Admit(Client));
        _bench.During(() => _bench.Core.TryDeny("alice", denied: true, _bench.Now));
        Assert.Equal(GuestOutcome.Denied, Admit(Client));
        GuestOutcome? revoked = null;
        _bench.During(() => _bench.Core.RevokeGuest(Client, o => revoked = o, _bench.Now));
        Assert.Equal((GuestOutcome.Done, null), (revoked, _bench.Record.User));
        Assert.Null(Query(1, Client));
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void Other_users_sessions_at_the_device_do_not_make_it_forgotten_whose_it_is()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.During(() => _bench.Core.TryDeny("alice", denied: true, _bench.Now));
        Report(1, 1, SessionProof.Over);
        for (byte i = 0; i < 3 * SessionEnd.MaxKept; i++)
        {
            Authenticate(1, Client, $"user{i}", (byte)(10 + i));
            _bench.During(() => _bench.Core.EndUserSession(Client, _ => true, "disconnected", _bench.Now));
        }

        Assert.Equal(SessionEnd.MaxKept, _bench.Record.Over.Length);
        Assert.Null(Query(1, Client));

        // Who is here is remembered from now on.
        var before = _bench.Record.Over.Single(e => e.User is "alice").Until;
        _bench.Now += TimeSpan.FromDays(2);
        _bench.Connect(1);
        Assert.Null(Query(1, Client));
        Assert.InRange(_bench.Record.Over.Single(e => e.User is "alice").Until, before + (2 * Day), before + (2 * Day) + 60_000);
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_guest_who_is_admitted_after_a_users_time_gets_nothing_that_the_user_has_open()
    {
        Authenticate(1, Client, "alice", 1, ends: 1_000_000 + 60_000);
        _bench.Ask<ArriveReply>(1, _bench.Arrive(1));
        _bench.Ask<Ack>(1, _bench.Announce(_bench.Record.Epoch.Value, Mapping(1, 5_000, _bench.Record.Epoch.Value)));
        Assert.Single(_bench.Record.Mappings);
        _bench.Now += TimeSpan.FromSeconds(61);
        var outcome = GuestOutcome.Failed;
        var said = _bench.During(() => _bench.Core.AdmitGuest(Client, "room 7", "admitted", TimeSpan.FromMinutes(5), o => outcome = o, _bench.Now));
        Assert.Equal((GuestOutcome.Done, "guest:room 7"), (outcome, _bench.Record.User!.User));
        Assert.Empty(_bench.Record.Mappings);
        Assert.Empty(_bench.Record.Addresses);
        Assert.Contains(said, s => s is { Session: 1, Message: MappingsEnded });

        // A guest who is admitted goes on with what he has.
        _bench.Ask<Ack>(1, _bench.Announce(_bench.Record.Epoch.Value, Mapping(1, 5_001, _bench.Record.Epoch.Value)));
        Assert.Equal(GuestOutcome.Done, Admit(Client));
        Assert.Single(_bench.Record.Mappings);
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void An_access_point_that_uses_a_session_which_is_over_is_told_so_and_why()
    {
        _users.LetsGuestsIn = false;
        Authenticate(1, Client, "alice", 1);
        _bench.During(() => _bench.Core.EndUserSession(Client, _ => true, "disconnected", _bench.Now));
        var change = Assert.Single(_bench.Tell(2, Used(1, SessionProof.Handshake)).Select(s => s.Message).OfType<UserSessionChange>());
        Assert.Equal((PlayedUsers.Id(1), null, "disconnected"), (change.Session, change.Now, change.Reason));

        // What the store has not heard of may be what it has forgotten, and so may what is too long ago.
        Assert.DoesNotContain(_bench.Tell(3, Used(7, SessionProof.Handshake)), s => s.Message is UserSessionChange);
        _bench.Now += SessionEnd.Kept;
        _bench.Connect(3);
        Assert.DoesNotContain(_bench.Tell(3, Used(1, SessionProof.Handshake)), s => s.Message is UserSessionChange);
    }

    [Fact]
    public void A_claim_that_is_refused_gives_the_key_holder_no_session_to_account_for()
    {
        Authenticate(1, Client, "alice", 1);
        _bench.Ask<ArriveReply>(1, _bench.Arrive(1));
        Authenticate(2, Client, "mallory", 2);
        Assert.Equal([("alice", Client)], _users.TakenSessions);
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void An_order_that_the_store_has_no_room_for_is_not_said_to_be_done()
    {
        var store = new FullStore(new InMemoryClientStore(7));
        _bench = new CoordinatorBench(Options(), store);
        Authenticate(1, Client, "alice", 1);
        Query(1, OtherClient);
        store.IsFull = true;
        var changes = new List<UserChangeOutcome>();
        var guests = new List<GuestOutcome>();
        var said = _bench.During(() =>
        {
            _bench.Core.EndUserSession(Client, _ => true, "ended", changes.Add, _bench.Now);
            _bench.Core.ChangeUserSession(Client, _ => true, (u, _) => u with { Segment = "x" }, "changed", changes.Add, _bench.Now);
            _bench.Core.AdmitGuest(OtherClient, "n", "admitted", TimeSpan.FromMinutes(1), guests.Add, _bench.Now);

            // Nothing has to be kept of this.
            _bench.Core.EndUserSession(Client, _ => false, "ended", changes.Add, _bench.Now);
        });
        Assert.Equal([UserChangeOutcome.Failed, UserChangeOutcome.Failed, UserChangeOutcome.Unknown], changes);
        Assert.Equal([GuestOutcome.Failed], guests);
        Assert.DoesNotContain(said, s => s.Message is UserSessionChange);
        Assert.Equal("alice", _bench.Record.User!.User);
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void An_order_is_tried_again_for_a_while_and_then_it_is_said_that_it_is_not_done_or_may_be()
    {
        _users.LetsGuestsIn = false;
        var store = new SlowStore(new InMemoryClientStore(7));
        _bench = new CoordinatorBench(Options(), store);
        _bench.Tell(1, new EapFromClient { Id = _bench.NextId(), Client = Client, Exchange = 1, Eap = new Octets([2, 7, 0, 6, 1, 65]) });
        _users.Asked.Dequeue().Done(new EapVerdict(EapOutcome.Accept, new Octets([3, 7, 0, 4]), PlayedUsers.Session("alice", 1)));
        store.AnswerAll(_bench);

        // It comes back in time.
        Assert.Equal(UserChangeOutcome.Done, Order(StoreFailure.Unreachable, silently: false, waits: 1, u => u with { Segment = "a" }));
        Assert.Equal(UserChangeOutcome.Failed, Order(StoreFailure.Unreachable, silently: false, waits: 9, u => u with { Segment = "b" }));
        Assert.Equal(UserChangeOutcome.Unsure, Order(StoreFailure.None, silently: true, waits: 9, u => u with { Segment = u.Segment + "c" }));

        UserChangeOutcome? Order(StoreFailure failure, bool silently, int waits, Func<UserRecord, UserRecord?> change)
        {
            UserChangeOutcome? outcome = null;
            (store.Failure, store.SetsSilently) = (failure, silently);
            _bench.Core.ChangeUserSession(Client, _ => true, (u, _) => change(u), "changed", o => outcome = o, _bench.Now);
            for (var i = 0; i < waits; i++)
            {
                store.AnswerAll(_bench);
                _bench.Wait(250);
            }

            (store.Failure, store.SetsSilently) = (StoreFailure.None, false);
            for (var i = 0; i < 4 && outcome is null; i++)
            {
                _bench.Wait(250);
                store.AnswerAll(_bench);
            }

            return outcome;
        }
    }

    private CoordinatorOptions Options() => new() { Users = _users, EpochClock = 1_000_000 };

    private GuestOutcome Admit(MacAddress client)
    {
        var outcome = GuestOutcome.Failed;
        _bench.During(() => _bench.Core.AdmitGuest(client, "room 7", "admitted", TimeSpan.FromMinutes(10), o => outcome = o, _bench.Now));
        return outcome;
    }

    private UserSession? Query(ulong node, MacAddress client) => _bench.Ask<UserSessionReply>(node, new UserSessionQuery { Id = _bench.NextId(), Client = client }).Session;

    private UserSessionUsed Used(byte number, SessionProof proof) => new() { Id = _bench.NextId(), Client = Client, Session = PlayedUsers.Id(number), Proof = proof };

    private void Report(ulong node, byte number, SessionProof proof) => _bench.Ask<Ack>(node, Used(number, proof));

    private void Authenticate(ulong node, MacAddress client, string user, byte number, long ends = 0)
    {
        _bench.Tell(node, new EapFromClient { Id = _bench.NextId(), Client = client, Exchange = ++_exchange, Eap = new Octets([2, 7, 0, 6, 1, 65]) });
        var (_, done) = _users.Asked.Dequeue();
        _bench.During(() => done(new EapVerdict(EapOutcome.Accept, new Octets([3, 7, 0, 4]), PlayedUsers.Session(user, number, ends))));
    }

    /// <summary>A store that has no room, when the test wants it so.</summary>
    private sealed class FullStore(IClientStore store) : IClientStore
    {
        public bool IsFull { get; set; }

        public ulong Incarnation => store.Incarnation;

        public bool IsShared => store.IsShared;

        public int? ClientCount => store.ClientCount;

        public void Load(MacAddress client, Action<LoadResult> done) => store.Load(client, done);

        public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done)
        {
            if (IsFull)
            {
                done(new SetResult(StoreOutcome.Full));
                return;
            }

            store.CompareAndSet(record, loaded, scope, done);
        }

        public void Forget(NodeId node, MacAddress client) => store.Forget(node, client);

        public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) => store.FindClaim(mapping, done);

        public void List(NodeId node, ulong from, Action<ClientPage> done) => store.List(node, from, done);
    }
}
