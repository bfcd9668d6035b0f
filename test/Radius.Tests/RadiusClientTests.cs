using System.Buffers.Binary;
using System.Net;
using Masquerade.Auth.Radius;

namespace Masquerade.Radius.Tests;

[Trait("Req", "A-23")]
public sealed class RadiusClientTests
{
    /// <summary>So short that a silent server is given up soon, and no test depends on how short.</summary>
    private static readonly RadiusTimes Short = new()
    {
        Initial = TimeSpan.FromMilliseconds(60), Maximum = TimeSpan.FromMilliseconds(200), Duration = TimeSpan.FromSeconds(20), ProbeEvery = TimeSpan.FromMilliseconds(100), Count = 10,
    };

    private static RadiusAttributeWriter Bob => new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob");

    [Fact]
    public async Task An_answer_comes_back_to_who_asked()
    {
        await using var server = new ScriptedServer(r => [ScriptedServer.Answer(r, RadiusCode.AccessAccept, new RadiusAttributeWriter().Add(RadiusAttributeType.SessionTimeout, 77))]);
        await using var client = Client(server.Settings());
        var reply = await client.SendAsync(RadiusCode.AccessRequest, Bob);
        Assert.Equal(RadiusOutcome.Answered, reply.Outcome);
        Assert.True(reply.Packet.TryGet(RadiusAttributeType.SessionTimeout, out var timeout) && timeout.TryGetNumber(out var seconds) && seconds == 77);
        Assert.Equal((1, 1), (client.Servers[0].Counters[RadiusCount.Requests], client.Servers[0].Counters[RadiusCount.AccessAccepts]));
        Assert.Equal(0, client.Servers[0].Counters.PendingRequests);
        Assert.True(server.Requests.TryPeek(out var request));
        Assert.Equal((byte)RadiusAttributeType.MessageAuthenticator, request.Octets[RadiusPacket.HeaderLength]);
    }

    [Fact]
    public async Task It_works_over_IPv6()
    {
        await using var server = new ScriptedServer(r => [ScriptedServer.Answer(r, RadiusCode.AccessReject)], IPAddress.IPv6Loopback);
        await using var client = Client(server.Settings());
        Assert.Equal(RadiusCode.AccessReject, (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Packet.Code);
    }

    public static TheoryData<string, RadiusCount> Lies => new()
    {
        { "another secret", RadiusCount.BadAuthenticators },
        { "wrong Message-Authenticator", RadiusCount.BadAuthenticators },
        { "no Message-Authenticator", RadiusCount.MissingMessageAuthenticators },
        { "no Message-Authenticator, an EAP-Success inside", RadiusCount.MissingMessageAuthenticators },
        { "wrong Response Authenticator", RadiusCount.BadAuthenticators },
        { "another identifier", RadiusCount.PacketsDropped },
        { "a request for an answer", RadiusCount.UnknownTypes },
        { "accounting's answer", RadiusCount.PacketsDropped },
        { "cut", RadiusCount.MalformedResponses },
        { "an attribute beyond the end", RadiusCount.MalformedResponses },
        { "nothing", RadiusCount.MalformedResponses },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task A_wrong_answer_is_dropped_and_counted_and_the_right_one_behind_it_still_counts(string lie, RadiusCount counted)
    {
        await using var server = new ScriptedServer(r => [Lie(lie, r), ScriptedServer.Answer(r, RadiusCode.AccessReject)]);
        await using var client = Client(server.Settings());
        var reply = await client.SendAsync(RadiusCode.AccessRequest, Bob);
        Assert.Equal(RadiusCode.AccessReject, reply.Packet.Code);
        Assert.True(client.Servers[0].Counters[counted] > 0, $"{counted} was not counted");
        Assert.Equal(0, client.Servers[0].Counters[RadiusCount.AccessAccepts]);
    }

    [Fact]
    public async Task An_answer_cut_at_any_length_accepts_nobody()
    {
        await using var server = new ScriptedServer(r =>
        {
            var good = ScriptedServer.Answer(r, RadiusCode.AccessAccept, new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob").Add(RadiusAttributeType.Class, new byte[20]));
            var cut = Enumerable.Range(0, good.Length).SelectMany(n => new[] { good[..n], Relabelled(good[..n]) });
            return [.. cut, ScriptedServer.Answer(r, RadiusCode.AccessReject)];
        });
        await using var client = Client(server.Settings());
        Assert.Equal(RadiusCode.AccessReject, (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Packet.Code);
        Assert.Equal(0, client.Servers[0].Counters[RadiusCount.AccessAccepts]);
    }

    [Fact]
    public async Task What_another_address_says_is_not_the_servers_word()
    {
        ScriptedServer? server = null;
        await using var made = server = new ScriptedServer(r =>
        {
            // Right in all but where it comes from.
            Assert.True(server!.Requests.TryPeek(out var request));
            ScriptedServer.SendFromElsewhereAsync(ScriptedServer.Answer(r, RadiusCode.AccessAccept), request.Port).GetAwaiter().GetResult();
            return [ScriptedServer.Answer(r, RadiusCode.AccessReject)];
        });
        await using var client = Client(server.Settings());
        Assert.Equal(RadiusCode.AccessReject, (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Packet.Code);
        Assert.Equal(1, client.Servers[0].Counters[RadiusCount.WrongSource]);
    }

    [Fact]
    public async Task A_repetition_is_the_same_packet_octet_by_octet()
    {
        var asked = 0;
        await using var server = new ScriptedServer(r => ++asked < 3 ? [] : [ScriptedServer.Answer(r, RadiusCode.AccessAccept)]);
        await using var client = Impatient(server.Settings());
        Assert.Equal(RadiusCode.AccessAccept, (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Packet.Code);
        var requests = server.Requests.Take(3).Select(r => Convert.ToHexString(r.Octets)).Distinct(StringComparer.Ordinal);
        Assert.Single(requests);
        Assert.True(client.Servers[0].Counters[RadiusCount.Retransmissions] >= 2);
    }

    [Fact]
    public void The_pauses_are_those_of_RFC_5080()
    {
        var times = new RadiusTimes();
        Assert.Equal([2, 4, 8, 16, 16], Pauses(times, () => 0.5).Select(p => p.TotalSeconds));
        Assert.All(Pauses(times, () => 0).Zip([1.8, 3.42, 6.498, 12.3462, 14.4]), p => Assert.Equal(p.Second, p.First.TotalSeconds, 3));
        Assert.All(Pauses(times, () => 0.999_999).Zip([2.2, 4.62, 9.702, 17.6, 17.6]), p => Assert.Equal(p.Second, p.First.TotalSeconds, 3));
    }

    [Fact]
    public async Task A_silent_server_is_dead_after_a_request_and_alive_again_when_it_answers_Status_Server()
    {
        var silent = true;
        await using var first = new ScriptedServer(r => silent ? [] : [ScriptedServer.Answer(r, RadiusCode.AccessAccept, sign: r.Code != RadiusCode.StatusServer)]);
        await using var second = new ScriptedServer(r => [ScriptedServer.Answer(r, RadiusCode.AccessAccept)]);
        await using var client = Impatient(first.Settings("first"), second.Settings("second"));

        Assert.Equal("second", (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Server!.Settings.Name);
        Assert.True(client.Servers[0].IsDead);
        var asked = client.Servers[0].Counters[RadiusCount.Requests];
        Assert.Equal("second", (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Server!.Settings.Name);
        Assert.Equal(asked, client.Servers[0].Counters[RadiusCount.Requests]);

        Volatile.Write(ref silent, false);
        await Wait.ForAsync(() => !client.Servers[0].IsDead, () => "the server stays dead");
        Assert.Equal("first", (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Server!.Settings.Name);
        Assert.Equal(1, client.Servers[0].Counters[RadiusCount.Deaths]);
    }

    [Fact]
    public async Task A_server_that_says_nothing_right_is_as_good_as_silent()
    {
        await using var liar = new ScriptedServer(r => [Lie("wrong Message-Authenticator", r), Lie("no Message-Authenticator", r)]);
        await using var honest = new ScriptedServer(r => [ScriptedServer.Answer(r, RadiusCode.AccessReject)]);
        await using var client = Impatient(liar.Settings("liar"), honest.Settings("honest"));
        Assert.Equal("honest", (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Server!.Settings.Name);
        Assert.True(client.Servers[0].IsDead);
    }

    [Fact]
    public async Task When_all_are_dead_all_are_asked_and_the_request_ends()
    {
        await using var first = new ScriptedServer(_ => []);
        await using var second = new ScriptedServer(_ => []);
        await using var client = Impatient(first.Settings("first"), second.Settings("second"));
        Assert.Equal(RadiusOutcome.NoAnswer, (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Outcome);
        Assert.Equal(RadiusOutcome.NoAnswer, (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Outcome);
        Assert.All(client.Servers, s => Assert.Equal((2, 0), (s.Counters[RadiusCount.Requests], s.Counters.PendingRequests)));
        Assert.Equal(2 * (Short.TriesBeforeNext - 1), client.Servers[0].Counters[RadiusCount.Retransmissions]);
        Assert.Equal(2 * (Short.Count - 1), client.Servers[1].Counters[RadiusCount.Retransmissions]);
    }

    [Fact]
    public async Task More_than_256_at_once_use_more_source_ports_and_more_than_may_are_refused()
    {
        var gate = new TaskCompletionSource();
        await using var server = new ScriptedServer(r => gate.Task.IsCompleted ? [ScriptedServer.Answer(r, RadiusCode.AccessAccept)] : []);
        var times = Short with { Initial = TimeSpan.FromSeconds(1), Maximum = TimeSpan.FromSeconds(2) };
        await using var client = new RadiusClient(new RadiusClientSettings { Servers = [server.Settings(lanes: 2)], Times = times });
        var all = Enumerable.Range(0, 600).Select(_ => client.SendAsync(RadiusCode.AccessRequest, Bob)).ToList();
        await Wait.ForAsync(() => server.Requests.Count >= 512, () => $"{server.Requests.Count} requests came");
        gate.SetResult();
        var outcomes = (await Task.WhenAll(all)).CountBy(r => r.Outcome).ToDictionary();
        Assert.Equal(512, outcomes[RadiusOutcome.Answered]);
        Assert.Equal(88, outcomes[RadiusOutcome.Busy]);
        Assert.Equal(2, server.Requests.Select(r => r.Port).Distinct().Count());
        Assert.Equal(88, client.Servers[0].Counters[RadiusCount.Busy]);
    }

    [Fact]
    public async Task A_late_answer_to_an_identifier_that_another_has_now_is_dropped()
    {
        var late = new List<byte[]>();
        await using var server = new ScriptedServer(r =>
        {
            if (late.Count < 256)
            {
                late.Add(ScriptedServer.Answer(r, RadiusCode.AccessAccept));
                return [];
            }

            var identifier = r.Identifier;
            return [late.Single(l => l[1] == identifier), late.First(l => l[1] != identifier), ScriptedServer.Answer(r, RadiusCode.AccessReject)];
        });
        await using var client = new RadiusClient(new RadiusClientSettings { Servers = [server.Settings(status: false, lanes: 1)], Times = Short with { Count = 1, TriesBeforeNext = 1 } });
        var given = await Task.WhenAll(Enumerable.Range(0, 256).Select(_ => client.SendAsync(RadiusCode.AccessRequest, Bob)));
        Assert.All(given, r => Assert.Equal(RadiusOutcome.NoAnswer, r.Outcome));
        await Wait.ForAsync(() => server.Requests.Count >= 256, () => "not all have come");
        await using var patient = new RadiusClient(new RadiusClientSettings { Servers = [server.Settings()] });
        Assert.Equal(RadiusCode.AccessReject, (await patient.SendAsync(RadiusCode.AccessRequest, Bob)).Packet.Code);
        Assert.Equal(1, patient.Servers[0].Counters[RadiusCount.BadAuthenticators]);
        Assert.Equal(1, patient.Servers[0].Counters[RadiusCount.PacketsDropped]);
    }

    [Fact]
    public async Task A_flood_of_wrong_answers_hides_none_that_is_right()
    {
        // As many as a socket's buffer holds: what the kernel throws away is not the client's to choose.
        await using var server = new ScriptedServer(r => [.. Enumerable.Range(0, 100).Select(_ => Lie("wrong Response Authenticator", r)), ScriptedServer.Answer(r, RadiusCode.AccessReject)]);
        await using var client = new RadiusClient(new RadiusClientSettings { Servers = [server.Settings()] });
        for (var i = 0; i < 30; i++)
        {
            Assert.Equal(RadiusCode.AccessReject, (await client.SendAsync(RadiusCode.AccessRequest, Bob)).Packet.Code);
        }

        Assert.Equal(3_000, client.Servers[0].Counters[RadiusCount.BadAuthenticators]);
    }

    [Fact]
    public async Task Accounting_is_signed_and_answered_as_RFC_2866_says()
    {
        await using var server = new ScriptedServer(r => RadiusAuthenticators.IsAuthentic(r, new byte[16], ScriptedServer.Secret) ? [ScriptedServer.Answer(r, RadiusCode.AccountingResponse, sign: false)] : []);
        await using var client = Client(server.Settings());
        Assert.Equal(RadiusCode.AccountingResponse, (await client.SendAsync(RadiusCode.AccountingRequest, Bob)).Packet.Code);
    }

    [Fact]
    public async Task Whoever_gives_up_leaves_nothing_behind()
    {
        await using var server = new ScriptedServer(_ => []);
        await using var client = new RadiusClient(new RadiusClientSettings { Servers = [server.Settings()] });
        using var cancel = new CancellationTokenSource();
        var request = client.SendAsync(RadiusCode.AccessRequest, Bob, cancel: cancel.Token);
        await Wait.ForAsync(() => !server.Requests.IsEmpty, () => "nothing was sent");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        Assert.Equal(0, client.Servers[0].Counters.PendingRequests);
        Assert.False(client.Servers[0].IsDead);
    }

    private static RadiusClient Client(params RadiusServerSettings[] servers) => new(new RadiusClientSettings { Servers = servers });

    private static RadiusClient Impatient(params RadiusServerSettings[] servers) => new(new RadiusClientSettings { Servers = servers, Times = Short });

    private static IEnumerable<TimeSpan> Pauses(RadiusTimes times, Func<double> chance)
    {
        TimeSpan? pause = null;
        for (var i = 0; i < times.Count; i++)
        {
            pause = times.Next(pause, chance);
            yield return pause.Value;
        }
    }

    private static byte[] Lie(string lie, in RadiusPacket request)
    {
        var good = ScriptedServer.Answer(request, RadiusCode.AccessAccept, new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob"));
        switch (lie)
        {
            case "another secret":
                return RadiusEncoder.Response(RadiusCode.AccessAccept, request.Identifier, request.Authenticator, new RadiusAttributeWriter(), new RadiusSecret("another"));
            case "wrong Message-Authenticator":
                good[25] ^= 1;
                RadiusAuthenticators.Compute(good, request.Authenticator, ScriptedServer.Secret, good.AsSpan(4, 16));
                return good;
            case "no Message-Authenticator":
                return ScriptedServer.Answer(request, RadiusCode.AccessAccept, sign: false);
            case "no Message-Authenticator, an EAP-Success inside":
                return ScriptedServer.Answer(request, RadiusCode.AccessAccept, new RadiusAttributeWriter().Add(RadiusAttributeType.EapMessage, [3, 1, 0, 4]), sign: false);
            case "wrong Response Authenticator":
                good[7] ^= 1;
                return good;
            case "another identifier":
                return RadiusEncoder.Response(RadiusCode.AccessAccept, (byte)(request.Identifier + 1), request.Authenticator, new RadiusAttributeWriter(), ScriptedServer.Secret);
            case "a request for an answer":
                return ScriptedServer.Answer(request, RadiusCode.AccessRequest);
            case "accounting's answer":
                return ScriptedServer.Answer(request, RadiusCode.AccountingResponse);
            case "cut":
                return good[..^1];
            case "an attribute beyond the end":
                good[^4] = 200;
                return good;
            default:
                return [];
        }
    }

    /// <summary>The same with a length field that agrees.</summary>
    private static byte[] Relabelled(byte[] cut)
    {
        var all = cut.ToArray();
        if (all.Length >= 4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(all.AsSpan(2), (ushort)all.Length);
        }

        return all;
    }
}
