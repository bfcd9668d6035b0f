using System.Globalization;
using Masquerade.Coordinator.Tests.Store;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Redis;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Redis;

/// <summary>One server for all tests of the class; each has the keys for itself.</summary>
public sealed class RedisFixture : IDisposable
{
    internal RedisProcess Server { get; } = new();

    public void Dispose() => Server.Dispose();
}

/// <summary>Stores over one server with keys of their own, as several coordinators have them.</summary>
internal sealed class RedisStores(RedisFixture fixture) : IDisposable
{
    private readonly List<RedisClientStore> _opened = [];

    public string Prefix { get; } = $"t{Guid.NewGuid():n}:";

    public RedisClientStore Open(Func<RedisOptions, RedisOptions>? change = null)
    {
        var options = new RedisOptions { Endpoints = [fixture.Server.EndPoint], Prefix = Prefix, WatchInterval = TimeSpan.FromMilliseconds(50), Timeout = TimeSpan.FromSeconds(15) };
        var store = RedisClientStore.ConnectAsync(change?.Invoke(options) ?? options, completion => completion(), 0).GetAwaiter().GetResult();
        _opened.Add(store);
        return store;
    }

    public void Dispose()
    {
        foreach (var store in _opened)
        {
            store.DisposeAsync().AsTask().Wait();
        }
    }
}

/// <summary>The contract, over a real Redis.</summary>
public sealed class RedisClientStoreTests(RedisFixture fixture) : ClientStoreContract, IClassFixture<RedisFixture>, IDisposable
{
    private readonly RedisStores _stores = new(fixture);

    public void Dispose() => _stores.Dispose();

    [Fact]
    public void Two_coordinators_see_the_same_incarnation()
    {
        var one = Open();
        Assert.NotEqual(0UL, one.Incarnation);
        Assert.Equal(one.Incarnation, Open().Incarnation);
    }

    /// <summary>That a session is over is known for longer than a client that is nowhere, and not for ever.</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public void A_record_with_an_ended_session_lives_as_long_as_that_is_kept()
    {
        var store = new BlockingStore(Open());
        var until = DateTimeOffset.UtcNow.AddHours(24).ToUnixTimeMilliseconds();
        store.CompareAndSet(new ClientRecord { Client = Client, Over = [new SessionEnd(new Core.Control.Octets(new byte[Core.Control.UserSession.IdLength]), "alice", "over", until)] }, 0);
        store.CompareAndSet(new ClientRecord { Client = OtherClient }, 0);
        Assert.InRange(Lease(Client), TimeSpan.FromHours(23.9).TotalMilliseconds, TimeSpan.FromHours(24).TotalMilliseconds);
        Assert.InRange(Lease(OtherClient), 1, TimeSpan.FromHours(1).TotalMilliseconds);

        double Lease(MacAddress client) => double.Parse(
            fixture.Server.Command("PTTL", $"{_stores.Prefix}c:{{{client.Value.ToString("x12", CultureInfo.InvariantCulture)}}}"), CultureInfo.InvariantCulture);
    }

    [Theory]
    [InlineData("SET", "garbage")]
    [InlineData("SET", "00000000\u0091garbage")]
    [InlineData("LPUSH", "garbage")]
    public void A_record_that_cannot_be_read_is_removed_and_agents_are_asked_anew(string command, string value)
    {
        var store = Open();
        var incarnation = store.Incarnation;
        fixture.Server.Command(command, RecordKey, value);
        Assert.Equal(StoreFailure.Garbage, Load(store).Failure);
        Assert.Equal(StoreFailure.None, Load(store).Failure);
        Assert.Equal(StoreOutcome.Stored, Set(store, With(Client, 5_000), default).Outcome);
        Assert.Equal(1, store.Losses);
        Assert.True(SpinWait.SpinUntil(() => store.Incarnation != incarnation, TimeSpan.FromSeconds(5)), "agents are not asked");
    }

    [Fact]
    public void A_record_of_the_wrong_type_that_is_to_be_set_is_removed_as_well()
    {
        var store = Open();
        fixture.Server.Command("LPUSH", RecordKey, "garbage");
        Assert.Equal(StoreFailure.Garbage, Set(store, With(Client), default).Failure);
        Assert.Equal(StoreOutcome.Stored, Set(store, With(Client), default).Outcome);
    }

    [Fact]
    public void An_index_that_cannot_be_read_is_no_obstacle()
    {
        var store = Open();
        var bucket = string.Create(CultureInfo.InvariantCulture, $"{_stores.Prefix}e:{{192.0.2.1}}:1113");
        fixture.Server.Command("SET", bucket, "garbage");
        Assert.Equal(StoreFailure.Garbage, Set(store, With(Client, 5_000), default).Failure);
        Assert.Equal(StoreOutcome.Stored, Set(store, With(Client, 5_000), default).Outcome);
        Assert.Equal("hash", fixture.Server.Command("TYPE", bucket));
        fixture.Server.Command("SET", _stores.Prefix + "n:{ap1}:2", "garbage");
        Assert.Equal(StoreOutcome.Failed, Set(store, With(OtherClient, 5_001), default).Outcome);
        Assert.Equal(StoreOutcome.Stored, Set(store, With(OtherClient, 5_001), default).Outcome);
    }

    [Fact]
    public void Keys_are_lent_and_a_clients_keys_share_a_slot()
    {
        Set(Open(), With(Client, 5_000), default);
        foreach (var key in fixture.Server.Command("KEYS", _stores.Prefix + "*").Split(' ').Where(k => !k.Contains("{store}", StringComparison.Ordinal)))
        {
            Assert.InRange(long.Parse(fixture.Server.Command("PTTL", key), CultureInfo.InvariantCulture), 3_000_000, 3_600_000);
            Assert.Matches(@"\{[^}]+\}", key);
        }
    }

    [Fact]
    public void A_claim_that_was_renewed_is_not_withdrawn()
    {
        var store = Open();
        Set(store, With(Client, 5_000), default);
        EndpointClaim? seen = null;
        new BlockingStore(store).FindClaim(With(Client, 5_000).Mappings.Keys.Single(), claim => seen = claim);
        Set(store, With(Client, 5_000), Load(store).Found, new SetScope(All: true));
        Set(store, With(OtherClient), default, new SetScope(Withdrawn: [seen!.Value]));
        Assert.True(new BlockingStore(store).TryFindOwner(seen.Value.Mapping, out _));
    }

    [Fact]
    public void Who_asks_for_too_much_at_once_is_told_so()
    {
        var store = Open(o => o with { MaxInFlight = 4 });
        var failures = new List<StoreFailure>();
        var answers = new CountdownEvent(200);
        for (var i = 0; i < 200; i++)
        {
            store.Load(new MacAddress(0x0200_0000_1000 + (ulong)i), loaded =>
            {
                lock (failures)
                {
                    failures.Add(loaded.Failure);
                }

                answers.Signal();
            });
        }

        Assert.True(answers.Wait(TimeSpan.FromSeconds(10)));
        Assert.Contains(StoreFailure.Busy, failures);
        Assert.Contains(StoreFailure.None, failures);
    }

    protected override IClientStore Create(int capacity = 1_000) => new BlockingStore(Open());

    private string RecordKey => string.Create(CultureInfo.InvariantCulture, $"{_stores.Prefix}c:{{{Client.Value:x12}}}");

    private static LoadResult Load(IClientStore store)
    {
        LoadResult result = default;
        new BlockingStore(store).Load(Client, loaded => result = loaded);
        return result;
    }

    private static SetResult Set(IClientStore store, ClientRecord record, Versioned loaded, SetScope scope = default)
    {
        SetResult result = default;
        new BlockingStore(store).CompareAndSet(record, loaded, scope, set => result = set);
        return result;
    }

    private RedisClientStore Open(Func<RedisOptions, RedisOptions>? change = null) => _stores.Open(change);
}
