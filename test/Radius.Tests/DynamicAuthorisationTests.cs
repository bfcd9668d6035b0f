using System.Net;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Radius.Tests;

[Trait("Req", "A-27")]
public sealed class DynamicAuthorisationTests(ITestOutputHelper output)
{
    private static readonly RadiusSecret Secret = new("what both of the test share");
    private static readonly IPAddress Server = IPAddress.Parse("192.0.2.7");
    private static readonly DateTimeOffset Now = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly DynamicAuthorisation _checker = New();

    private static RadiusAttributeWriter Bob => new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob").Add(RadiusAttributeType.EventTimestamp, Seconds(Now));

    [Fact]
    public void A_right_request_is_handed_on_once_and_answered_as_often_as_it_comes()
    {
        var octets = Request(RadiusCode.DisconnectRequest, Bob.Add(RadiusAttributeType.ProxyState, "way back"u8));
        var first = _checker.Receive(octets, Server, Now);
        Assert.Equal(DynamicCount.Requests, first.Reason);
        Assert.Equal("bob", first.Request!.Selector.User);
        Assert.Null(first.Request.Terms);
        Assert.Equal(DynamicCount.UnderWay, _checker.Receive(octets, Server, Now).Reason);

        var answer = _checker.Complete(first.Request, ErrorCause.None);
        Assert.True(RadiusPacket.TryParse(answer, out var ack, out _));
        Assert.Equal(RadiusCode.DisconnectAck, ack.Code);
        Assert.True(RadiusAuthenticators.IsAuthentic(ack, octets.AsSpan(4, 16), Secret) && RadiusAuthenticators.HasRightMessageAuthenticator(ack, octets.AsSpan(4, 16), Secret));
        Assert.True(ack.TryGet(RadiusAttributeType.ProxyState, out var state) && state.Value.SequenceEqual("way back"u8));

        for (var i = 0; i < 100; i++)
        {
            var again = _checker.Receive(octets, Server, Now.AddSeconds(i * 3));
            Assert.Equal((DynamicCount.Repeated, answer), (again.Reason, again.Answer));
        }
    }

    [Fact]
    public void A_recorded_request_is_never_done_again_whenever_it_is_replayed()
    {
        var octets = Request(RadiusCode.DisconnectRequest, Bob.Add(RadiusAttributeType.CallingStationId, "00-10-A4-23-19-C0"));
        var done = 0;
        for (var second = -400; second < 2_000; second++)
        {
            if (_checker.Receive(octets, Server, Now.AddSeconds(second)).Request is { } request)
            {
                done++;
                _checker.Complete(request, ErrorCause.None);
            }
        }

        Assert.Equal(1, done);
        Assert.Equal(601, _checker[DynamicCount.Requests] + _checker[DynamicCount.Repeated]);
    }

    public static TheoryData<string, DynamicCount> Forgeries => new()
    {
        { "stranger", DynamicCount.UnknownSource },
        { "another server's secret", DynamicCount.BadAuthenticator },
        { "no Message-Authenticator", DynamicCount.BadMessageAuthenticator },
        { "wrong Message-Authenticator", DynamicCount.BadMessageAuthenticator },
        { "no Event-Timestamp", DynamicCount.MissingTimestamp },
        { "301 seconds old", DynamicCount.Stale },
        { "301 seconds ahead", DynamicCount.Stale },
        { "an Access-Request", DynamicCount.UnknownType },
        { "an answer", DynamicCount.UnknownType },
        { "cut", DynamicCount.Malformed },
    };

    [Theory]
    [MemberData(nameof(Forgeries))]
    public void What_is_not_authentic_or_not_of_now_is_dropped_without_a_word(string what, DynamicCount reason)
    {
        var octets = what switch
        {
            "no Message-Authenticator" => RadiusEncoder.ComputedRequest(RadiusCode.CoaRequest, 1, Bob, Secret, withMessageAuthenticator: false),
            "wrong Message-Authenticator" => RadiusEncoder.ComputedRequest(
                RadiusCode.CoaRequest, 1, Bob.Add(RadiusAttributeType.MessageAuthenticator, new byte[16]), Secret, withMessageAuthenticator: false),
            "another server's secret" => RadiusEncoder.ComputedRequest(RadiusCode.CoaRequest, 1, Bob, new RadiusSecret("the other one"), withMessageAuthenticator: true),
            "no Event-Timestamp" => Request(RadiusCode.DisconnectRequest, new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob")),
            "an Access-Request" => Request(RadiusCode.AccessRequest, Bob),
            "an answer" => Request(RadiusCode.CoaAck, Bob),
            "cut" => Request(RadiusCode.CoaRequest, Bob)[..^1],
            _ => Request(RadiusCode.DisconnectRequest, Bob),
        };
        var now = what switch { "301 seconds old" => Now.AddSeconds(301), "301 seconds ahead" => Now.AddSeconds(-301), _ => Now };
        var verdict = _checker.Receive(octets, what is "stranger" ? IPAddress.Parse("192.0.2.8") : Server, now);
        Assert.Equal(reason, verdict.Reason);
        Assert.Null(verdict.Answer);
        Assert.Null(verdict.Request);
        Assert.Equal(1, _checker[reason]);
    }

    public static TheoryData<string, RadiusCode, ErrorCause> Mistakes => new()
    {
        { "an unknown attribute", RadiusCode.CoaRequest, ErrorCause.UnsupportedAttribute },
        { "a vendor's attribute", RadiusCode.CoaRequest, ErrorCause.UnsupportedAttribute },
        { "State", RadiusCode.CoaRequest, ErrorCause.UnsupportedAttribute },
        { "a filter", RadiusCode.DisconnectRequest, ErrorCause.UnsupportedAttribute },
        { "no session", RadiusCode.DisconnectRequest, ErrorCause.MissingAttribute },
        { "no session", RadiusCode.CoaRequest, ErrorCause.MissingAttribute },
        { "nothing to change", RadiusCode.CoaRequest, ErrorCause.MissingAttribute },
        { "another NAS", RadiusCode.DisconnectRequest, ErrorCause.NasIdentificationMismatch },
        { "another NAS's address", RadiusCode.DisconnectRequest, ErrorCause.NasIdentificationMismatch },
        { "two users", RadiusCode.DisconnectRequest, ErrorCause.InvalidRequest },
        { "Service-Type", RadiusCode.CoaRequest, ErrorCause.UnsupportedService },
        { "a session of no time", RadiusCode.CoaRequest, ErrorCause.InvalidAttributeValue },
        { "a number of three octets", RadiusCode.CoaRequest, ErrorCause.InvalidAttributeValue },
        { "no MAC address", RadiusCode.DisconnectRequest, ErrorCause.InvalidAttributeValue },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void What_cannot_be_done_whole_is_refused_by_its_Error_Cause(string what, RadiusCode code, ErrorCause expected)
    {
        var a = what is "no session" ? new RadiusAttributeWriter().Add(RadiusAttributeType.EventTimestamp, Seconds(Now)) : Bob;
        _ = what switch
        {
            "an unknown attribute" => a.Add((RadiusAttributeType)200, 1u),
            "a vendor's attribute" => a.AddVendor(9, 1, "x"u8),
            "State" => a.Add(RadiusAttributeType.State, "x"u8),
            "a filter" => a.Add(RadiusAttributeType.FilterId, "staff"),
            "another NAS" => a.Add(RadiusAttributeType.NasIdentifier, "elsewhere"),
            "another NAS's address" => a.Add(RadiusAttributeType.NasIpAddress, IPAddress.Parse("192.0.2.99")),
            "two users" => a.Add(RadiusAttributeType.UserName, "eve"),
            "Service-Type" => a.Add(RadiusAttributeType.ServiceType, 17u),
            "a session of no time" => a.Add(RadiusAttributeType.SessionTimeout, 0u),
            "a number of three octets" => a.Add(RadiusAttributeType.SessionTimeout, [0, 0, 1]),
            "no MAC address" => a.Add(RadiusAttributeType.CallingStationId, "00-10-A4-23-19"),
            _ => a,
        };
        if (code == RadiusCode.CoaRequest && what is not "nothing to change")
        {
            a.Add(RadiusAttributeType.FilterId, "quarantine");
        }

        var octets = Request(code, a);
        var verdict = _checker.Receive(octets, Server, Now);
        Assert.Null(verdict.Request);
        Assert.True(RadiusPacket.TryParse(verdict.Answer, out var nak, out _));
        Assert.Equal(code + 2, nak.Code);
        Assert.True(nak.TryGet(RadiusAttributeType.ErrorCause, out var cause) && cause.TryGetNumber(out var number) && number == (uint)expected);
        Assert.True(RadiusAuthenticators.HasRightMessageAuthenticator(nak, octets.AsSpan(4, 16), Secret));
    }

    [Fact]
    public void A_change_says_which_session_and_what_it_may_do_from_now_on()
    {
        var verdict = _checker.Receive(
            Request(RadiusCode.CoaRequest, Bob.Add(RadiusAttributeType.CallingStationId, "00-10-A4-23-19-C0").Add(RadiusAttributeType.AcctSessionId, "77").Add(RadiusAttributeType.NasIdentifier, "site")
                .Add(RadiusAttributeType.FilterId, "quarantine").Add(RadiusAttributeType.SessionTimeout, 60u)),
            Server, Now);
        var request = verdict.Request!;
        Assert.Equal(("bob", MacAddress.Parse("00:10:a4:23:19:c0"), "77"), (request.Selector.User, request.Selector.Client, request.Selector.AccountingSession));
        Assert.Equal(["quarantine"], request.Terms!.FilterIds);
        Assert.Equal(60, request.Terms.SessionTimeout!.Value.TotalSeconds);
        Assert.Null(request.Terms.UserName);
        Assert.True(RadiusPacket.TryParse(_checker.Complete(request, ErrorCause.SessionContextNotFound), out var nak, out _));
        Assert.Equal(RadiusCode.CoaNak, nak.Code);
    }

    [Fact]
    public void With_its_memory_full_it_refuses_rather_than_does_again()
    {
        var checker = New(remembered: 16);
        for (byte i = 0; i < 16; i++)
        {
            Assert.Equal(DynamicCount.Requests, checker.Receive(Request(RadiusCode.DisconnectRequest, Bob, i), Server, Now).Reason);
        }

        var refused = checker.Receive(Request(RadiusCode.DisconnectRequest, Bob, 16), Server, Now);
        Assert.Equal(DynamicCount.Refused, refused.Reason);
        Assert.True(RadiusPacket.TryParse(refused.Answer, out var nak, out _) && nak.TryGet(RadiusAttributeType.ErrorCause, out var cause) && cause.TryGetNumber(out var number) && number == 506);
        var later = Now.AddSeconds(601);
        var fresh = new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob").Add(RadiusAttributeType.EventTimestamp, Seconds(later));
        Assert.Equal(DynamicCount.Requests, checker.Receive(Request(RadiusCode.DisconnectRequest, fresh), Server, later).Reason);
    }

    [Fact]
    public void Cut_changed_and_random_datagrams_do_nothing()
    {
        var chance = Seed.Fresh(output);
        var good = Request(RadiusCode.CoaRequest, Bob.Add(RadiusAttributeType.FilterId, "quarantine"));
        for (var length = 0; length < good.Length; length++)
        {
            Assert.Equal(DynamicCount.Malformed, _checker.Receive(good.AsMemory(0, length), Server, Now).Reason);
        }

        for (var i = 0; i < 5_000; i++)
        {
            var changed = good.ToArray();
            changed[chance.NextInt(changed.Length)] ^= (byte)(1 + chance.NextInt(255));
            var verdict = _checker.Receive(changed, Server, Now);
            Assert.Null(verdict.Request);
            Assert.Null(verdict.Answer);
        }
    }

    /// <summary>FreeRADIUS's radclient asks and judges the answers.</summary>
    [Fact]
    public async Task Radclient_disconnects_and_changes_sessions()
    {
        var handler = new Handler();
        var secret = Guid.NewGuid().ToString("n");
        var settings = new DynamicAuthorisationSettings { Servers = new Dictionary<IPAddress, RadiusSecret> { [IPAddress.Loopback] = new(secret) }, NasIdentifier = "site" };
        await using var server = new DynamicAuthorisationServer(new DynamicAuthorisation(settings), new IPEndPoint(IPAddress.Loopback, 0), handler);
        var time = $"Event-Timestamp = {DateTimeOffset.UtcNow.ToUnixTimeSeconds()}\nMessage-Authenticator = 0x00\n";
        var done = Ask("disconnect", "User-Name = bob\n");
        Assert.Contains("Received Disconnect-ACK", done.Output, StringComparison.Ordinal);
        Assert.Contains("Received CoA-ACK", Ask("coa", "User-Name = bob\nFilter-Id = quarantine\n").Output, StringComparison.Ordinal);
        var unknown = Ask("disconnect", "User-Name = nobody\n");
        Assert.Contains("Received Disconnect-NAK", unknown.Output, StringComparison.Ordinal);
        Assert.Contains("Error-Cause = Session-Context-Not-Found", unknown.Output, StringComparison.Ordinal);
        Assert.Equal(["disconnect bob", "change bob quarantine", "disconnect nobody"], handler.Calls);

        (int Code, string Output, string Errors) Ask(string command, string attributes)
        {
            var asked = OutsideProgram.Run("radclient", ["-x", "-r", "3", "-t", "5", server.EndPoint.ToString(), command, secret], attributes + time);
            output.WriteLine(asked.Output + asked.Errors);
            return asked;
        }
    }

    private static DynamicAuthorisation New(int remembered = 16_384) => new(new DynamicAuthorisationSettings
    {
        Servers = new Dictionary<IPAddress, RadiusSecret> { [Server] = Secret, [IPAddress.Parse("192.0.2.9")] = new("the other one") }, NasIdentifier = "site", MaximumRemembered = remembered,
    });

    private static uint Seconds(DateTimeOffset time) => (uint)time.ToUnixTimeSeconds();

    private static byte[] Request(RadiusCode code, RadiusAttributeWriter attributes, byte identifier = 1) =>
        RadiusEncoder.ComputedRequest(code, identifier, attributes, Secret, withMessageAuthenticator: true);

    private sealed class Handler : IDynamicAuthorisationHandler
    {
        public List<string> Calls { get; } = [];

        public Task<ErrorCause> DisconnectAsync(SessionSelector selector, CancellationToken cancel)
        {
            Calls.Add($"disconnect {selector.User}");
            return Task.FromResult(selector.User is "bob" ? ErrorCause.None : ErrorCause.SessionContextNotFound);
        }

        public Task<ErrorCause> ChangeAsync(SessionSelector selector, SessionTerms terms, CancellationToken cancel)
        {
            Calls.Add($"change {selector.User} {terms.FilterIds[0]}");
            return Task.FromResult(ErrorCause.None);
        }
    }
}
