using Masquerade.AccessPoint.Users;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Protection;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Testing;
using Xunit.Abstractions;
using static Masquerade.AccessPoint.Tests.Users.UserBench;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>The handshake and protected links at an access point: who gets one, what passes then, and that nobody comes in beside it.</summary>
public sealed partial class LinkTests(ITestOutputHelper output) : IDisposable
{
    private readonly UserBench _bench = new();
    private readonly PlayedClient _client = new(Client);

    public void Dispose() => _client.Dispose();

    [Fact]
    [Trait("Req", "A-24")]
    public void After_an_authentication_the_client_proves_its_key_and_everything_is_protected_from_then_on()
    {
        LetIn();
        Assert.Equal(1, _client.Rounds);
        Assert.Equal(1, _bench.Node.ProtectedClients);
        Assert.Equal(SessionProof.Handshake, _bench.Take<UserSessionUsed>().MaxBy(u => u.Id)!.Proof);
        Assert.Contains(new LinkProtected(Client, "bob"), _bench.Output.Events);

        Assert.True(_client.Speak(_bench));
        Assert.False(_bench.Speak(Client));
        Assert.Equal(1, _bench.Node.Drops[DropReason.NotProtected]);

        Assert.True(_client.Speak(_bench));
        Assert.True(_bench.Answer(_bench.LastSource()));
        _client.Inside.Clear();
        _client.Pump(_bench);
        Assert.Empty(_client.Clear);
        Assert.Equal("world"u8, _client.Inside.Single().AsSpan(^5));
    }

    [Fact]
    [Trait("Req", "A-25")]
    public void At_the_next_access_point_the_session_is_proved_in_two_round_trips_without_EAP()
    {
        LetIn();
        var next = Next();
        Arrive(next);
        Assert.Equal(SessionProof.Handshake, Assert.Single(next.Take<UserSessionUsed>()).Proof);
        Assert.Empty(next.Take<EapFromClient>());
        Assert.Equal(4, _client.Said.Count);
        next.Admit(Client);
        Assert.True(_client.Speak(next));
        Assert.False(next.Speak(Client));

        // And back: what was at the first one is nobody's any more.
        _bench.Push(id => new FamChange { Id = id, Client = Client, Epoch = new Epoch(6), NewFam = new NodeId("ap2"), PreviousFam = new NodeId("ap1"), Token = 7, Routes = [] });
        Assert.Equal(0, _bench.Node.ProtectedClients);
        Assert.False(_client.Speak(_bench));
    }

    /// <summary>Back and forth: each time two round trips, never EAP, and what was made at one access point is worth nothing at the other.</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void A_client_walks_back_and_forth_by_the_handshake_alone()
    {
        LetIn();
        UserBench[] benches = [_bench, Next()];
        foreach (var bench in benches)
        {
            bench.Take<EapFromClient>();
        }

        var here = 0;
        for (var walk = 0; walk < 10; walk++)
        {
            var (left, next, name) = (benches[here], benches[1 - here], here == 0 ? "ap2" : "ap1");
            var epoch = (ulong)(10 + walk);
            var old = _client.Protect(left.Packet(Client));
            var handshakes = next.Node.Links!.Proven;
            _client.Join(next);
            next.Wait(6_000);
            next.Speak(Client);
            next.Tell(Client, _client.SessionFor(name, isProtected: true));
            _client.Pump(next);
            next.Admit(Client, epoch);
            left.Push(id => new FamChange { Id = id, Client = Client, Epoch = new Epoch(epoch), NewFam = new NodeId(name), PreviousFam = new NodeId(here == 0 ? "ap1" : "ap2"), Token = epoch, Routes = [] });
            Assert.True(_client.Speak(next, 50_000 + walk), $"walk {walk}");
            Assert.Equal(handshakes + 1, next.Node.Links.Proven);
            Assert.Equal((0, 1), (left.Node.ProtectedClients, next.Node.ProtectedClients));
            foreach (var bench in benches)
            {
                bench.Output.Uplink.Clear();
                bench.Node.OnClientFrame(old.ToArray(), OffloadInfo.None, bench.Now);
                Assert.Empty(bench.Output.Uplink);
                Assert.Empty(bench.Take<EapFromClient>());
            }

            here = 1 - here;
        }
    }

    /// <summary>Session-Timeout and Idle-Timeout hold for protected clients too; what others send with their address does not keep them alive.</summary>
    [Theory]
    [InlineData(10, 0)]
    [InlineData(0, 10)]
    public void A_protected_session_ends_by_itself_and_its_keys_with_it(int seconds, int idle)
    {
        _client.Join(_bench);
        _bench.Authenticate(Client, _client.SessionFor("ap1") with { SecondsLeft = (uint)seconds, IdleSeconds = (uint)idle });
        _client.Pump(_bench);
        _bench.Admit(Client);
        Assert.True(_client.Speak(_bench));
        for (var i = 0; i < 12; i++)
        {
            _bench.Wait(1_000);
            _bench.Speak(Client);
        }

        Assert.False(_client.Speak(_bench));
        Assert.Equal(0, _bench.Node.ProtectedClients);
        Assert.Contains(_bench.Take<UserSessionUsed>(), u => u.Proof == SessionProof.Over);
    }

    /// <summary>The domino rule: what one access point was told opens nothing at another.</summary>
    [Fact]
    [Trait("Req", "A-24")]
    public void An_access_point_with_the_key_of_another_proves_nobody()
    {
        LetIn();
        var next = Next();
        _client.Join(next);
        next.Speak(Client);
        next.Tell(Client, _client.SessionFor("ap1", isProtected: true));
        _client.Pump(next);
        Assert.Equal(0, next.Node.AdmittedClients);
        Assert.True(next.Node.Links![HandshakeDrop.BadMic] > 0);
    }

    [Fact]
    public void Who_has_an_ordinary_supplicant_is_let_in_by_EAP_where_that_is_allowed()
    {
        _bench.Authenticate(Client, _client.SessionFor("ap1"));
        _bench.Admit(Client);
        Settle(_bench);
        Assert.True(_bench.Speak(Client));
        Assert.Equal((0L, 0L), (_bench.Node.Links!.Begun, _bench.Node.Links.Proven));
        Assert.DoesNotContain(_bench.TakeEapol(Client), f => f[1] == 3);

        // Somebody asks in its name: it does not answer, and goes on.
        var request = new byte[HandshakeFrame.MaxLength];
        _bench.Eapol(Client, 3, request[4..HandshakeRequest.Write(request)]);
        Settle(_bench);
        Assert.True(_bench.Speak(Client));
        Assert.Equal((1L, 1L, 0L), (_bench.Node.Links.Begun, _bench.Node.Links.Unanswered, _bench.Node.Links.Proven));
        Assert.DoesNotContain(_bench.Output.Events, e => e is HandshakeFailed);
        Assert.Equal(0, _bench.Node.ProtectedClients);
    }

    [Fact]
    public void Where_it_is_required_nothing_passes_before_the_handshake()
    {
        var bench = new UserBench(new UsersConfig { Enabled = true, Protection = LinkProtection.Required });
        bench.Authenticate(Client, _client.SessionFor("ap1"));
        bench.TellPolicy();
        Assert.False(bench.Speak(Client));
        Assert.Empty(bench.Take<Arrive>());
        _client.Join(bench);
        _client.Pump(bench);
        bench.Admit(Client);
        Assert.True(_client.Speak(bench));

        // A trusted address proves nothing and protects nothing.
        bench.Speak(Other);
        bench.Tell(Other, Session("printer", 2, trusted: true));
        bench.TellPolicy();
        Settle(bench);
        Assert.False(bench.Speak(Other));
    }

    [Fact]
    public void Where_it_is_required_an_ordinary_supplicant_does_not_get_in()
    {
        var bench = new UserBench(new UsersConfig { Enabled = true, Protection = LinkProtection.Required });
        bench.Authenticate(Client, _client.SessionFor("ap1"));
        bench.TellPolicy();
        Settle(bench);
        Assert.False(bench.Speak(Client));
        Assert.Empty(bench.Take<Arrive>());
        Assert.Contains(bench.Output.Events, e => e is HandshakeFailed { Failure: HandshakeFailure.Timeout });
    }

    /// <summary>A session that has had a protected link is let in nowhere without one, whatever the link layer says.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Req", "A-25")]
    public void Whose_link_was_protected_once_gets_in_nowhere_in_the_clear(bool trustLink)
    {
        var bench = new UserBench(new UsersConfig { Enabled = true, TrustLink = trustLink });
        bench.Node.OnAssociated(Client, bench.Now);
        bench.Tell(Client, _client.SessionFor("ap1", isProtected: true));
        bench.TellPolicy();
        Settle(bench);
        Assert.False(bench.Speak(Client));
        Assert.Equal(0, bench.Node.AdmittedClients);

        // Without an answer it is asked who it is, by EAP.
        Assert.Contains(bench.TakeEapol(Client), f => f[1] == 0 && f[4] == 1 && f[8] == 1);
    }

    /// <summary>Whoever can keep messages from coming does not get the client a link in the clear: it has shown the key, so it has the program.</summary>
    [Fact]
    [Trait("Req", "A-24")]
    public void Who_has_shown_the_key_is_not_let_go_on_in_the_clear_because_the_last_word_is_suppressed()
    {
        _client.Loses = frame => frame > 1;
        LetIn();
        Settle(_bench);
        Assert.Contains(_bench.Output.Events, e => e is HandshakeFailed { Failure: HandshakeFailure.Timeout });
        Assert.Equal((0, 0), (_bench.Node.ProtectedClients, _bench.Node.AdmittedClients));
        Assert.False(_bench.Speak(Client));
    }

    /// <summary>The news that a session is over goes where the client is; what another access point remembers of it is asked about again.</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public void What_is_remembered_of_an_earlier_visit_is_over_when_the_coordinator_knows_of_no_session()
    {
        var next = Next();
        next.Speak(Client);
        next.Tell(Client, _client.SessionFor("ap2", isProtected: true));
        next.TellPolicy();
        Settle(next);
        Assert.Equal(0, next.Node.AdmittedClients);

        next.Wait(60_000);
        next.Output.Client.Clear();
        next.Take<UserSessionUsed>();
        _client.Join(next);
        next.Speak(Client);
        next.Tell(Client, session: null);
        _client.Pump(next);
        Assert.Equal(0, next.Node.AdmittedClients);
        Assert.Empty(_client.Said);
    }

    /// <summary>Until the coordinator has heard that the link is protected, this access point remembers it by itself.</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void An_old_word_of_the_session_does_not_make_it_unprotected_again()
    {
        LetIn();
        _bench.Node.OnAssociated(Client, _bench.Now);
        Assert.Equal(0, _bench.Node.ProtectedClients);
        _bench.Tell(Client, _client.SessionFor("ap1", isProtected: false));
        _client.Join(_bench);
        _client.Pump(_bench);
        Assert.Equal(1, _bench.Node.ProtectedClients);
        Assert.False(_bench.Speak(Client));
        Assert.True(_client.Speak(_bench));
    }

    [Fact]
    public void A_logoff_in_the_name_of_a_protected_client_does_nothing()
    {
        LetIn();
        _bench.Eapol(Client, 2);
        Assert.True(_client.Speak(_bench));
        Assert.Equal(1, _bench.Node.Links!.LogoffsIgnored);
    }

    [Fact]
    public void A_start_makes_new_keys_without_loss_and_a_forged_one_does_no_harm()
    {
        LetIn();
        for (var i = 0; i < 5; i++)
        {
            _bench.Eapol(Client, 1);
            Assert.True(_client.Speak(_bench));
            _client.Pump(_bench);
            Assert.True(_client.Speak(_bench));
            Assert.Equal(i + 2, _client.Rounds);
            _bench.Wait(10);
        }

        Assert.Empty(_bench.Take<EapFromClient>());

        // The client does not hear it: the link is as good as before.
        _bench.Eapol(Client, 1);
        Settle(_bench);
        Assert.True(_client.Speak(_bench));
        Assert.Equal(1, _bench.Node.AdmittedClients);
    }

    /// <summary>A client program that was begun anew has no key: it is asked who it is, and gets a session of its own.</summary>
    [Fact]
    [Trait("Req", "A-23")]
    public void A_client_that_has_lost_its_key_authenticates_anew()
    {
        LetIn();
        _bench.Eapol(Client, 1);
        Settle(_bench);
        var request = _bench.TakeEapol(Client).Last(f => f[1] == 0 && f[4] == 1 && f[8] == 1);
        using var again = new PlayedClient(Client, 2);
        again.Join(_bench);
        _bench.Authenticate(Client, again.SessionFor("ap1"), request);
        again.Pump(_bench);
        Assert.True(again.Speak(_bench));

        // The keys of before are for what is under way.
        _bench.Wait(3_000);
        Assert.False(_client.Speak(_bench));
        Assert.Equal(1, _bench.Node.ProtectedClients);
    }

    /// <summary>Any one message of the handshake gets lost, then any two in a row.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Lost_messages_only_delay_it(int inARow)
    {
        for (var lost = 0; lost < 4; lost++)
        {
            using var client = new PlayedClient(Client);
            var bench = new UserBench();
            client.Join(bench);
            client.Loses = n => n >= lost && n < lost + inARow;
            bench.Authenticate(Client, client.SessionFor("ap1"));
            for (var i = 0; i < 40; i++)
            {
                client.Pump(bench);
                bench.Wait(100);
            }

            bench.Admit(Client);
            Assert.True(client.Speak(bench), $"message {lost + 1} lost");
        }
    }

    [Fact]
    public void Replayed_frames_and_messages_change_nothing()
    {
        LetIn();
        var frame = _client.Protect(_bench.Packet(Client));
        for (var i = 0; i < 1_000; i++)
        {
            _bench.Node.OnClientFrame(frame.ToArray(), OffloadInfo.None, _bench.Now);
            foreach (var said in _client.Said)
            {
                _bench.Node.OnClientFrame(said.ToArray(), OffloadInfo.None, _bench.Now);
            }
        }

        Assert.Equal(999, _bench.Node.Drops[DropReason.LinkReplayed]);
        Assert.Equal(2_000, _bench.Node.Links![HandshakeDrop.Unexpected]);
        Assert.Equal(1, _bench.Node.Links.Proven);
        Assert.True(_client.Speak(_bench));
    }

    [Fact]
    public void Forged_key_frames_and_forged_data_do_nothing()
    {
        LetIn();
        var seed = Seed.Number(output);
        var random = new Random((int)seed);
        var clients = _bench.Node.UserClients;
        var message = _client.Said[0];
        for (var i = 0; i < 1_000; i++)
        {
            var forged = message.ToArray();
            forged[14 + 4 + random.Next(forged.Length - 18)] ^= (byte)(1 << random.Next(8));
            _bench.Node.OnClientFrame(forged, OffloadInfo.None, _bench.Now);
            _bench.Eapol(Client, 3, [.. Enumerable.Range(0, random.Next(300)).Select(_ => (byte)random.Next(256))]);
            _bench.Eapol(new MacAddress(0x0200_0002_0000 + (ulong)i), 3, new byte[95]);
            var frame = _client.Protect(_bench.Packet(Client));
            frame[random.Next(14, frame.Length)] ^= (byte)(1 << random.Next(8));
            _bench.Node.OnClientFrame(frame, OffloadInfo.None, _bench.Now);
        }

        Assert.True(_client.Speak(_bench), $"seed {seed}");
        Assert.Equal(clients, _bench.Node.UserClients);
        Assert.Equal(1_000, _bench.Node.Links!.Unexpected);
        Assert.Equal(1, _bench.Node.Links.Proven);
        Assert.Equal(1, _client.Rounds);
        Assert.InRange(_bench.Node.Drops[DropReason.LinkForged] + _bench.Node.Drops[DropReason.LinkReplayed] + _bench.Node.Drops[DropReason.Truncated], 1_000, 1_000);
    }

    private static void Fix(byte[] frame)
    {
        frame[24] = frame[25] = 0;
        var sum = Masquerade.Core.Checksum.InternetChecksum.Compute(frame.AsSpan(14, 20));
        (frame[24], frame[25]) = ((byte)(sum >> 8), (byte)sum);
    }

    /// <summary>Long enough for a handshake to be given up.</summary>
    private static void Settle(UserBench bench)
    {
        for (var i = 0; i < 50; i++)
        {
            bench.Wait(100);
        }
    }

    private static UserBench Next() => new(change: m => m with { Node = new NodeId("ap2") });

    private void Arrive(UserBench next)
    {
        _client.Join(next);
        next.Speak(Client);
        next.Tell(Client, _client.SessionFor("ap2", isProtected: true));
        _client.Pump(next);
        next.TellPolicy();
    }

    private void LetIn() => LetIn(_bench, _client);

    private static void LetIn(UserBench bench, PlayedClient client)
    {
        client.Join(bench);
        bench.Authenticate(client.Mac, client.SessionFor("ap1"));
        client.Pump(bench);
        bench.Admit(client.Mac);
    }

    private sealed class QuietOutput : INodeOutput
    {
        public int Uplink { get; private set; }

        public int Client { get; private set; }

        public void SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload) => Uplink++;

        public void SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload) => Client++;

        public void SendControl(ControlMessage message)
        {
            // Nobody listens.
        }

        public void Report(EngineEvent engineEvent)
        {
            // Nobody listens.
        }
    }
}
