using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Redis;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Takeover;

/// <summary>Two coordinators share the store and the book of addresses, and the one that moves an address dies.</summary>
public sealed class SharedBookTests
{
    private readonly PlayedCoordinators _peers = new();
    private readonly ListedStore _store = new();

    /// <summary>ap1 fails and ap2 takes its address, ap2 fails and ap3 takes it, and nobody has gone through ap1's clients yet when the coordinator dies.</summary>
    [Fact]
    [Trait("Req", "A-16")]
    public void Who_takes_a_move_in_hand_looks_also_at_the_clients_of_the_owner_before_the_previous_one()
    {
        var first = _peers.Begin(11, _store);
        first.Join(1, PlayedSite.Link);
        first.Join(2, PlayedSite.Link);
        first.Pass(100);
        first.Say(2, first.Bench.Arrive(2));
        first.Say(2, first.Bench.Announce(first.Bench.Record.Epoch.Value, Mapping(1, 5_000, 1, fam: At(2, 6_000))));
        first.Say(2, new Depart { Id = first.Bench.NextId(), Client = Client, Epoch = first.Bench.Record.Epoch, Idle = false });
        _store.ListsNobody = true;
        first.Join(3, PlayedSite.Anything);
        first.Silence(1);
        first.Until(() => _peers.Find(Address(1)) is { Settled: false } record && record.Owner == Ap2);
        first.Silence(2);
        first.Until(() => _peers.Find(Address(1)) is { Settled: false } record && record.Owner == Ap3);
        Assert.Equal(Ap1, Assert.Single(first.Bench.Record.Mappings.Values).Record.Ham);

        var second = _peers.Begin(12, _store);
        second.Bench.Now = first.Bench.Now;
        _peers.Kill(11);
        _store.ListsNobody = false;
        second.Join(3, PlayedSite.Anything);
        second.Until(() => _peers.Find(Address(1)) is { Settled: true });
        var adopted = second.Heard<AdoptMappings>().SelectMany(a => a.Message.Mappings).DistinctBy(m => m.Mapping);
        Assert.Equal((At(1, 5_000), Ap3), (Assert.Single(adopted).Mapping.Masquerade, Assert.Single(second.Bench.Record.Mappings.Values).Record.Ham));
    }

    [Fact]
    [Trait("Req", "A-15")]
    public void The_node_with_the_fewest_mappings_takes_an_address_wherever_the_others_are_connected()
    {
        var (first, second) = (_peers.Begin(11, _store), _peers.Begin(12, _store));
        first.Join(1, PlayedSite.Link);
        first.Join(4, PlayedSite.Link);
        second.Join(2, PlayedSite.Link);
        second.Join(3, PlayedSite.Link);
        (first.Load[4], second.Load[2], second.Load[3]) = (7, 9, 5);
        for (var i = 0; i < 40; i++)
        {
            first.Pass(50);
            second.Pass(50);
        }

        Assert.Equal([9U, 5U], new[] { Ap2, Ap3 }.Select(n => first.Bench.Core.Nodes.Find(n)!.Mappings));
        Assert.Equal(7U, second.Bench.Core.Nodes.Find(Name(4))!.Mappings);

        // A little more is not worth a word; much more is.
        second.Load[3] = 50;
        for (var i = 0; i < 30; i++)
        {
            first.Pass(50);
            second.Pass(50);
        }

        Assert.Equal(50U, first.Bench.Core.Nodes.Find(Ap3)!.Mappings);
        first.Silence(1);
        first.Until(() => _peers.Find(Address(1)) is { } record && !(record.Next.IsNone && record.Owner == Ap1));
        Assert.Equal(Name(4), _peers.Find(Address(1))!.Latest.Node);
    }

    [Fact]
    public void A_presence_says_how_many_mappings_there_are_if_it_is_known()
    {
        var presence = new NodePresence { Node = Ap1, Incarnation = 3, PeerEndpoint = At(1, 4_747), Addresses = [Address(1)], Life = 9, Number = 4, IsConnected = true };
        foreach (var said in new[] { presence, presence with { Mappings = 0 }, presence with { Mappings = 77_000, IsConnected = false } })
        {
            var read = PeerFrames.ReadPresence(PeerFrames.Presence(said))!;
            Assert.Equal((said.Mappings, said.IsConnected, said.Node, said.Number), (read.Mappings, read.IsConnected, read.Node, read.Number));
            for (var length = 0; length < PeerFrames.Presence(said).Length; length++)
            {
                Assert.Null(PeerFrames.ReadPresence(PeerFrames.Presence(said).AsSpan(0, length)));
            }
        }
    }

    [Fact]
    public void The_book_keeps_that_an_address_has_moved_before_it_was_settled()
    {
        var record = new AddressRecord(Address(1)) { Owner = Ap3, Epoch = new Epoch(9), Settled = false, Previous = Ap2, IsStray = true, Failed = true, Mover = 11 };
        Assert.Equal(record, AddressRecordCodec.Decode(record.Address.ToString(), AddressRecordCodec.Encode(record)));
        Assert.False(AddressRecordCodec.Decode(record.Address.ToString(), AddressRecordCodec.Encode(record with { IsStray = false }))!.IsStray);
    }

    /// <summary>A store that names for a node only the clients that it is concerned with, as one that is shared does.</summary>
    private sealed class ListedStore : IClientStore
    {
        private readonly InMemoryClientStore _inner = new(7);

        public bool ListsNobody { get; set; }

        public ulong Incarnation => _inner.Incarnation;

        public bool IsShared => true;

        public int? ClientCount => _inner.ClientCount;

        public void Load(MacAddress client, Action<LoadResult> done) => _inner.Load(client, done);

        public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done) => _inner.CompareAndSet(record, loaded, scope, done);

        public void Forget(NodeId node, MacAddress client) => _inner.Forget(node, client);

        public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) => _inner.FindClaim(mapping, done);

        public void List(NodeId node, ulong from, Action<ClientPage> done) => _inner.List(node, from, page =>
        {
            if (!ListsNobody)
            {
                done(node.IsNone ? page : page with { Clients = [.. page.Clients.Where(c => _inner.Load(c).Record?.Nodes().Contains(node) == true)] });
            }
        });
    }
}
