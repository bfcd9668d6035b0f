using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eap;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Authenticator;

/// <summary>Made-up clients by the hundred thousand (decision 29).</summary>
[Trait("Req", "A-23")]
public sealed class FloodTests(ITestOutputHelper output)
{
    private const int Crowd = 100_000;

    private static readonly AuthenticatorConfig Config = new();

    [Fact]
    public void A_hundred_thousand_starts_of_made_up_clients_are_bounded_and_a_real_client_gets_in()
    {
        var random = Seed.Fresh(output);
        var bench = new Bench(seed: random.NextUInt64()) { Only = Bench.Alice };
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var number = 0; number < Crowd; number++)
        {
            // Ten seconds of 10,000 new clients each.
            bench.Pass(0.000_1);
            bench.Start(Made(random));
            Assert.True(bench.Table.Count <= Config.MaxUnanswered);
        }

        output.WriteLine($"{(GC.GetTotalMemory(forceFullCollection: true) - before) / 1024} KiB, {bench.Table.Count} ports, {bench.Stats.AnsweredWithoutPort} answered without");
        Assert.Equal(Config.MaxUnanswered, bench.Table.UnansweredCount);
        Assert.Equal(Crowd, bench.SentCount - bench.Stats.Retransmissions);
        Assert.Empty(bench.Asked);

        // The flood goes on between any two frames of the real client, which has no port and is not the only one.
        AuthenticateAmid(bench, () => Burst(bench, random, 500, made => bench.Start(made)));
    }

    [Fact]
    public void Made_up_clients_that_even_say_who_they_are_do_not_push_out_one_that_goes_on()
    {
        var random = Seed.Fresh(output);
        var bench = new Bench(seed: random.NextUInt64()) { Only = Bench.Alice };
        bench.Start();
        bench.Identify();
        Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(60)));
        Assert.Equal(EapolVerdict.Taken, bench.Respond(60, EapType.Peap, [1]));

        for (var number = 0; number < Crowd; number++)
        {
            bench.Pass(0.000_2);
            var made = Made(random);

            // Without having heard the request: each guesses ten identifiers.
            for (byte id = 0; id < 10; id++)
            {
                bench.Respond((byte)random.NextInt(256), EapType.Identity, "mallory"u8, made);
            }

            Assert.True(bench.Table.ExchangeCount <= Config.MaxExchanges);
        }

        Assert.Equal(Config.MaxExchanges, bench.Table.ExchangeCount);
        Assert.True(bench.Stats.EvictedAsked > 1_000);
        Assert.True(bench.AskedCount <= 2 + (Config.ExchangesPerSecond * 22), $"the server was asked {bench.AskedCount} times");
        Assert.Equal(BackendState.Response, bench.Port.BackendState);
        Assert.True(bench.Answer(EapOutcome.Accept));
        Assert.True(bench.Port.IsAuthorised);
    }

    [Fact]
    public void Clients_that_stall_in_an_exchange_do_not_keep_others_out()
    {
        // Attackers that speak TLS for one round and then fall silent, more of them than there are places.
        var bench = new Bench(new AuthenticatorConfig { MaxExchanges = 20, ExchangesPerSecond = 1_000 });
        for (ulong number = 0; number < 30; number++)
        {
            var attacker = new MacAddress(0x0200_0000_1000 | number);
            bench.Start(attacker);
            if (bench.Identify("mallory", attacker) == EapolVerdict.Taken)
            {
                bench.Answer(EapOutcome.Continue, Bench.Request(9), client: attacker);
                Assert.Equal(EapolVerdict.Taken, bench.Respond(9, EapType.Peap, [1], attacker));
                bench.Answer(EapOutcome.Continue, Bench.Request(10), client: attacker);
            }
        }

        Assert.Equal(20, bench.Table.ExchangeCount);
        Assert.Equal(10, bench.Stats[AuthenticatorDrop.ExchangesFull]);
        var busy = new MacAddress(0x0200_0000_1000);
        bench.Pass(2.5);
        Assert.Equal(EapolVerdict.Taken, bench.Respond(10, EapType.Peap, [2], busy));
        bench.Pass(0.6);
        bench.Authenticate();
        Assert.Equal(1, bench.Stats.EvictedStalled);
        Assert.NotNull(bench.Table.Find(busy));
        Assert.Null(bench.Table.Find(new MacAddress(0x0200_0000_1001)));
    }

    [Fact]
    public void Who_is_authorised_stays_so_and_can_authenticate_again_in_a_flood()
    {
        var random = Seed.Fresh(output);
        var bench = new Bench(seed: random.NextUInt64()) { Only = Bench.Alice };
        bench.Authenticate();
        for (var number = 0; number < Crowd; number++)
        {
            bench.Pass(0.000_01);
            bench.Start(Made(random));
        }

        Assert.True(bench.Port.IsAuthorised);
        Assert.True(bench.Stats[AuthenticatorDrop.NewRate] > 0);
        Assert.True(bench.Table.Reauthenticate(Bench.Alice, bench.Now));
        bench.Authenticate(isStarted: true);
        Assert.Equal($"{Bench.Alice} + Reauthenticated", bench.Ports[^1]);
    }

    [Fact]
    public void Clients_that_fail_by_the_thousand_are_forgotten_the_oldest_first()
    {
        var bench = new Bench(new AuthenticatorConfig { MaxHeld = 10 });
        for (ulong number = 0; number < 100; number++)
        {
            bench.Pass(0.1);
            var client = new MacAddress(0x0200_0000_1000 | number);
            bench.Start(client);
            bench.Rounds(client);
            Assert.True(bench.Answer(EapOutcome.Reject, client: client));
            Assert.True(bench.Table.HeldCount <= 10);
        }

        Assert.Equal(90, bench.Stats.EvictedHeld);
        Assert.Null(bench.Table.Find(new MacAddress(0x0200_0000_1000 | 89)));
        Assert.NotNull(bench.Table.Find(new MacAddress(0x0200_0000_1000 | 90)));
    }

    [Fact]
    public void A_table_full_of_authorised_clients_says_no_to_the_next_and_keeps_them()
    {
        var bench = new Bench(new AuthenticatorConfig { MaxAuthorised = 3 });
        var late = new MacAddress(0x0200_0000_2001);
        var later = new MacAddress(0x0200_0000_2002);
        bench.Start(late);
        bench.Rounds(late);
        for (ulong number = 0; number < 3; number++)
        {
            bench.Authenticate(new MacAddress(0x0200_0000_1000 | number));
        }

        Assert.Equal(EapolVerdict.Dropped, bench.Start(later));
        Assert.False(bench.Answer(EapOutcome.Accept, client: late));
        Assert.Equal($"{late} - Full", bench.Ports[^1]);
        Assert.Equal(EapCode.Failure, (EapCode)bench.LastTo(late)[0]);
        Assert.Equal(2, bench.Stats[AuthenticatorDrop.AuthorisedFull]);
        Assert.Equal(3, bench.Table.AuthorisedCount);
        bench.Table.Disconnect(new MacAddress(0x0200_0000_1000), UnauthorisedReason.LinkLost, bench.Now);
        bench.Authenticate(later);
    }

    [Fact]
    public void The_identifier_of_a_request_without_a_port_is_good_for_a_minute_at_least_and_not_for_ever()
    {
        var bench = new Bench(new AuthenticatorConfig { MaxUnanswered = 1 });
        Assert.True(bench.Table.Begin(new MacAddress(0x0200_0000_3000), bench.Now));
        var taken = 0;
        for (ulong number = 0; number < 200; number++)
        {
            var client = new MacAddress(0x0200_0000_1000 | number);
            bench.Start(client);
            Assert.Null(bench.Table.Find(client));
        }

        bench.Pass(60);
        for (ulong number = 0; number < 100; number++)
        {
            Assert.Equal(EapolVerdict.Taken, bench.Identify("alice", new MacAddress(0x0200_0000_1000 | number)));
        }

        bench.Pass(200);
        for (ulong number = 100; number < 200; number++)
        {
            taken += bench.Identify("alice", new MacAddress(0x0200_0000_1000 | number)) == EapolVerdict.Taken ? 1 : 0;
        }

        Assert.InRange(taken, 0, 10);
    }

    private static void AuthenticateAmid(Bench bench, Action flood)
    {
        var began = bench.Now;
        flood();
        Assert.Equal(EapolVerdict.Taken, bench.Start());
        flood();
        Assert.Equal(EapolVerdict.Taken, bench.Identify());
        flood();
        for (byte id = 100; id < 105; id++)
        {
            Assert.True(bench.Answer(EapOutcome.Continue, Bench.Request(id)));
            flood();
            Assert.Equal(EapolVerdict.Taken, bench.Respond(id, EapType.Peap, [id]));
            flood();
        }

        Assert.True(bench.Answer(EapOutcome.Accept));
        Assert.True(bench.Port.IsAuthorised);
        Assert.True(bench.Now - began < TimeSpan.FromSeconds(1), "simulated time");
    }

    private static void Burst(Bench bench, SeededRandom random, int count, Action<MacAddress> act)
    {
        for (var i = 0; i < count; i++)
        {
            bench.Pass(0.000_1);
            act(Made(random));
        }
    }

    private static MacAddress Made(SeededRandom random) => new(0x0200_0000_0000 | (random.NextUInt64() & 0xFCFF_FFFF_FFFF & ~0x0100_0000_0000ul) | 0x1_0000_0000);
}
