using Masquerade.AccessPoint.Users;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using static Masquerade.AccessPoint.Tests.Users.UserBench;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>Who gets in, how that is known, and that nothing passes otherwise.</summary>
public sealed class UserSideTests
{
    private readonly UserBench _bench = new();

    [Fact]
    [Trait("Req", "A-26")]
    public void The_first_frame_of_an_unknown_client_asks_the_coordinator_and_nothing_else_happens()
    {
        Assert.False(_bench.Speak(Client));
        Assert.Equal(Client, Assert.Single(_bench.Take<UserSessionQuery>()).Client);
        Assert.Empty(_bench.Output.Control);
        Assert.Equal(1, _bench.Node.Drops[DropReason.NotAuthenticated]);

        // Not again for each frame.
        Assert.False(_bench.Speak(Client));
        Assert.Empty(_bench.Output.Control);
    }

    [Fact]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-26")]
    public void Who_is_not_known_is_asked_and_gets_in_when_the_key_holder_accepts()
    {
        _bench.Speak(Client);
        _bench.Tell(Client, null);
        var request = Assert.Single(_bench.TakeEapol(Client));
        Assert.Equal((1, 1), (request[4], request[8]));
        Assert.False(_bench.Speak(Client));
        Assert.Empty(_bench.Take<Arrive>());

        _bench.Authenticate(Client, Session("bob"));
        Assert.Empty(_bench.Take<UserSessionUsed>());
        _bench.TellPolicy();
        var used = Assert.Single(_bench.Take<UserSessionUsed>());
        Assert.Equal((Id(1), SessionProof.Eap), (used.Session, used.Proof));
        Assert.Equal(3, _bench.TakeEapol(Client).Last()[4]);
        _bench.Admit(Client);
        Assert.True(_bench.Speak(Client));
        Assert.True(_bench.Answer(_bench.LastSource()));
        Assert.Contains(new ClientAdmitted(Client, "bob", SessionProof.Eap), _bench.Output.Events);
        Assert.Equal(1, _bench.Node.AdmittedClients);
    }

    [Fact]
    [Trait("Req", "A-23")]
    public void Who_is_rejected_gets_nothing_through()
    {
        _bench.Eapol(Client, 1);
        var request = _bench.TakeEapol(Client).Last();
        _bench.Eapol(Client, 0, 2, request[5], 0, 7, 1, (byte)'b', (byte)'o');
        var asked = _bench.Take<EapFromClient>().Last();
        _bench.Hear(new EapToClient { Id = asked.Id, Client = Client, Exchange = asked.Exchange, Outcome = EapOutcome.Reject, Eap = new Octets([4, 2, 0, 4]) });
        Assert.Equal(4, _bench.TakeEapol(Client).Last()[4]);
        Assert.False(_bench.Speak(Client));
        Assert.Empty(_bench.Take<Arrive>());
    }

    /// <summary>An acceptance without a session, as of a coordinator that knows no users, opens nothing; neither does a success that a client says to itself.</summary>
    [Fact]
    [Trait("Req", "A-26")]
    public void An_acceptance_without_a_session_opens_nothing()
    {
        _bench.Eapol(Client, 1);
        var request = _bench.TakeEapol(Client).Last();
        _bench.Eapol(Client, 0, 2, request[5], 0, 7, 1, (byte)'b', (byte)'o');
        var asked = _bench.Take<EapFromClient>().Last();
        _bench.Hear(new EapToClient { Id = asked.Id, Client = Client, Exchange = asked.Exchange, Outcome = EapOutcome.Accept, Eap = new Octets([3, 2, 0, 4]) });
        _bench.Eapol(Client, 0, 3, 2, 0, 4);
        Assert.False(_bench.Speak(Client));
        Assert.Equal(0, _bench.Node.AdmittedClients);
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void A_session_alone_proves_nothing_unless_the_address_is_trusted_or_the_link_is()
    {
        _bench.Speak(Client);
        _bench.Tell(Client, Session("bob"));
        Assert.False(_bench.Speak(Client));
        Assert.NotEmpty(_bench.TakeEapol(Client));

        _bench.Speak(Other);
        _bench.Tell(Other, Session("printer", 2, trusted: true));
        _bench.TellPolicy();
        Assert.Equal(SessionProof.Trusted, Assert.Single(_bench.Take<UserSessionUsed>()).Proof);
        _bench.Admit(Other);
        Assert.True(_bench.Speak(Other));
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void A_link_whose_layer_has_proved_a_key_needs_no_more_than_the_session()
    {
        var bench = new UserBench(new UsersConfig { Enabled = true, TrustLink = true });
        bench.Node.OnAssociated(Client, bench.Now);
        bench.Tell(Client, Session("bob"));
        bench.TellPolicy();
        Assert.Equal(SessionProof.Link, Assert.Single(bench.Take<UserSessionUsed>()).Proof);
        bench.Admit(Client);
        Assert.True(bench.Speak(Client));

        // Another client without a link of its own is not covered by that.
        bench.Speak(Other);
        bench.Tell(Other, Session("eve", 2));
        Assert.False(bench.Speak(Other));
    }

    [Fact]
    [Trait("Req", "A-27")]
    public void A_user_who_is_denied_is_cut_off_both_ways_and_others_are_not_touched()
    {
        LetIn(Client, Session("bob"));
        Assert.True(_bench.Speak(Client));
        var masquerade = _bench.LastSource();
        LetIn(Other, Session("alice", 2));
        Assert.True(_bench.Speak(Other));
        var others = _bench.LastSource();

        _bench.Push(id => new UserDenied { Id = id, User = "bob" });
        Assert.False(_bench.Speak(Client));
        Assert.False(_bench.Answer(masquerade));
        Assert.True(_bench.Answer(others));
        Assert.True(_bench.Speak(Other));
        Assert.Contains(new ClientShutOut(Client, "bob", "denied"), _bench.Output.Events);
        Assert.Contains(_bench.Take<UserSessionUsed>(), u => u is { Proof: SessionProof.Over } && u.Client == Client);
        Assert.Equal(1, _bench.Node.AdmittedClients);
        Assert.Single(_bench.Take<Ack>());
    }

    [Fact]
    public void A_change_of_another_session_changes_nothing_and_one_of_this_session_ends_it()
    {
        LetIn(Client, Session("bob"));
        _bench.Push(id => new UserSessionChange { Id = id, Client = Client, Session = Id(9), Reason = "old" });
        Assert.True(_bench.Speak(Client));
        _bench.Push(id => new UserSessionChange { Id = id, Client = Client, Session = Id(1), Reason = "disconnected" });
        Assert.False(_bench.Speak(Client));
    }

    /// <summary>After a client has walked on, whoever uses its MAC address here has proved nothing (AirSnitch: port stealing at the former access point).</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void When_the_client_is_served_elsewhere_its_address_opens_nothing_here_any_more()
    {
        LetIn(Client, Session("bob"));
        _bench.Push(id => new FamChange { Id = id, Client = Client, Epoch = new Epoch(6), NewFam = new NodeId("ap2"), PreviousFam = new NodeId("ap1"), Token = 7, Routes = [] });
        Assert.False(_bench.Speak(Client));
        Assert.Empty(_bench.Take<Arrive>());
        Assert.Equal(0, _bench.Node.AdmittedClients);
    }

    [Fact]
    public void A_link_that_goes_takes_the_proof_with_it()
    {
        LetIn(Client, Session("bob"));
        _bench.Node.OnDisassociated(Client, _bench.Now);
        _bench.Wait(1_000);
        Assert.False(_bench.Speak(Client));
        Assert.Single(_bench.Take<UserSessionQuery>());
    }

    [Theory]
    [InlineData(10, 0, 9_000, 2_000)]
    [InlineData(0, 10, 9_000, 11_000)]
    public void A_session_ends_by_itself(int seconds, int idle, int before, int after)
    {
        LetIn(Client, Session("bob", 1, seconds: (uint)seconds, idle: (uint)idle));
        _bench.Wait(before);
        Assert.True(_bench.Speak(Client));
        _bench.Wait(after);
        _bench.Wait(10);
        Assert.False(_bench.Speak(Client));
        Assert.Contains(_bench.Output.Events, e => e is ClientShutOut);
    }

    [Fact]
    public void What_has_passed_is_told_from_time_to_time_and_at_the_end()
    {
        LetIn(Client, Session("bob"));
        var first = Assert.Single(_bench.Take<UserSessionUsed>());
        Assert.True(_bench.Speak(Client));
        Assert.True(_bench.Answer(_bench.LastSource()));

        // While nobody listens one report waits, and the counting goes on.
        _bench.Wait(61_000);
        Assert.Equal([first.Id], _bench.Take<UserSessionUsed>().Select(u => u.Id).Distinct());
        _bench.Hear(new Ack { Id = first.Id, Status = AckStatus.Ok });
        _bench.Wait(61_000);
        var used = _bench.Take<UserSessionUsed>().MaxBy(u => u.Id)!;
        Assert.Equal((1UL, 1UL, SessionProof.Eap), (used.PacketsFrom, used.PacketsTo, used.Proof));
        Assert.InRange(used.OctetsFrom, 47UL, 64UL);
        _bench.Hear(new Ack { Id = used.Id, Status = AckStatus.Ok });
        Assert.True(_bench.Speak(Client));
        _bench.Push(id => new UserDenied { Id = id, User = "bob" });
        Assert.Contains(_bench.Take<UserSessionUsed>(), u => u is { Proof: SessionProof.Over, PacketsFrom: 1, PacketsTo: 0 });
    }

    /// <summary>Who is let in is not displaced by addresses that somebody makes up, and they do not grow without end.</summary>
    [Fact]
    public void A_flood_of_unknown_addresses_is_bounded_and_touches_nobody()
    {
        var bench = new UserBench(new UsersConfig { Enabled = true, MaxClients = 64 });
        LetIn(Client, Session("bob"), bench);
        for (var i = 0; i < 10_000; i++)
        {
            bench.Speak(new MacAddress(0x0200_0001_0000 + (ulong)i));
            bench.Wait(0.01);
        }

        Assert.InRange(bench.Node.UserClients, 1, 64);
        Assert.True(bench.Speak(Client));
        bench.Take<UserSessionQuery>();
        LetIn(Other, Session("alice", 2), bench);
        Assert.True(bench.Speak(Other));
    }

    /// <summary>Nothing passes before it is known what the user may do, and then only that.</summary>
    [Fact]
    [Trait("Req", "A-26")]
    public void A_policy_is_asked_for_by_name_once_and_decides_what_passes()
    {
        const string Web = "policy web\nallow out udp to any port 80\n";
        var session = Session("bob") with { Policy = Name(Web) };
        _bench.Authenticate(Client, session);
        Assert.Equal(Name(Web), Assert.Single(_bench.Take<PolicyQuery>().DistinctBy(q => q.Id)).Policy);
        Assert.Empty(_bench.Take<Arrive>());
        Assert.False(_bench.Speak(Client));
        _bench.Wait(500);
        _bench.TellPolicy(Web);
        _bench.Admit(Client);
        Assert.True(_bench.Speak(Client));

        // Another user of the same policy needs no question; another policy does.
        _bench.Authenticate(Other, Session("carol", 3) with { Policy = Name(Web) });
        Assert.Empty(_bench.Take<PolicyQuery>());
        _bench.Admit(Other);
        Assert.True(_bench.Speak(Other));
        const string Nothing = "policy nothing\n";
        _bench.Push(id => new UserSessionChange { Id = id, Client = Client, Session = Id(1), Now = session with { Policy = Name(Nothing) }, Reason = "policy" });
        _bench.TellPolicy(Nothing);
        Assert.False(_bench.Speak(Client));
        Assert.True(_bench.Node.Drops[DropReason.Policy] > 0);
        Assert.True(_bench.Speak(Other));
    }

    [Fact]
    public void A_policy_that_is_not_the_one_of_its_name_lets_nobody_in()
    {
        _bench.Authenticate(Client, Session("bob"));
        var query = _bench.Take<PolicyQuery>().Last();
        _bench.Hear(new PolicyReply { Id = query.Id, Policy = query.Policy, Text = new Octets("policy other\nallow both any\n"u8) });
        Assert.False(_bench.Speak(Client));
        Assert.Contains(_bench.Output.Events, e => e is PolicyUnusable);
        Assert.Equal(0, _bench.Node.AdmittedClients);

        // Everything is asked for again when the client speaks later.
        _bench.Wait(6_000);
        _bench.Speak(Client);
        _bench.Tell(Client, Session("bob"));
        _bench.Authenticate(Client, Session("bob", 2));
        _bench.Admit(Client);
        Assert.True(_bench.Speak(Client));
    }

    /// <summary>What one session has proved does not count for another that comes while its policy is awaited.</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void A_proof_is_of_one_session_alone()
    {
        _bench.Speak(Client);
        _bench.Tell(Client, Session("printer", 2, trusted: true));
        _bench.Wait(6_000);
        _bench.Node.OnAssociated(Client, _bench.Now);
        if (_bench.Output.Control.OfType<UserSessionQuery>().Any())
        {
            _bench.Tell(Client, Session("alice", 3));
        }

        _bench.Eapol(Client, 1);
        var request = _bench.TakeEapol(Client).Last();
        _bench.Eapol(Client, 0, 2, request[5], 0, 7, 1, (byte)'b', (byte)'o');
        var asked = _bench.Take<EapFromClient>().Last();
        _bench.Hear(new EapToClient { Id = asked.Id, Client = Client, Exchange = asked.Exchange + 1, Outcome = EapOutcome.Accept, Eap = new Octets([3, 2, 0, 4]), Session = Session("alice", 3) });
        Assert.Equal(0, _bench.Node.AdmittedClients);
        Assert.DoesNotContain(_bench.Output.Events, e => e is ClientAdmitted { User: "alice" });
    }

    /// <summary>Once this hung the access point: a client that was shut out had its next report due for ever.</summary>
    [Fact]
    [Trait("Req", "A-26")]
    public void Who_logs_off_is_out_and_time_goes_on()
    {
        LetIn(Client, Session("bob"));
        _bench.Take<UserSessionUsed>();
        _bench.Eapol(Client, 2);
        Assert.Equal(SessionProof.Over, _bench.Take<UserSessionUsed>().MaxBy(u => u.Id)!.Proof);
        for (var i = 0; i < 10; i++)
        {
            _bench.Wait(61_000);
        }

        Assert.False(_bench.Speak(Client));
        Assert.True(_bench.Node.NextDeadline > _bench.Now);
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void A_new_link_asks_who_it_is_anew()
    {
        LetIn(Client, Session("bob"));
        _bench.Node.OnAssociated(Client, _bench.Now);
        Assert.False(_bench.Speak(Client));
        _bench.Tell(Client, Session("bob"));
        Assert.NotEmpty(_bench.TakeEapol(Client));
        Assert.Equal(0, _bench.Node.AdmittedClients);
    }

    /// <summary>A word about an earlier move comes late: the client has come back and been proved since.</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void A_late_word_about_an_earlier_move_shuts_nobody_out()
    {
        LetIn(Client, Session("bob"));
        _bench.Push(id => new FamChange { Id = id, Client = Client, Epoch = new Epoch(4), NewFam = new NodeId("ap2"), PreviousFam = new NodeId("ap1"), Token = 7, Routes = [] });
        Assert.True(_bench.Speak(Client));
    }

    [Fact]
    public void A_server_that_does_not_answer_shuts_nobody_out()
    {
        LetIn(Client, Session("bob"));
        _bench.Eapol(Client, 1);
        var request = _bench.TakeEapol(Client).Last();
        _bench.Eapol(Client, 0, 2, request[5], 0, 7, 1, (byte)'b', (byte)'o');
        for (var i = 0; i < 20; i++)
        {
            _bench.Wait(10_000);
        }

        Assert.True(_bench.Speak(Client));
        Assert.Equal(1, _bench.Node.AdmittedClients);
    }

    [Fact]
    public void An_answer_to_an_earlier_question_brings_no_session_back()
    {
        _bench.Speak(Client);
        var old = Assert.Single(_bench.Take<UserSessionQuery>());
        _bench.Hear(new UserSessionReply { Id = old.Id, Client = Client });
        _bench.Wait(6_000);
        _bench.Speak(Client);
        _bench.Hear(new UserSessionReply { Id = old.Id, Client = Client, Session = Session("printer", 2, trusted: true) });
        _bench.TellPolicy();
        Assert.Equal(0, _bench.Node.AdmittedClients);
    }

    /// <summary>The coordinator knows of the end what nobody here could (a lost store would look the same without it).</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public void What_is_remembered_of_a_session_that_is_known_to_be_over_lets_nobody_in_whatever_was_proved_of_it()
    {
        var session = Session("bob");
        _bench.Speak(Client);
        _bench.Tell(Client, session);
        _bench.Wait(6_000);
        _bench.Speak(Client);
        var query = Assert.Single(_bench.Take<UserSessionQuery>());
        Assert.Equal(session.Session, query.Known);

        // It is let in by that session while the answer is under way.
        _bench.Authenticate(Client, session);
        _bench.Admit(Client);
        Assert.True(_bench.Speak(Client));
        _bench.Hear(new UserSessionReply { Id = query.Id, Client = Client, Ended = session.Session, Reason = "disconnected" });
        Assert.Equal(0, _bench.Node.AdmittedClients);
        Assert.False(_bench.Speak(Client));
        Assert.Equal(SessionProof.Over, _bench.Take<UserSessionUsed>().Last().Proof);
    }

    [Fact]
    public void Groups_hear_something_only_where_somebody_is_let_in()
    {
        var group = MacAddress.Parse("ff:ff:ff:ff:ff:ff");
        Assert.False(_bench.Node.AdmitsTo(group));
        LetIn(Client, Session("bob"));
        Assert.True(_bench.Node.AdmitsTo(group));
        Assert.False(_bench.Node.AdmitsTo(Other));
    }

    [Fact]
    public void Eapol_goes_nowhere_else()
    {
        LetIn(Client, Session("bob"));
        _bench.Output.Uplink.Clear();
        _bench.Eapol(Client, 3, new byte[95]);
        _bench.Eapol(Client, 77, 1, 2, 3);
        Assert.Empty(_bench.Output.Uplink);
        Assert.True(_bench.Speak(Client));
    }

    private void LetIn(MacAddress client, UserSession session) => LetIn(client, session, _bench);

    private static void LetIn(MacAddress client, UserSession session, UserBench bench)
    {
        bench.Authenticate(client, session);
        bench.Admit(client);
    }
}
