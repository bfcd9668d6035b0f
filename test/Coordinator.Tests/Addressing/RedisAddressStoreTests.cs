using Masquerade.Coordinator.Tests.Redis;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Addressing;
using Masquerade.RoamingCoordinator.Redis;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Addressing;

/// <summary>The contract, over a real Redis.</summary>
public sealed class RedisAddressStoreTests(RedisFixture fixture) : AddressStoreContract, IClassFixture<RedisFixture>, IDisposable
{
    private readonly RedisStores _stores = new(fixture);

    public void Dispose() => _stores.Dispose();

    [Fact]
    public async Task Two_coordinators_never_give_one_address_twice()
    {
        IAddressStore[] stores = [Create(), Create()];
        IpAddress[] candidates = [.. Enumerable.Range(1, 150).Select(Of)];
        var given = await Task.WhenAll(Enumerable.Range(0, 200).Select(i =>
            AskAsync(done => stores[i % 2].Claim(new MacAddress(0x0200_0000_0000 + (ulong)i), candidates, Lease, default, done))));
        Assert.Equal(150, given.Count(a => !a.IsNone));
        Assert.Equal(150, given.Where(a => !a.IsNone).Distinct().Count());
    }

    [Fact]
    public void What_a_client_got_from_one_coordinator_another_finds()
    {
        Ask(done => Create().Claim(Client, [Of(10)], Lease, default, done));
        Assert.Equal(Of(10), Ask(done => Create().Find(Client, default, done)));
    }

    [Fact]
    public void Keys_outlive_the_last_lease_by_a_day_in_one_slot()
    {
        var store = Create();
        Ask(done => store.Claim(Client, [Of(10)], TimeSpan.FromSeconds(100), default, done));
        Ask(done => store.Claim(OtherClient, [Of(11)], TimeSpan.FromSeconds(10), default, done));
        foreach (var key in (string[])[_stores.Prefix + "{pool}:leases", _stores.Prefix + "{pool}:clients"])
        {
            Assert.InRange(int.Parse(fixture.Server.Command("PTTL", key), System.Globalization.CultureInfo.InvariantCulture), 86_490_000, 86_500_000);
        }
    }

    [Theory]
    [InlineData("leases")]
    [InlineData("clients")]
    public void A_key_of_the_wrong_type_is_removed_and_the_next_attempt_succeeds(string key)
    {
        var store = Create();
        fixture.Server.Command("SET", $"{_stores.Prefix}{{pool}}:{key}", "garbage");
        var failures = new List<StoreFailure>();
        for (var i = 0; i < 2; i++)
        {
            using var answered = new ManualResetEventSlim();
            store.Claim(Client, [Of(10)], Lease, default, result =>
            {
                failures.Add(result.Failure);
                answered.Set();
            });
            Assert.True(answered.Wait(TimeSpan.FromSeconds(10)));
        }

        Assert.Equal([StoreFailure.Garbage, StoreFailure.None], failures);
    }

    [Fact]
    public void A_lease_that_cannot_be_read_is_no_obstacle()
    {
        var store = Create();
        fixture.Server.Command("HSET", $"{_stores.Prefix}{{pool}}:leases", "\u0000\u0001", "x");
        fixture.Server.Command("HSET", $"{_stores.Prefix}{{pool}}:clients", "xxxxxx", "yy");
        Assert.Equal(Of(10), Ask(done => store.Claim(Client, [Of(10)], Lease, default, done)));
    }

    protected override IAddressStore Create() => new RedisAddressStore(_stores.Open());

    protected override Instant Pass(TimeSpan time)
    {
        // The store's clock is the server's.
        Thread.Sleep(time);
        return default;
    }
}
