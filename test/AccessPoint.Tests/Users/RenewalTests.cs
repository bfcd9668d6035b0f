using Masquerade.AccessPoint.Users;
using Masquerade.Auth.Handshake;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using static Masquerade.AccessPoint.Tests.Users.UserBench;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>One session after another at the same access point: the port and what protects the link stay as they are until the new one has taken their place, and no other session opens them wider.</summary>
public sealed class RenewalTests : IDisposable
{
    private readonly UserBench _bench = new();
    private readonly PlayedClient _client = new(Client);

    public void Dispose() => _client.Dispose();

    /// <summary>A protected client authenticates again: the old keys protect its link until the new session's are there, and nothing passes in the clear at any moment.</summary>
    [Fact]
    [Trait("Req", "A-24")]
    [Trait("Req", "A-27")]
    public void A_protected_link_is_renewed_in_place()
    {
        LetIn();
        var arrivals = _bench.Take<Arrive>().Count;
        using var again = new PlayedClient(Client, 2);
        again.Join(_bench);
        Ask();
        var request = AskedWho();
        Assert.True(_client.Speak(_bench));
        _bench.Take<UserSessionUsed>();
        _bench.Authenticate(Client, again.SessionFor("ap1"), request);
        Assert.False(_bench.Speak(Client));
        Assert.True(_client.Speak(_bench));
        Assert.Equal((1, 1), (_bench.Node.AdmittedClients, _bench.Node.ProtectedClients));
        Assert.DoesNotContain(_bench.Take<UserSessionUsed>(), u => u.Session.Equals(Id(2)));

        again.Pump(_bench);
        Assert.True(again.Speak(_bench));
        Assert.False(_bench.Speak(Client));
        var used = Assert.Single(_bench.Take<UserSessionUsed>());
        Assert.Equal((SessionProof.Handshake, Id(2)), (used.Proof, used.Session));
        Assert.DoesNotContain(_bench.Output.Events, e => e is ClientShutOut);
        Assert.Equal(0, arrivals + _bench.Take<Arrive>().Count);

        // The keys of before are for what is under way, and no longer.
        _bench.Wait(3_000);
        Assert.False(_client.Speak(_bench));
        Assert.True(again.Speak(_bench));
    }

    /// <summary>Who authenticates in its name and never shows the key gets nothing by it, and the link is not used without protection.</summary>
    [Fact]
    [Trait("Req", "A-24")]
    public void A_new_session_that_nobody_proves_does_not_open_a_protected_link()
    {
        LetIn();
        Ask();
        _bench.Authenticate(Client, _client.SessionFor("ap1") with { Session = Id(9) }, AskedWho());
        Assert.False(_bench.Speak(Client));
        Settle();
        Assert.False(_bench.Speak(Client));
        Assert.Equal((0, 0), (_bench.Node.AdmittedClients, _bench.Node.ProtectedClients));
        Assert.Contains(_bench.Output.Events, e => e is HandshakeFailed { Failure: HandshakeFailure.Timeout });
    }

    /// <summary>The link layer's own authentication brings a session of another number by way of the coordinator. What was protected stays closed to what is not.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "A-24")]
    public void A_session_by_the_coordinators_word_does_not_open_a_protected_link(bool isAnothers)
    {
        var bench = new UserBench(new UsersConfig { Enabled = true, TrustLink = true });
        LetIn(bench, _client);
        using var again = new PlayedClient(Client, 2);
        again.Join(bench);
        var session = again.SessionFor("ap1", user: isAnothers ? "mallory" : "bob");
        bench.Push(id => new UserSessionChange { Id = id, Client = Client, Session = Id(1), Now = session, Reason = "authenticated again" });
        Assert.False(bench.Speak(Client));
        Assert.Equal(!isAnothers, _client.Speak(bench));
        again.Pump(bench);
        Assert.True(again.Speak(bench) || isAnothers);
        Assert.False(bench.Speak(Client));

        // Nor does it when it is asked for, later, with a link that is up.
        bench.Push(id => new UserSessionChange { Id = id, Client = Client, Session = Id(2), Now = session with { Session = Id(3), Key = Octets.Empty }, Reason = "authenticated again" });
        Settle(bench);
        Assert.False(bench.Speak(Client));
        Assert.Equal(0, bench.Node.AdmittedClients);
    }

    /// <summary>A new link is another story: what the link layer has proved there counts.</summary>
    [Fact]
    public void After_a_new_link_a_new_session_may_be_used_as_it_says()
    {
        var bench = new UserBench(new UsersConfig { Enabled = true, TrustLink = true });
        LetIn(bench, _client);
        bench.Node.OnAssociated(Client, bench.Now);
        bench.Wait(6_000);
        bench.Speak(Client);
        bench.Tell(Client, Session("bob", 4));
        bench.TellPolicy();
        Assert.Equal(1, bench.Node.AdmittedClients);
        Assert.Equal(0, bench.Node.ProtectedClients);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Req", "A-27")]
    public void Before_a_session_ends_the_client_is_asked_again_and_goes_on(bool isProtected)
    {
        using var again = new PlayedClient(Client, 2);
        if (isProtected)
        {
            _client.Join(_bench);
        }

        _bench.Authenticate(Client, _client.SessionFor("ap1") with { SecondsLeft = 600 });
        if (isProtected)
        {
            _client.Pump(_bench);
        }

        _bench.Admit(Client);
        _bench.TakeEapol(Client);
        byte[]? request = null;
        for (var second = 0; second < 599 && request is null; second++)
        {
            Assert.True(isProtected ? _client.Speak(_bench) : _bench.Speak(Client), $"second {second}");
            _bench.Wait(1_000);
            request = _bench.TakeEapol(Client).Find(IsIdentityRequest);
        }

        Assert.NotNull(request);
        again.Join(_bench);
        _bench.Authenticate(Client, again.SessionFor("ap1") with { SecondsLeft = 600 }, request);
        if (isProtected)
        {
            again.Pump(_bench);
        }

        for (var second = 0; second < 60; second++)
        {
            Assert.True(isProtected ? again.Speak(_bench) : _bench.Speak(Client), $"second {second} of the next session");
            _bench.Wait(1_000);
        }

        Assert.DoesNotContain(_bench.Output.Events, e => e is ClientShutOut);
        Assert.Empty(_bench.Take<Arrive>());
    }

    /// <summary>Anybody can ask for a handshake in the name of an ordinary client. That neither keeps the client's own word waiting nor works again at once.</summary>
    [Fact]
    public void A_forged_request_for_a_handshake_does_not_delay_an_ordinary_clients_start()
    {
        _bench.Authenticate(Client, _client.SessionFor("ap1"));
        _bench.Admit(Client);
        _bench.Wait(5_000);
        _bench.TakeEapol(Client);
        for (var i = 0; i < 3; i++)
        {
            Request();
            Assert.Equal(1L, _bench.Node.Links!.Begun);
            if (i == 0)
            {
                _bench.Output.Client.Clear();
                Ask();
                Assert.Contains(_bench.TakeEapol(Client), IsIdentityRequest);
            }

            Settle();
            Assert.True(_bench.Speak(Client));
        }

        Assert.Equal(2L, _bench.Node.Links!.Unexpected);
        _bench.Wait(60_000);
        Request();
        Assert.Equal(2L, _bench.Node.Links.Begun);
    }

    /// <summary>A flood of addresses that nobody has seen, while one client authenticates and another one shakes hands.</summary>
    [Fact]
    [Trait("Req", "A-23")]
    public void A_flood_of_new_addresses_displaces_nobody_who_has_answered()
    {
        using var walker = new PlayedClient(Other, 2);
        _bench.Eapol(Client, 1);
        _bench.Eapol(Client, 0, 2, _bench.TakeEapol(Client).Last()[5], 0, 7, 1, (byte)'b', (byte)'o');
        var asked = _bench.Take<EapFromClient>().Last();
        _bench.Hear(new EapToClient { Id = asked.Id, Client = Client, Exchange = asked.Exchange, Outcome = EapOutcome.Continue, Eap = new Octets([1, 77, 0, 6, 13, 0x20]) });
        _bench.Eapol(Client, 0, 2, 77, 0, 6, 13, 0);
        asked = _bench.Take<EapFromClient>().Last();
        walker.Join(_bench);
        _bench.Speak(Other);
        _bench.Tell(Other, walker.SessionFor("ap1", isProtected: true, user: "alice"));
        for (var i = 0; i < 3_000; i++)
        {
            _bench.Speak(new MacAddress(0x0200_0001_0000 + (ulong)i));
        }

        Assert.InRange(_bench.Node.UserClients, 2, 1_024);
        walker.Pump(_bench);
        Assert.Equal(1L, _bench.Node.Links!.Proven);
        _bench.Admit(Other);
        Assert.True(walker.Speak(_bench));
        _bench.Hear(new EapToClient { Id = asked.Id, Client = Client, Exchange = asked.Exchange, Outcome = EapOutcome.Accept, Eap = new Octets([3, 77, 0, 4]), Session = Session("bob") });
        _bench.Admit(Client);
        Assert.True(_bench.Speak(Client));
    }

    /// <summary>Stations that begin to authenticate and go no further take no place from whoever needs no EAP, and an exchange goes on without its place.</summary>
    [Fact]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-25")]
    public void Exchanges_that_stall_keep_nobody_out_who_needs_none()
    {
        var first = Engage(Client);
        for (var i = 1; i < 1_024; i++)
        {
            _bench.Wait(6);
            Engage(new MacAddress(0x0200_0001_0000 + (ulong)i));
        }

        Assert.Equal(1_024, _bench.Node.UserClients);
        using var walker = new PlayedClient(Other, 2);
        walker.Join(_bench);
        _bench.Speak(Other);
        _bench.Tell(Other, walker.SessionFor("ap1", isProtected: true, user: "alice"));
        var guest = MacAddress.Parse("02:00:00:00:00:13");
        _bench.Speak(guest);
        _bench.Tell(guest, Session("guest", 3, trusted: true));
        _bench.Admit(guest);
        _bench.Output.Uplink.Clear();
        _bench.Node.OnClientFrame(_bench.Packet(guest, source: "192.168.77.103"), OffloadInfo.None, _bench.Now);
        Assert.NotEmpty(_bench.Output.Uplink);
        walker.Pump(_bench);
        _bench.Admit(Other);
        Assert.True(walker.Speak(_bench));
        _bench.Hear(new EapToClient { Id = first.Id, Client = Client, Exchange = first.Exchange, Outcome = EapOutcome.Accept, Eap = new Octets([3, 77, 0, 4]), Session = Session("bob") });
        _bench.Admit(Client);
        Assert.True(_bench.Speak(Client));
    }

    /// <summary>When all places are taken by those who have answered, an address that nobody has seen waits, and who has authenticated does not.</summary>
    [Fact]
    public void Who_has_authenticated_finds_a_place_among_those_who_have_not()
    {
        List<UserClient> gone = [];
        var clients = new UserClients(32, c => c.Insists, gone.Add);
        for (var i = 0; i < 32; i++)
        {
            clients.Add(new MacAddress(0x0200_0001_0000 + (ulong)i))!.Insists = i != 20;
        }

        Assert.NotNull(clients.Add(new MacAddress(0x0200_0002_0000)));
        Assert.Equal([new MacAddress(0x0200_0001_0014)], gone.Select(c => c.Mac));
        clients.Find(new MacAddress(0x0200_0002_0000))!.Insists = true;
        Assert.Null(clients.Add(new MacAddress(0x0200_0002_0001)));
        Assert.Single(gone);
        Assert.NotNull(clients.Add(new MacAddress(0x0200_0002_0002), isProven: true));
        Assert.Equal((2, 32), (gone.Count, clients.Count));
    }

    /// <summary>The key of an access point is zeroed with the session that it is of, and with the client.</summary>
    [Theory]
    [InlineData("logs off")]
    [InlineData("another session")]
    [InlineData("ended")]
    [InlineData("elsewhere")]
    [InlineData("nobody's")]
    [Trait("Req", "A-24")]
    public void Keys_of_sessions_that_are_over_are_zeroed(string end)
    {
        var session = _client.SessionFor("ap1");
        if (end == "nobody's")
        {
            _bench.Hear(new UserSessionReply { Id = 4_711, Client = Client, Session = session });
            Assert.False(session.Key.Span.ContainsAnyExcept((byte)0));
            return;
        }

        _bench.Authenticate(Client, session);
        _bench.Admit(Client);
        Assert.True(session.Key.Span.ContainsAnyExcept((byte)0));
        var next = session with { Session = Id(2), Key = new Octets(session.Key.Span) };
        switch (end)
        {
            case "logs off":
                _bench.Eapol(Client, 2);
                _bench.Push(id => new UserSessionChange { Id = id, Client = Client, Session = Id(1), Now = null, Reason = "logged off" });
                break;
            case "another session":
                _bench.Wait(5_000);
                Ask();
                _bench.Authenticate(Client, next, AskedWho());
                Assert.True(next.Key.Span.ContainsAnyExcept((byte)0));
                break;
            case "ended":
                _bench.Push(id => new UserSessionChange { Id = id, Client = Client, Session = Id(1), Now = null, Reason = "denied" });
                break;
            default:
                _bench.Push(id => new FamChange { Id = id, Client = Client, Epoch = new Epoch(6), NewFam = new NodeId("ap2"), PreviousFam = new NodeId("ap1"), Token = 7, Routes = [] });
                break;
        }

        Assert.False(session.Key.Span.ContainsAnyExcept((byte)0));
    }

    /// <summary>A client that is seen, says who it is, and answers the server once; what it has said last.</summary>
    private EapFromClient Engage(MacAddress client)
    {
        _bench.Speak(client);
        _bench.Tell(client, null);
        _bench.Eapol(client, 0, 2, _bench.TakeEapol(client).Last()[5], 0, 7, 1, (byte)'b', (byte)'o');
        var asked = _bench.Take<EapFromClient>().Last(e => e.Client == client);
        _bench.Hear(new EapToClient { Id = asked.Id, Client = client, Exchange = asked.Exchange, Outcome = EapOutcome.Continue, Eap = new Octets([1, 77, 0, 6, 13, 0x20]) });
        _bench.Eapol(client, 0, 2, 77, 0, 6, 13, 0);
        return _bench.Take<EapFromClient>().Last(e => e.Client == client);
    }

    private static bool IsIdentityRequest(byte[] f) => f[1] == 0 && f[4] == 1 && f[8] == 1;

    private void Request()
    {
        var request = new byte[HandshakeFrame.MaxLength];
        _bench.Eapol(Client, 3, request[4..HandshakeRequest.Write(request)]);
    }

    /// <summary>The client says Start; with a protected link that means a handshake first, which nobody answers.</summary>
    private void Ask()
    {
        _bench.Eapol(Client, 1);
        if (_bench.Node.ProtectedClients > 0)
        {
            Settle();
        }
    }

    private byte[] AskedWho() => _bench.TakeEapol(Client).Last(IsIdentityRequest);

    private void Settle() => Settle(_bench);

    /// <summary>Long enough for a handshake to be given up.</summary>
    private static void Settle(UserBench bench)
    {
        for (var i = 0; i < 50; i++)
        {
            bench.Wait(100);
        }
    }

    private void LetIn() => LetIn(_bench, _client);

    private static void LetIn(UserBench bench, PlayedClient client)
    {
        client.Join(bench);
        bench.Authenticate(client.Mac, client.SessionFor("ap1"));
        client.Pump(bench);
        bench.Admit(client.Mac);
    }
}
