using Masquerade.Coordinator.Tests.Store;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.World;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.SimWorld.Store;

/// <summary>The contract of all stores, over the simulated one.</summary>
public sealed class SimStoreTests : ClientStoreContract
{
    private readonly SimNetwork _network = new(3, new Settings { Coordinators = 1, AccessPoints = 1, Clients = 0, StoreParts = 3, StoreDelay = 300, StoreJitter = 500 });

    public SimStoreTests() => _network.Run(TimeSpan.FromMilliseconds(200));

    [Fact]
    public void Writes_that_a_fail_over_loses_are_gone_and_the_incarnation_is_another()
    {
        var network = new SimNetwork(4, new Settings { Coordinators = 2, AccessPoints = 1, Clients = 0 });
        network.Run(TimeSpan.FromMilliseconds(200));
        var store = new WaitingStore(network);
        var incarnation = store.Incarnation;
        store.CompareAndSet(With(Client, 5_000), default, default, _ => { });
        store.CompareAndSet(With(OtherClient, 5_001), default, default, _ => { });
        network.Redis!.FailOver(0, TimeSpan.FromMilliseconds(100), lost: 1);
        StoreFailure failure = default;
        store.Load(Client, loaded => failure = loaded.Failure);
        Assert.NotEqual(StoreFailure.None, failure);
        network.Run(TimeSpan.FromSeconds(2));
        Assert.NotNull(store.Load(Client).Record);
        Assert.Null(store.Load(OtherClient).Record);
        Assert.NotEqual(incarnation, store.Incarnation);
        Assert.Equal(store.Incarnation, network.Coordinators[1].Core.Store.Incarnation);
    }

    [Fact]
    public void A_master_that_lingers_takes_writes_that_are_lost()
    {
        var network = new SimNetwork(5, new Settings { Coordinators = 1, AccessPoints = 1, Clients = 0 });
        network.Run(TimeSpan.FromMilliseconds(200));
        var store = new WaitingStore(network);
        network.Redis!.FailOver(0, TimeSpan.FromMilliseconds(500), lost: 0, lingers: true);
        network.Run(TimeSpan.FromMilliseconds(200));
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(Client, 5_000), 0));
        Assert.NotNull(store.Load(Client).Record);
        network.Run(TimeSpan.FromSeconds(2));
        Assert.Null(store.Load(Client).Record);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nobody_knows_whether_what_was_cut_off_has_been_done(bool stall)
    {
        var store = new WaitingStore(_network);
        _network.CutFromStore(_network.Coordinators[0], TimeSpan.FromSeconds(3), stall);
        SetResult result = default;
        store.CompareAndSet(With(Client, 5_000), default, default, set => result = set);
        Assert.Equal((StoreOutcome.Failed, stall ? StoreFailure.TimedOut : StoreFailure.Unreachable), (result.Outcome, result.Failure));
        _network.Run(TimeSpan.FromSeconds(4));

        // What was on the way arrives in the end: the claim is there, the record that was to follow it is not.
        Assert.Equal(stall, store.TryFindOwner(With(Client, 5_000).Mappings.Keys.Single(), out _));
        Assert.Null(store.Load(Client).Record);
    }

    [Fact]
    public void What_nobody_renews_expires()
    {
        var network = new SimNetwork(6, new Settings { Coordinators = 1, AccessPoints = 0, Clients = 0, Lease = TimeSpan.FromSeconds(10) });
        network.Run(TimeSpan.FromMilliseconds(200));
        var store = new WaitingStore(network);
        store.CompareAndSet(With(Client, 5_000), 0);
        network.Run(TimeSpan.FromSeconds(9));
        Assert.NotNull(store.Load(Client).Record);
        network.Run(TimeSpan.FromSeconds(2));
        Assert.Null(store.Load(Client).Record);
        Assert.False(store.TryFindOwner(With(Client, 5_000).Mappings.Keys.Single(), out _));
    }

    protected override IClientStore Create(int capacity = 1_000) => new WaitingStore(_network);

    /// <summary>Lets the world go on until the answer is there.</summary>
    private sealed class WaitingStore(SimNetwork network) : IClientStore
    {
        private IClientStore Inner => network.Coordinators[0].Core.Store;

        public ulong Incarnation => Inner.Incarnation;

        public bool IsShared => Inner.IsShared;

        public int? ClientCount => Inner.ClientCount;

        public void Load(MacAddress client, Action<LoadResult> done) => Wait(answer => Inner.Load(client, answer), done);

        public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done) =>
            Wait(answer => Inner.CompareAndSet(record, loaded, scope, answer), done);

        public void Forget(NodeId node, MacAddress client) => Inner.Forget(node, client);

        public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) => Wait(answer => Inner.FindClaim(mapping, answer), done);

        public void List(NodeId node, ulong from, Action<ClientPage> done) => Wait(answer => Inner.List(node, from, answer), done);

        private void Wait<T>(Action<Action<T>> ask, Action<T> done)
        {
            var answers = new List<T>();
            ask(answers.Add);
            for (var i = 0; i < 2_000 && answers.Count == 0; i++)
            {
                network.Run(TimeSpan.FromMilliseconds(1));
            }

            done(Assert.Single(answers));
        }
    }
}
