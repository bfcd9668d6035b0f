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
            store.CompareAndSet(With(new MacAddress(0x0200_0000_0000 + (ulong)(i * 7_919L % Clients))), 0);
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
        store.CompareAndSet(With(Client), 0);
        Assert.Equal(StoreOutcome.Full, store.CompareAndSet(With(OtherClient), 0));
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(Client, 5_000), store.Load(Client).Version));
    }
}
