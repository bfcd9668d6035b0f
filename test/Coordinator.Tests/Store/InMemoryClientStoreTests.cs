using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Store;

public sealed class InMemoryClientStoreTests : ClientStoreContract
{
    protected override IClientStore Create(int capacity = 1_000) => new InMemoryClientStore(1, capacity);

    [Fact]
    public void Many_clients_are_listed_in_parts_of_which_each_is_short()
    {
        const int Clients = 50_000;
        var store = Create(Clients);
        for (var i = 0; i < Clients; i++)
        {
            // In no order: 7,919 is prime to the number of clients.
            store.CompareAndSet(With(new MacAddress(0x0200_0000_0000 + (ulong)(i * 7_919L % Clients))) with { Fam = Ap1 }, 0);
        }

        var sizes = new List<int>();
        for (ulong from = 0, next = 1; next != 0; from = next)
        {
            store.List(NodeId.None, from, page => (next, sizes) = (page.Next, [.. sizes, page.Clients.Count]));
        }

        Assert.All(sizes, size => Assert.InRange(size, 1, 16_384));
        Assert.Equal(Enumerable.Range(0, Clients).Select(i => new MacAddress(0x0200_0000_0000 + (ulong)i)), store.Clients());
    }

    [Fact]
    public void A_full_store_refuses_the_new_and_keeps_the_old()
    {
        var store = Create(capacity: 1);
        store.CompareAndSet(With(Client, 4_000), 0);
        Assert.Equal(StoreOutcome.Full, store.CompareAndSet(With(OtherClient), 0));
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(Client, 5_000), store.Load(Client).Version));
    }

    /// <summary>Devices that pass by once, or one that pretends to be many, fill nothing; who is somewhere or has a mapping stays.</summary>
    [Fact]
    [Trait("Req", "A-12")]
    public void Of_clients_that_are_nowhere_and_have_nothing_the_latest_are_remembered()
    {
        var store = Create(capacity: 160);
        MacAddress Passing(int i) => new(0x0400_0000_0000 + (ulong)i);
        store.CompareAndSet(With(Client, 4_000), 0);
        store.CompareAndSet(With(OtherClient) with { Fam = Ap1 }, 0);
        for (var i = 0; i < 10_000; i++)
        {
            Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(Passing(i)) with { Fam = Ap1 }, 0));
            Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(Passing(i)), store.Load(Passing(i)).Version));
        }

        Assert.Equal([Client, OtherClient, .. Enumerable.Range(9_990, 10).Select(Passing)], store.Clients().OrderBy(c => c.Value));

        // Who comes back in time is not forgotten; who is met anew has another version than any before.
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(Passing(9_990)) with { Fam = Ap1 }, store.Load(Passing(9_990)).Version));
        store.CompareAndSet(With(Passing(1)), 0);
        Assert.NotNull(store.Load(Passing(9_990)).Record);
        Assert.InRange(store.Load(Passing(1)).Version, 3, long.MaxValue);
    }
}
