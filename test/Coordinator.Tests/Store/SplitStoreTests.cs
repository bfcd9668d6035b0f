using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Xunit.Abstractions;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Store;

/// <summary>
/// Two coordinators over a store whose index and records change one by one, in any order, with anything in between, as in a cluster; and which fails at any moment. Whatever happens,
/// no masquerade endpoint is in two records, and each that is in one is claimed for it. See docs/decisions/0009-redis-store.md.
/// </summary>
public sealed class SplitStoreTests(ITestOutputHelper output)
{
    [Fact]
    public void No_endpoint_is_ever_in_two_records()
    {
        var random = Seed.Fresh(output);
        long settled = 0;
        for (var world = 0; world < 60; world++)
        {
            var store = new SplitStore(random);
            CoordinatorBench[] coordinators = [Create(store, 1), Create(store, 2)];
            for (var step = 0; step < 600; step++)
            {
                if (random.Chance(0.25))
                {
                    Say(coordinators[random.NextInt(2)], store, random);
                }

                store.Step();
                store.Check();
                if (step % 50 == 49)
                {
                    foreach (var coordinator in coordinators)
                    {
                        coordinator.Wait(600);
                    }
                }
            }

            for (var i = 0; i < 4; i++)
            {
                while (store.Step())
                {
                    store.Check();
                }

                foreach (var coordinator in coordinators)
                {
                    coordinator.Wait(600);
                }
            }

            settled += store.Taken;
        }

        output.WriteLine($"{settled} conflicts were found by the store");
        Assert.True(settled > 500, "nobody ever wanted what another had");
    }

    private static CoordinatorBench Create(SplitStore store, ulong life)
    {
        CoordinatorBench? bench = null;
        bench = new CoordinatorBench(new CoordinatorOptions { Life = life }, store.For(completion => bench!.Core.Complete(completion, bench.Now)));
        return bench;
    }

    /// <summary>Something that a node may say: what it anchors, what it serves, what others have told it; true or not.</summary>
    private static void Say(CoordinatorBench bench, SplitStore store, SeededRandom random)
    {
        var node = 1 + (ulong)random.NextInt(3);
        var client = new MacAddress(0x0200_0000_0001 + (ulong)random.NextInt(3));
        var mapping = Mapping(1 + (ulong)random.NextInt(2), 5_000 + random.NextInt(3), 1, revision: (uint)random.NextInt(9));
        var epoch = store.EpochOf(client);
        bench.Tell(node, random.NextInt(6) switch
        {
            0 => new Arrive { Id = bench.NextId(), Client = client, Offers = [new FamOffer(TransportProtocol.Udp, At(node, 6_000 + random.NextInt(100)))] },
            1 or 2 => new Announce { Id = bench.NextId(), Client = client, Epoch = epoch, Mappings = [mapping], Full = random.Chance(0.2) },
            3 => new Announce { Id = bench.NextId(), Client = client, Epoch = epoch, Ended = [mapping.Mapping] },
            4 => new AnchorReport { Id = bench.NextId(), Client = client, Epoch = epoch, FamEpoch = epoch, Mappings = [mapping] },
            _ => new ReleaseMappings { Id = bench.NextId(), Client = client, Mappings = [mapping.Mapping] },
        });
    }

    /// <summary>Records and claims that are set in small steps, any of which may be next.</summary>
    private sealed class SplitStore(SeededRandom random)
    {
        private readonly Dictionary<MacAddress, (ClientRecord Record, long Version)> _records = [];
        private readonly Dictionary<MappingId, (MacAddress Client, ulong Ticket)> _claims = [];
        private readonly List<Action> _steps = [];

        public long Taken { get; private set; }

        public IClientStore For(Action<Action> post) => new View(this, post);

        public Epoch EpochOf(MacAddress client) => _records.TryGetValue(client, out var found) ? found.Record.Epoch : new Epoch(1);

        public bool Step()
        {
            if (_steps.Count == 0)
            {
                return false;
            }

            var index = random.NextInt(_steps.Count);
            var step = _steps[index];
            _steps.RemoveAt(index);
            step();
            return true;
        }

        public void Check()
        {
            var owners = new Dictionary<MappingId, MacAddress>();
            foreach (var (client, (record, _)) in _records)
            {
                foreach (var id in record.Mappings.Keys)
                {
                    Assert.True(owners.TryAdd(id, client), $"{id} is {client}'s and {owners.GetValueOrDefault(id)}'s");
                    Assert.True(_claims.TryGetValue(id, out var claim) && claim.Client == client, $"{id} is {client}'s and is claimed for {claim.Client}");
                }
            }
        }

        private void Load(MacAddress client, Action<LoadResult> answer) => _steps.Add(() =>
        {
            var result = random.Chance(0.01) ? new LoadResult(default, StoreFailure.TimedOut)
                : new LoadResult(_records.TryGetValue(client, out var found) ? new Versioned(found.Record, found.Version) : default);
            _steps.Add(() => answer(result));
        });

        private void Set(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> answer)
        {
            var before = loaded.Record?.Mappings;
            var added = record.Mappings.Keys.Where(id => scope.All || before is null || !before.ContainsKey(id)).ToList();
            var gone = before?.Keys.Where(id => !record.Mappings.ContainsKey(id)).ToList() ?? [];
            var ticket = random.NextUInt64();
            var taken = new List<EndpointClaim>();
            var seen = new List<EndpointClaim>();
            var left = added.Count + gone.Count + 1;
            void Claimed()
            {
                if (--left > 0)
                {
                    return;
                }

                if (taken.Count > 0)
                {
                    Taken++;
                    answer(new SetResult(StoreOutcome.Taken, Claims: taken));
                    return;
                }

                _steps.Add(() => SetRecord(record, loaded, [.. seen.Where(c => c.Client == record.Client), .. scope.Withdrawn ?? []], answer));
            }

            foreach (var id in added)
            {
                _steps.Add(() =>
                {
                    if (_claims.TryGetValue(id, out var other) && other.Client != record.Client)
                    {
                        taken.Add(new EndpointClaim(id, other.Client, other.Ticket));
                    }
                    else
                    {
                        _claims[id] = (record.Client, ticket);
                    }

                    Claimed();
                });
            }

            foreach (var id in gone)
            {
                _steps.Add(() =>
                {
                    if (_claims.TryGetValue(id, out var claim))
                    {
                        seen.Add(new EndpointClaim(id, claim.Client, claim.Ticket));
                    }

                    Claimed();
                });
            }

            Claimed();
        }

        private void SetRecord(ClientRecord record, Versioned loaded, IReadOnlyList<EndpointClaim> withdrawn, Action<SetResult> answer)
        {
            if (random.Chance(0.02))
            {
                // The coordinator or the way to the store has died; what was claimed stays claimed.
                answer(new SetResult(StoreOutcome.Failed, StoreFailure.Unreachable));
                return;
            }

            if ((_records.TryGetValue(record.Client, out var current) ? current.Version : 0) != loaded.Version)
            {
                answer(new SetResult(StoreOutcome.Changed));
                return;
            }

            _records[record.Client] = (record, (long)(random.NextUInt64() >> 1) | 1);
            if (random.Chance(0.02))
            {
                // It is set, and nobody hears of it.
                answer(new SetResult(StoreOutcome.Failed, StoreFailure.TimedOut));
                return;
            }

            _steps.Add(() =>
            {
                foreach (var claim in withdrawn)
                {
                    if (_claims.TryGetValue(claim.Mapping, out var held) && held == (claim.Client, claim.Ticket))
                    {
                        _claims.Remove(claim.Mapping);
                    }
                }

                answer(new SetResult(StoreOutcome.Stored));
            });
        }

        private sealed class View(SplitStore store, Action<Action> post) : IClientStore
        {
            public ulong Incarnation => 1;

            public bool IsShared => true;

            public int? ClientCount => null;

            public void Load(MacAddress client, Action<LoadResult> done) => store.Load(client, result => post(() => done(result)));

            public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done) =>
                store.Set(record, loaded, scope, result => post(() => done(result)));

            public void Forget(NodeId node, MacAddress client)
            {
                // Nodes are not listed here.
            }

            public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) =>
                done(store._claims.TryGetValue(mapping, out var claim) ? new EndpointClaim(mapping, claim.Client, claim.Ticket) : null);

            public void List(NodeId node, ulong from, Action<ClientPage> done) => done(new ClientPage([.. store._records.Keys.Order()], 0));
        }
    }
}
