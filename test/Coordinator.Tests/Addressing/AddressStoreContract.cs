using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Addressing;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Addressing;

/// <summary>What every store of clients' addresses must do. A new store derives from this class and is tested by it.</summary>
[Trait("Req", "A-28")]
public abstract class AddressStoreContract
{
    protected static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);
    protected static readonly TimeSpan Short = TimeSpan.FromMilliseconds(300);

    /// <summary>An empty store.</summary>
    protected abstract IAddressStore Create();

    /// <summary>Lets time pass, and says what time it is then.</summary>
    protected abstract Instant Pass(TimeSpan time);

    [Fact]
    public void An_unknown_client_has_no_address()
    {
        Assert.True(Find(Create(), Client).IsNone);
    }

    [Fact]
    public void The_first_free_address_is_claimed_and_found()
    {
        var store = Create();
        Assert.Equal(Of(10), Claim(store, Client, 10, 11));
        Assert.Equal(Of(11), Claim(store, OtherClient, 10, 11));
        Assert.True(Claim(store, new MacAddress(0x0200_0000_0003), 10, 11).IsNone);
        Assert.Equal((Of(10), Of(11)), (Find(store, Client), Find(store, OtherClient)));
    }

    [Fact]
    public void A_client_has_one_address_and_what_it_had_before_is_free()
    {
        var store = Create();
        Claim(store, Client, 10);
        Assert.Equal(Of(12), Claim(store, Client, 12));
        Assert.Equal(Of(12), Find(store, Client));
        Assert.Equal(Of(10), Claim(store, OtherClient, 10));
        Assert.Equal(Of(12), Find(store, Client));
    }

    [Fact]
    public void Who_claims_in_vain_keeps_what_it_has()
    {
        var store = Create();
        Claim(store, Client, 10);
        Claim(store, OtherClient, 11);
        Assert.True(Claim(store, Client, 11).IsNone);
        Assert.Equal((Of(10), Of(11)), (Find(store, Client), Find(store, OtherClient)));
    }

    [Fact]
    public void A_lease_ends_and_until_somebody_else_claims_the_address_the_client_may_have_it_back()
    {
        var store = Create();
        Claim(store, Client, Short, 10);
        Assert.True(Claim(store, OtherClient, 10).IsNone);
        Pass(Short * 2);
        Assert.Equal(Of(10), Find(store, Client));
        Assert.Equal(Of(10), Claim(store, Client, Short, 10));
        Pass(Short * 2);
        Assert.Equal(Of(10), Claim(store, OtherClient, 10));
        Assert.True(Find(store, Client).IsNone);
        Assert.True(Claim(store, Client, 10).IsNone);
    }

    [Fact]
    public void A_shorter_claim_does_not_shorten_a_lease()
    {
        var store = Create();
        Claim(store, Client, Lease, 10);
        Claim(store, Client, Short, 10);
        Pass(Short * 2);
        Assert.True(Claim(store, OtherClient, 10).IsNone);
    }

    [Fact]
    public void Only_its_client_gives_an_address_back()
    {
        var store = Create();
        Claim(store, Client, 10);
        Assert.True(Release(store, OtherClient, 10, TimeSpan.Zero).IsNone);
        Assert.True(Release(store, Client, 11, TimeSpan.Zero).IsNone);
        Assert.Equal(Of(10), Find(store, Client));
        Assert.Equal(Of(10), Release(store, Client, 10, TimeSpan.Zero));
        Assert.True(Find(store, Client).IsNone);
        Assert.Equal(Of(10), Claim(store, OtherClient, 10));
    }

    [Fact]
    public void An_address_in_quarantine_is_nobodys_for_a_while()
    {
        var store = Create();
        Claim(store, Client, 10);
        Release(store, Client, 10, Short);
        Assert.True(Find(store, Client).IsNone);
        Assert.Equal(Of(11), Claim(store, Client, 10, 11));
        Assert.True(Claim(store, OtherClient, 10).IsNone);
        Pass(Short * 2);
        Assert.Equal(Of(10), Claim(store, OtherClient, 10));
    }

    [Fact]
    public void As_many_candidates_as_are_allowed_are_looked_at()
    {
        var store = Create();
        var all = Enumerable.Range(1, AddressPool.CandidatesAtOnce + 2).ToArray();
        foreach (var taken in all[..^1])
        {
            Claim(store, new MacAddress(0x0200_0001_0000 + (ulong)taken), taken);
        }

        Assert.Equal(Of(all[^1]), Claim(store, Client, all));
    }

    protected static IpAddress Of(int number) => IpAddress.FromV4(0xC0A8_4D00u + (uint)number);

    /// <summary>Waits for the answer, if it does not come within the call.</summary>
    protected static IpAddress Ask(Action<Action<LeaseResult>> ask) => AskAsync(ask).GetAwaiter().GetResult();

    protected static async Task<IpAddress> AskAsync(Action<Action<LeaseResult>> ask)
    {
        var answer = new TaskCompletionSource<LeaseResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        ask(answer.SetResult);
        var result = await answer.Task.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(StoreFailure.None, result.Failure);
        return result.Address;
    }

    private IpAddress Claim(IAddressStore store, MacAddress client, params int[] candidates) => Claim(store, client, Lease, candidates);

    private IpAddress Claim(IAddressStore store, MacAddress client, TimeSpan time, params int[] candidates) =>
        Ask(done => store.Claim(client, [.. candidates.Select(Of)], time, Pass(TimeSpan.Zero), done));

    private IpAddress Find(IAddressStore store, MacAddress client) => Ask(done => store.Find(client, Pass(TimeSpan.Zero), done));

    private IpAddress Release(IAddressStore store, MacAddress client, int address, TimeSpan quarantine) =>
        Ask(done => store.Release(client, Of(address), quarantine, Pass(TimeSpan.Zero), done));
}

public sealed class InMemoryAddressStoreTests : AddressStoreContract
{
    private Instant _now = Instant.FromMilliseconds(5);

    protected override IAddressStore Create() => new InMemoryAddressStore();

    protected override Instant Pass(TimeSpan time) => _now += time;

    [Fact]
    public void Clients_that_come_and_go_leave_nothing_behind()
    {
        var store = new InMemoryAddressStore();
        for (ulong i = 0; i < 10_000; i++)
        {
            _now += Lease;
            store.Claim(new MacAddress(0x0200_0000_0000 + i), [Of(1 + (int)(i % 50))], Lease, _now, result => Assert.False(result.Address.IsNone));
        }

        Assert.Equal(50, store.Count);
        store.Find(new MacAddress(0x0200_0000_0000), _now, result => Assert.True(result.Address.IsNone));
    }
}
