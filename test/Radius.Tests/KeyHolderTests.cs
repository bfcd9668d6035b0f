using System.Security.Cryptography;
using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Radius.Tests;

/// <summary>The key holder with a server that does what the test says.</summary>
[Trait("Req", "A-23")]
public sealed class KeyHolderTests
{
    private static readonly byte[] Identity = [2, 1, 0, 8, 1, .. "bob"u8];
    private static readonly byte[] Word = [2, 2, 0, 6, 13, 0];
    private static readonly byte[] Success = [3, 2, 0, 4];
    private static readonly MacAddress Client = MacAddress.Parse("00:10:a4:23:19:c0");
    private static readonly byte[] Msk = RandomNumberGenerator.GetBytes(64);

    [Fact]
    public async Task The_server_is_told_who_asks_from_where_and_gets_its_State_back()
    {
        await using var server = Server((_, _) => Accept());
        await using var holder = new Holder(server);
        await holder.AuthenticateAsync();
        var requests = server.Requests.Select(r => RadiusPacket.TryParse(r.Octets, out var packet, out _) ? packet : default).ToList();
        Assert.Equal(2, requests.Count);
        Assert.Equal("bob", Text(requests[0], RadiusAttributeType.UserName));
        Assert.Equal("site", Text(requests[0], RadiusAttributeType.NasIdentifier));
        Assert.Equal("ap1:office", Text(requests[0], RadiusAttributeType.CalledStationId));
        Assert.Equal("00-10-A4-23-19-C0", Text(requests[0], RadiusAttributeType.CallingStationId));
        Assert.Equal((19u, 1_400u, 2u), (Number(requests[0], RadiusAttributeType.NasPortType), Number(requests[0], RadiusAttributeType.FramedMtu), Number(requests[0], RadiusAttributeType.ServiceType)));
        Assert.False(requests[0].TryGet(RadiusAttributeType.State, out _));
        Assert.True(requests[1].TryGet(RadiusAttributeType.State, out var state) && state.Value.SequenceEqual("state"u8));
        Assert.Equal(Word, requests[1].Concatenate(RadiusAttributeType.EapMessage));
        Assert.Equal(Text(requests[0], RadiusAttributeType.AcctSessionId), Text(requests[1], RadiusAttributeType.AcctSessionId));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public async Task The_session_key_is_the_one_of_decision_28()
    {
        await using var server = Server((_, _) => Accept());
        await using var holder = new Holder(server);
        using var grant = (await holder.AuthenticateAsync()).Grant!;
        Assert.True(SessionKey.TryDerive(Msk, grant.Session, Client, out var expected));
        using (expected)
        {
            using var ours = grant.Key!.DeriveFor(new NodeId("ap1"));
            using var theirs = expected.DeriveFor(new NodeId("ap1"));
            Assert.Equal(Link(theirs), Link(ours));
        }

        static string Link(AccessPointKey key)
        {
            Span<byte> octets = stackalloc byte[AccessPointKey.Length];
            key.CopyTo(octets);
            return Convert.ToHexString(octets);
        }
    }

    public static TheoryData<string, KeyHolderCount> Refusals => new()
    {
        { "no EAP", KeyHolderCount.AcceptWithoutSuccess },
        { "EAP-Failure", KeyHolderCount.AcceptWithoutSuccess },
        { "an EAP request", KeyHolderCount.AcceptWithoutSuccess },
        { "no key", KeyHolderCount.NoKey },
        { "a key of zeros", KeyHolderCount.NoKey },
        { "half a key", KeyHolderCount.NoKey },
        { "a session of no time", KeyHolderCount.BadTerms },
        { "seventeen filters", KeyHolderCount.BadTerms },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task An_accept_that_does_not_hold_is_a_refusal_by_name(string what, KeyHolderCount reason)
    {
        await using var server = Server((request, a) =>
        {
            if (what is not "no EAP")
            {
                a.AddLong(RadiusAttributeType.EapMessage, what switch { "EAP-Failure" => [4, 2, 0, 4], "an EAP request" => [1, 2, 0, 5, 13], _ => Success });
            }

            if (what is "half a key")
            {
                a.AddVendor(MsMppeKeys.Vendor, MsMppeKeys.RecvKey, SaltedSecret.Seal(Msk.AsSpan(0, 32), 1, request.Authenticator, ScriptedServer.Secret));
            }
            else if (what is not "no key")
            {
                MsMppeKeys.Write(a, what is "a key of zeros" ? new byte[64] : Msk, request.Authenticator, ScriptedServer.Secret);
            }

            for (var i = 0; i < (what is "seventeen filters" ? 17 : 1); i++)
            {
                a.Add(RadiusAttributeType.FilterId, $"policy {i}");
            }

            a.Add(RadiusAttributeType.SessionTimeout, what is "a session of no time" ? 0u : 60u);
            return RadiusCode.AccessAccept;
        });
        await using var holder = new Holder(server);
        var answer = await holder.AuthenticateAsync();
        Assert.Equal((EapOutcome.Reject, reason), (answer.Outcome, answer.Reason));
        Assert.Equal([4, 2, 0, 4], answer.Eap.ToArray());
        Assert.Null(answer.Grant);
    }

    [Fact]
    public async Task A_reject_is_a_failure_whatever_EAP_comes_with_it()
    {
        await using var server = Server((_, a) =>
        {
            a.AddLong(RadiusAttributeType.EapMessage, Success);
            return RadiusCode.AccessReject;
        });
        await using var holder = new Holder(server);
        var answer = await holder.AuthenticateAsync();
        Assert.Equal(EapOutcome.Reject, answer.Outcome);
        Assert.Equal([4, 2, 0, 4], answer.Eap.ToArray());
    }

    [Fact]
    public async Task The_same_word_is_answered_the_same_before_and_after_and_asked_once()
    {
        await using var server = Server((_, _) => Accept());
        await using var holder = new Holder(server);
        var first = await Task.WhenAll(holder.SayAsync(Identity), holder.SayAsync(Identity), holder.SayAsync(Identity));
        Assert.Single(first.Distinct());
        var last = await holder.SayAsync(Word);
        Assert.Same(last, await holder.SayAsync(Word));
        Assert.Equal(2, server.Requests.Count);
        Assert.Equal(3, holder.Holder_.Counters[KeyHolderCount.Repeated]);
        Assert.Equal(KeyHolderCount.UnknownExchange, (await holder.SayAsync([2, 3, 0, 6, 13, 0])).Reason);
    }

    [Fact]
    public async Task What_is_no_EAP_response_reaches_no_server()
    {
        await using var server = Server((_, _) => Accept());
        await using var holder = new Holder(server);
        byte[] whole = [2, 1, 0, 12, 1, .. "bob.bob"u8];
        for (var length = 0; length < whole.Length; length++)
        {
            Assert.Equal(KeyHolderCount.BadEap, (await holder.SayAsync(whole[..length])).Reason);
        }

        foreach (var code in new byte[] { 0, 1, 3, 4, 5, 255 })
        {
            Assert.Equal(KeyHolderCount.BadEap, (await holder.SayAsync([code, .. whole[1..]])).Reason);
        }

        Assert.Equal(KeyHolderCount.UnknownExchange, (await holder.SayAsync(Word)).Reason);
        Assert.Equal(KeyHolderCount.UnknownExchange, (await holder.SayAsync([2, 1, 0, 5, 1])).Reason);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task Who_only_began_makes_room_and_who_has_gone_on_stays()
    {
        await using var server = Server((_, _) => Accept(), challenges: int.MaxValue);
        await using var holder = new Holder(server, exchanges: 16);
        Assert.Equal(EapOutcome.Continue, (await holder.SayAsync(Identity)).Outcome);
        Assert.Equal(EapOutcome.Continue, (await holder.SayAsync(Word)).Outcome);
        for (ulong spoofed = 100; spoofed < 400; spoofed++)
        {
            Assert.Equal(EapOutcome.Continue, (await holder.SayAsync(Identity, spoofed)).Outcome);
        }

        Assert.Equal(16, holder.Holder_.Exchanges);
        Assert.Equal(285, holder.Holder_.Counters[KeyHolderCount.Displaced]);
        Assert.Equal(EapOutcome.Continue, (await holder.SayAsync([2, 3, 0, 6, 13, 0])).Outcome);
    }

    [Fact]
    public async Task Exchanges_are_forgotten_after_their_time_and_keys_with_them()
    {
        var time = new ManualTime();
        await using var server = Server((_, _) => Accept());
        await using var holder = new Holder(server, time: time);
        var grant = (await holder.AuthenticateAsync()).Grant!;
        await holder.SayAsync(Identity, 2);
        Assert.Equal(2, holder.Holder_.Exchanges);
        time.Pass(TimeSpan.FromSeconds(11));
        holder.Holder_.Sweep();
        Assert.Equal(1, holder.Holder_.Exchanges);
        Assert.Throws<ObjectDisposedException>(() => grant.Key!.DeriveFor(new NodeId("ap1")));
        time.Pass(TimeSpan.FromSeconds(60));
        holder.Holder_.Sweep();
        Assert.Equal((0, 1), (holder.Holder_.Exchanges, holder.Holder_.Counters[KeyHolderCount.TimedOut]));
    }

    [Fact]
    public async Task Without_a_server_nothing_is_said_about_the_user()
    {
        await using var server = new ScriptedServer(_ => []);
        await using var holder = new Holder(server, times: new RadiusTimes { Initial = TimeSpan.FromMilliseconds(100), Count = 2 });
        var answer = await holder.SayAsync(Identity);
        Assert.Equal((EapOutcome.Unavailable, KeyHolderCount.NoServer), (answer.Outcome, answer.Reason));
        Assert.Equal(0, holder.Holder_.Exchanges);
    }

    [Fact]
    public async Task A_real_client_gets_in_while_a_hundred_thousand_spoofed_ones_begin()
    {
        const int spoofed = 100_000;
        await using var server = Server((_, _) => Accept());
        await using var holder = new Holder(server, exchanges: 1_024);
        var flood = Task.Run(async () =>
        {
            for (var batch = 0; batch < spoofed / 100; batch++)
            {
                var first = 1_000ul + ((ulong)batch * 100);
                await Task.WhenAll(Enumerable.Range(0, 100).Select(i => holder.SayAsync(Identity, first + (ulong)i)));
            }
        });
        var real = 0;
        for (ulong exchange = 1; exchange <= 10; exchange++)
        {
            real += (await holder.SayAsync(Identity, exchange)).Outcome == EapOutcome.Continue && (await holder.SayAsync(Word, exchange)).Outcome == EapOutcome.Accept ? 1 : 0;
        }

        Assert.Equal(10, real);
        await flood;
        Assert.InRange(holder.Holder_.Exchanges, 1, 1_024);
        Assert.True(holder.Holder_.Counters[KeyHolderCount.Displaced] > spoofed / 2);
    }

    [Fact]
    public async Task Keys_are_in_no_text()
    {
        await using var server = Server((_, _) => Accept());
        await using var holder = new Holder(server);
        var answer = await holder.AuthenticateAsync();
        Assert.Equal("Accept (Accepts)", answer.ToString());
        Assert.DoesNotContain(Convert.ToHexStringLower(Msk), answer.Grant!.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    private static RadiusCode Accept() => RadiusCode.AccessAccept;

    /// <summary>Challenges a number of times, then does what the test says; a plain accept is made whole.</summary>
    private static ScriptedServer Server(Func<RadiusPacket, RadiusAttributeWriter, RadiusCode> end, int challenges = 1) => new(r =>
    {
        var attributes = new RadiusAttributeWriter();
        if (!r.TryGet(RadiusAttributeType.State, out _) || challenges > 1)
        {
            attributes.AddLong(RadiusAttributeType.EapMessage, [1, 2, 0, 6, 13, 0x20]).Add(RadiusAttributeType.State, "state"u8);
            return [ScriptedServer.Answer(r, RadiusCode.AccessChallenge, attributes)];
        }

        var code = end(r, attributes);
        if (attributes.Octets.IsEmpty)
        {
            attributes.AddLong(RadiusAttributeType.EapMessage, Success);
            MsMppeKeys.Write(attributes, Msk, r.Authenticator, ScriptedServer.Secret);
        }

        return [ScriptedServer.Answer(r, code, attributes)];
    });

    private static string Text(in RadiusPacket packet, RadiusAttributeType type)
    {
        Assert.True(packet.TryGet(type, out var attribute) && attribute.TryGetText(out _), type.ToString());
        attribute.TryGetText(out var text);
        return text;
    }

    private static uint Number(in RadiusPacket packet, RadiusAttributeType type) => packet.TryGet(type, out var attribute) && attribute.TryGetNumber(out var number) ? number : 0;

    private sealed class Holder : IAsyncDisposable
    {
        private readonly RadiusClient _radius;

        public Holder(ScriptedServer server, int exchanges = 16_384, TimeProvider? time = null, RadiusTimes? times = null)
        {
            _radius = new RadiusClient(new RadiusClientSettings { Servers = [server.Settings()], Times = times ?? new RadiusTimes() });
            Holder_ = new KeyHolder(new KeyHolderSettings { Nas = new NasSettings { Identifier = "site", Ssid = "office" }, MaximumExchanges = exchanges }, _radius, time);
        }

        public KeyHolder Holder_ { get; }

        public Task<KeyHolderAnswer> SayAsync(byte[] eap, ulong exchange = 1) =>
            Holder_.ExchangeAsync(new KeyHolderRequest { Node = new NodeId("ap1"), Client = Client, Exchange = exchange, Eap = eap });

        public async Task<KeyHolderAnswer> AuthenticateAsync()
        {
            Assert.Equal(EapOutcome.Continue, (await SayAsync(Identity)).Outcome);
            return await SayAsync(Word);
        }

        public async ValueTask DisposeAsync()
        {
            await Holder_.DisposeAsync();
            await _radius.DisposeAsync();
        }
    }
}
