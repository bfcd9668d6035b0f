using Masquerade.Auth.Handshake;
using Masquerade.Auth.Peer;
using Masquerade.Auth.Protection;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Peer;

/// <summary>A client that walks between access points, with the air in the hands of the test.</summary>
[Trait("Req", "A-24")]
[Trait("Req", "A-25")]
public sealed partial class SupplicantTests : ISupplicantOutput, IDisposable
{
    private static readonly MacAddress Own = MacAddress.Parse("02:00:00:00:0a:0b");
    private readonly ITestOutputHelper _output;
    private readonly FakeAccessPoint _first = new("ap1", MacAddress.Parse("02:aa:00:00:00:01"), Own);
    private readonly FakeAccessPoint _second = new("ap2", MacAddress.Parse("02:aa:00:00:00:02"), Own);
    private readonly List<SupplicantEvent> _told = [];
    private readonly List<byte[]> _delivered = [];
    private readonly List<byte[]> _heard = [];
    private readonly Queue<byte[]> _sent = new();
    private readonly Supplicant _client;
    private FakeAccessPoint _at;
    private Instant _now = Instant.FromMilliseconds(1_000);
    private bool _keeps = true;

    public SupplicantTests(ITestOutputHelper output)
    {
        _output = output;
        _at = _first;
        _client = Make(new SupplicantConfig());
    }

    public void Dispose() => _client.Dispose();

    void ISupplicantOutput.Send(ReadOnlySpan<byte> frame)
    {
        if (_keeps)
        {
            _sent.Enqueue(frame.ToArray());
        }
    }

    void ISupplicantOutput.Deliver(ReadOnlySpan<byte> frame)
    {
        if (_keeps)
        {
            _delivered.Add(frame.ToArray());
        }
    }

    void ISupplicantOutput.Tell(SupplicantEvent what)
    {
        _output.WriteLine(what.ToString());
        _told.Add(what);
    }

    [Fact]
    public void A_client_authenticates_once_and_walks_with_the_handshake_alone()
    {
        Enter();
        AssertTraffic();
        Assert.Equal(3, _first.Eap);

        Walk(_second);
        var walked = _told[^1];
        Assert.Equal((SupplicantEventKind.LinkProtected, "ap2", false, 3, 2), (walked.Kind, walked.Node.Name, walked.WithEap, walked.FramesSent, walked.FramesReceived));
        Assert.Equal(0, _second.Eap);
        AssertTraffic();

        // And back, where the access point still has its state.
        Walk(_first);
        Assert.Equal("ap1", _client.Node.Name);
        Assert.Equal(3, _first.Eap);
        AssertTraffic();
    }

    [Fact]
    public void A_bridge_that_changes_under_the_client_without_a_word_is_enough()
    {
        Enter();
        _second.Know(_first.Session!);
        _at = _second;
        ToClient(_second.Offer(_now));
        Run();
        Assert.Equal((SupplicantEventKind.LinkProtected, "ap2"), (_told[^1].Kind, _told[^1].Node.Name));
        AssertTraffic();
    }

    [Fact]
    public void Access_points_that_have_one_address_are_told_apart_by_their_names()
    {
        Enter();
        var third = new FakeAccessPoint("ap3", _first.Address, Own);
        third.Know(_first.Session!);
        _at = third;
        ToClient(third.Offer(_now));
        Run();
        Assert.Equal((SupplicantEventKind.LinkProtected, "ap3", 2, 2), (_told[^1].Kind, _client.Node.Name, _told[^1].FramesSent, _told[^1].FramesReceived));
        AssertTraffic();
        ToClient(third.Offer(_now));
        Run();
        Assert.Equal(SupplicantEventKind.KeysRenewed, _told[^1].Kind);
        Walk(_first);
        Assert.Equal("ap1", _client.Node.Name);
        AssertTraffic();
    }

    [Fact]
    public void New_keys_come_without_harm_and_an_access_point_that_has_lost_its_memory_gets_its_client_back()
    {
        Enter();
        for (var i = 0; i < 6; i++)
        {
            ToClient(_first.Offer(_now));
            Run();
            Assert.Equal(SupplicantEventKind.KeysRenewed, _told[^1].Kind);
            AssertTraffic();
        }

        _first.Know(_first.Session!);
        ToClient(_first.Offer(_now));
        Run();
        AssertTraffic();
        Assert.Equal(3, _first.Eap);
    }

    [Fact]
    public void A_client_that_hears_nothing_more_asks_whether_it_is_still_known()
    {
        Enter();
        _second.Know(_first.Session!);
        _at = _second;
        _client.OnClient(Frame(100), _now);
        Run();
        Assert.Equal(SupplicantEventKind.LinkProtected, _told[^1].Kind);
        Assert.Equal("ap1", _client.Node.Name);
        Pass(TimeSpan.FromSeconds(6));
        Assert.Equal((1, "ap2"), (_second.Starts, _client.Node.Name));
        AssertTraffic();
    }

    [Fact]
    public void An_access_point_that_asks_who_is_there_before_it_hears_of_the_session_needs_no_answer()
    {
        Enter();
        _client.LinkDown(_now);
        _at = _second;
        _second.IsSilent = true;
        _client.LinkUp(_now);
        _sent.Clear();
        ToClient(_second.AskIdentity());
        _sent.Clear();
        _second.Know(_first.Session!);
        ToClient(_second.Offer(_now));
        Run();
        Assert.Equal(("ap2", SupplicantState.Authenticated), (_client.Node.Name, _client.State));
        Pass(TimeSpan.FromSeconds(60));
        Assert.DoesNotContain(_told, e => e.Kind == SupplicantEventKind.Rejected);
        AssertTraffic();
    }

    [Fact]
    public void Another_authentication_on_a_protected_link_changes_the_session_without_a_gap()
    {
        Enter();
        var session = _client.Session;
        ToClient(_first.AskIdentity());

        // The access point's handshake is a new one, and its key takes the place of the one before when message 2 has come.
        Run(frame => { if (_first.Handshake!.State != HandshakeState.Proving) { AssertTraffic(); } });
        Assert.NotEqual(session, _client.Session);
        Assert.Equal(6, _first.Eap);
        AssertTraffic();

        // The next access point names the new one; one that names the old one is told nothing.
        Walk(_second);
        AssertTraffic();
        Assert.Contains(_told, e => e is { Kind: SupplicantEventKind.LinkProtected, WithEap: true });
    }

    [Fact]
    public void A_session_that_the_client_does_not_have_is_told_of_once_and_EAP_follows()
    {
        Enter();
        _client.LinkDown(_now);
        Assert.True(Masquerade.Auth.Keys.SessionKey.TryDerive(FakeTls.Export("another", [], 64), new(4, 2), Own, out var other));
        _second.Know(other);
        _at = _second;
        _client.LinkUp(_now);
        Run();
        Pass(TimeSpan.FromSeconds(1));
        Assert.Single(_told, e => e.Kind == SupplicantEventKind.UnknownSession);
        ToClient(_second.AskIdentity());
        Run();
        Assert.Equal((SupplicantEventKind.LinkProtected, "ap2"), (_told[^1].Kind, _client.Node.Name));
        AssertTraffic();
    }

    [Fact]
    public void Forged_words_do_not_end_a_protected_link()
    {
        Enter();
        var stranger = new FakeAccessPoint("ap9", MacAddress.Parse("02:bb:00:00:00:09"), Own);
        stranger.Know(_first.Session!);
        for (var i = 0; i < 50; i++)
        {
            // Failures, an authentication that goes nowhere, and handshakes under many addresses.
            ToClient(_first.Failure());
            ToClient(stranger.Failure());
            var forged = new FakeAccessPoint("ap9", new MacAddress(0x02CC_0000_0000 + (ulong)i), Own);
            forged.Know(_first.Session!);
            ToClient(forged.Offer(_now));
            _sent.Clear();
            AssertTraffic();
        }

        Assert.Equal("ap1", _client.Node.Name);
        ToClient(stranger.AskIdentity());
        _sent.Clear();
        AssertTraffic();
        Walk(_second);
        AssertTraffic();
    }

    [Fact]
    public void A_client_without_a_protected_link_says_and_hears_nothing_and_says_so()
    {
        _first.OffersProtection = false;
        _client.LinkUp(_now);
        Run();
        Assert.Equal(SupplicantEventKind.Authenticated, _told[^1].Kind);
        Pass(TimeSpan.FromSeconds(6));
        Assert.Equal(SupplicantEventKind.NotProtected, _told[^1].Kind);
        _client.OnClient(Frame(100), _now);
        ToClient(Frame(100, _first.Address));
        Assert.Empty(_sent);
        Assert.Empty(_delivered);
        Assert.Equal((1, 1, false), (_client.Counters[SupplicantDrop.NoLink], _client.Counters[SupplicantDrop.NotProtected], _client.IsPlain));

        using var content = Make(new SupplicantConfig { PlainIsGood = true });
        content.LinkUp(_now);
        Run(client: content);
        _now += TimeSpan.FromSeconds(6);
        content.Advance(_now);
        Assert.True(content.IsPlain);
    }

    [Fact]
    public void Rejected_it_waits_and_asks_again_and_without_an_authenticator_it_goes_on_asking()
    {
        _first.Rejects = true;
        _client.LinkUp(_now);
        Run();
        Assert.Equal((SupplicantEventKind.Rejected, EapPeerFailure.Rejected, SupplicantState.Held), (_told[^1].Kind, _told[^1].Failure, _client.State));
        Pass(TimeSpan.FromSeconds(59));
        Assert.Equal(1, _first.Starts);
        Pass(TimeSpan.FromSeconds(2));
        Assert.Equal(2, _first.Starts);

        _first.IsSilent = true;
        _client.LinkDown(_now);
        _client.LinkUp(_now);
        Pass(TimeSpan.FromSeconds(10));
        Assert.Equal(5, _first.Starts);
        Assert.Equal(SupplicantEventKind.NoAuthenticator, _told[^1].Kind);
        Pass(TimeSpan.FromSeconds(300));
        Assert.InRange(_first.Starts, 9, 11);
    }

    [Fact]
    public void An_authenticator_that_falls_silent_is_given_up()
    {
        _client.LinkUp(_now);
        _sent.Clear();
        ToClient(_first.AskIdentity());
        _sent.Clear();
        Pass(TimeSpan.FromSeconds(31), deliver: false);
        Assert.Contains(_told, e => e is { Kind: SupplicantEventKind.Rejected, Failure: EapPeerFailure.Timeout });
        Assert.Equal(SupplicantState.Connecting, _client.State);
    }

    [Fact]
    public void Logged_off_it_is_silent_and_has_no_key()
    {
        Enter();
        _client.LogOff();
        Run();
        Assert.True(_first.Logoff);
        _client.OnClient(Frame(100), _now);
        ToClient(_first.AskIdentity());
        ToClient(_first.Offer(_now));
        Assert.Empty(_sent);
        Assert.False(_client.IsProtected);
    }

    [Fact]
    public void Frames_that_are_cut_off_altered_or_of_others_are_dropped()
    {
        Enter();
        var good = _first.Protect(Frame(100, _first.Address));
        for (var length = 0; length < good.Length - 1; length++)
        {
            ToClient(good[..length]);
        }

        var other = good.ToArray();
        other[5] ^= 1;
        ToClient(other);
        Assert.Equal(1, _client.Counters[SupplicantDrop.DestinationAddress]);
        for (var i = 14; i < good.Length; i++)
        {
            var altered = good.ToArray();
            altered[i] ^= 4;
            ToClient(altered);
        }

        Assert.Empty(_delivered);
        ToClient(good);
        Assert.Single(_delivered);
        ToClient(good);
        Assert.Single(_delivered);
        Assert.Equal(1, _client.Counters[ProtectionDrop.Replayed]);

        _client.OnClient(Frame(100, _first.Address), _now);
        _client.OnClient(new byte[13], _now);
        _client.OnClient(new byte[9_300], _now);
        Assert.Empty(_sent);
        Assert.Equal((1, 2), (_client.Counters[SupplicantDrop.ForeignSource], _client.Counters[SupplicantDrop.Length] - 14));
    }

    [Fact]
    public void Frames_of_the_whole_dialogue_altered_and_repeated_in_any_order_do_not_end_the_link()
    {
        var chance = Seed.Fresh(_output);
        Enter();
        ToClient(_first.Offer(_now));
        Run();
        var heard = _heard.ToArray();
        Assert.True(heard.Length > 6);
        for (var i = 0; i < 20_000; i++)
        {
            var frame = heard[chance.NextInt(heard.Length)].ToArray();
            for (var k = chance.NextInt(4); k > 0; k--)
            {
                frame[14 + chance.NextInt(frame.Length - 14)] = (byte)chance.NextInt(256);
            }

            if (chance.NextInt(4) == 0)
            {
                frame = frame[..chance.NextInt(frame.Length)];
            }

            ToClient(frame);
            _sent.Clear();
            if (i % 100 == 0)
            {
                _now += TimeSpan.FromMilliseconds(chance.NextInt(2_000));
                _client.Advance(_now);
                _sent.Clear();
                AssertTraffic();
            }
        }

        Assert.Equal("ap1", _client.Node.Name);
        Walk(_second);
        AssertTraffic();
    }

    [Fact]
    public void Nothing_is_allocated_for_a_frame()
    {
        Enter();
        _keeps = false;
        var (outbound, inbound) = (Frame(1_400), Enumerable.Range(0, 5_100).Select(_ => _first.Protect(Frame(1_400, _first.Address))).ToArray());
        var next = 0;
        var allocated = Allocations.Least(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                _client.OnClient(outbound, _now);
                _client.OnWire(inbound[next++], _now);
            }
        });
        Assert.Equal(0, allocated);
        Assert.Equal(5_000, _client.Counters.Delivered);
    }

    private Supplicant Make(SupplicantConfig config) =>
        new(config, Own, new EapPeer(new EapPeerConfig { Identity = "alice" }, () => new FakeTls(), FakeTls.Random), FakeTls.Random, this);

    private void Enter()
    {
        _client.LinkUp(_now);
        Run();
        Assert.Equal([SupplicantEventKind.Connecting, SupplicantEventKind.Authenticating, SupplicantEventKind.Authenticated, SupplicantEventKind.LinkProtected], _told.Select(e => e.Kind));
        Assert.Equal("ap1", _client.Node.Name);
    }

    private void Walk(FakeAccessPoint to)
    {
        _client.LinkDown(_now);
        if (to.Handshake is null)
        {
            to.Know(_first.Session!);
        }

        _at = to;
        _client.LinkUp(_now);
        Assert.True(_client.HoldsFrames);
        Run();
        Assert.False(_client.HoldsFrames);
    }

    private void Run(Action<byte[]>? between = null, Supplicant? client = null)
    {
        while (_sent.TryDequeue(out var frame))
        {
            foreach (var answer in _at.Take(frame, _now))
            {
                _heard.Add(answer);
                (client ?? _client).OnWire(answer, _now);
                var waiting = _sent.ToArray();
                _sent.Clear();
                between?.Invoke(answer);
                foreach (var kept in waiting)
                {
                    _sent.Enqueue(kept);
                }
            }
        }
    }

    private void Pass(TimeSpan time, bool deliver = true)
    {
        var end = _now + time;
        while (_now < end)
        {
            _now = Instant.Min(end, Instant.Max(_now, _client.NextDeadline));
            _client.Advance(_now);
            if (deliver)
            {
                Run();
            }
        }
    }

    private void ToClient(byte[] frame) => _client.OnWire(frame, _now);

    private void AssertTraffic()
    {
        _delivered.Clear();
        _at.Received.Clear();
        var (up, down) = (Frame(300), Frame(200, _at.Address));
        _client.OnClient(up, _now);
        Assert.Empty(_at.Take(_sent.Dequeue(), _now));
        Assert.Equal(up, Assert.Single(_at.Received));
        ToClient(_at.Protect(down));
        Assert.Equal(down, Assert.Single(_delivered));
    }

    private static byte[] Frame(int length, MacAddress source = default)
    {
        var frame = new byte[length];
        EthernetHeader.Write(frame, source.IsNone ? MacAddress.Parse("02:aa:00:00:00:01") : Own, source.IsNone ? Own : source, EtherType.IPv4);
        return frame;
    }
}
