using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Store;

/// <summary>What every client store must do. A new store derives from this class and is tested by it.</summary>
public abstract class ClientStoreContract
{
    /// <summary>An empty store with room for so many clients.</summary>
    protected abstract IClientStore Create(int capacity = 1_000);

    [Fact]
    public void An_unknown_client_has_version_zero()
    {
        Assert.Equal(default, Create().Load(Client));
    }

    [Fact]
    public void What_is_set_is_loaded_and_the_version_counts_up()
    {
        var store = Create();
        var record = With(Client);
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(record, 0));
        var (loaded, version) = store.Load(Client);
        Assert.Equal((record.Client, record.Epoch), (loaded!.Client, loaded.Epoch));
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(loaded with { Epoch = new Epoch(9) }, version));
        Assert.NotEqual(version, store.Load(Client).Version);
        Assert.Single(store.Clients());
    }

    /// <summary>In one act with the session's going (decision 42).</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public void What_is_kept_of_sessions_that_are_over_is_loaded_again()
    {
        var store = Create();
        var end = new SessionEnd(new Core.Control.Octets([.. Enumerable.Repeat((byte)7, Core.Control.UserSession.IdLength)]), "alice", "disconnected", DateTimeOffset.UtcNow.AddDays(1).ToUnixTimeMilliseconds());
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(Client) with { Over = [end] }, 0));
        Assert.Equal(end, Assert.Single(store.Load(Client).Record!.Over));
        Assert.Null(store.Load(Client).Record!.User);
    }

    [Fact]
    public void Of_two_that_decided_on_the_same_version_one_decides_again()
    {
        var store = Create();
        store.CompareAndSet(With(Client), 0);
        var (record, version) = store.Load(Client);
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(record! with { Epoch = new Epoch(2) }, version));
        Assert.Equal(StoreOutcome.Changed, store.CompareAndSet(record with { Epoch = new Epoch(3) }, version));
        Assert.Equal(StoreOutcome.Changed, store.CompareAndSet(With(Client), 0));
        Assert.Equal(new Epoch(2), store.Load(Client).Record!.Epoch);
    }

    [Fact]
    public void A_masquerade_endpoint_has_one_owner()
    {
        var store = Create();
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(Client, 5_000), 0));
        Assert.Equal(StoreOutcome.Taken, store.CompareAndSet(With(OtherClient, 5_001, 5_000), 0));
        Assert.Null(store.Load(OtherClient).Record);
        Assert.False(store.TryFindOwner(Id(5_001), out _));
        Assert.True(store.TryFindOwner(Id(5_000), out var owner));
        Assert.Equal(Client, owner);
    }

    [Fact]
    public void What_a_client_gives_up_another_may_have()
    {
        var store = Create();
        store.CompareAndSet(With(Client, 5_000), 0);
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(Client), store.Load(Client).Version));
        Assert.False(store.TryFindOwner(Id(5_000), out _));
        Assert.Equal(StoreOutcome.Stored, store.CompareAndSet(With(OtherClient, 5_000), 0));
    }

    [Fact]
    public void Clients_are_listed_in_order()
    {
        var store = Create();
        store.CompareAndSet(With(OtherClient), 0);
        store.CompareAndSet(With(Client), 0);
        Assert.Equal([Client, OtherClient], store.Clients());
    }

    [Fact]
    public void A_claim_without_a_mapping_is_withdrawn_as_it_was_seen()
    {
        var store = Create();
        store.CompareAndSet(With(Client, 5_000), 0);
        store.FindClaim(Id(5_000), claim => store.CompareAndSet(
            With(OtherClient), default, new SetScope(Withdrawn: [claim!.Value with { Client = OtherClient }]), _ => { }));
        Assert.True(store.TryFindOwner(Id(5_000), out var owner));
        Assert.Equal(Client, owner);
    }

    [Fact]
    public void A_set_that_was_made_from_no_record_fails_when_there_is_one()
    {
        var store = Create();
        store.CompareAndSet(With(Client, 5_000), 0);
        var outcome = StoreOutcome.Stored;
        store.CompareAndSet(With(Client, 5_001), default, default, set => outcome = set.Outcome);
        Assert.Equal(StoreOutcome.Changed, outcome);
        Assert.Equal(Id(5_000), Assert.Single(store.Load(Client).Record!.Mappings.Keys));
    }

    [Fact]
    public void All_of_many_mappings_that_others_have_are_named()
    {
        var store = Create();
        store.CompareAndSet(With(Client, [.. Enumerable.Range(4_000, 600)]), 0);
        SetResult result = default;
        store.CompareAndSet(With(OtherClient, [.. Enumerable.Range(4_590, 20)]), default, default, set => result = set);
        Assert.Equal(StoreOutcome.Taken, result.Outcome);
        Assert.Equal(Enumerable.Range(4_590, 10).Select(Id), result.Claims!.Select(c => c.Mapping).OrderBy(m => m.Masquerade));
        Assert.All(result.Claims!, c => Assert.Equal(Client, c.Client));
    }

    /// <summary>Two clients have one masquerade endpoint, each for a server of its own; for one server only one has it, and whoever has it for all has it alone by another name.</summary>
    [Fact]
    public void Mappings_for_servers_are_claimed_each_by_itself()
    {
        var store = Create();
        var (one, two) = (Id(4_000) with { Server = At(9, 80) }, Id(4_000) with { Server = TransportEndpoint.Parse("203.0.113.9:256") });
        var six = new MappingId(TransportProtocol.Udp, TransportEndpoint.Parse("[2001:db8::1]:4000"), TransportEndpoint.Parse("[2001:db8::9]:80"));
        store.CompareAndSet(Naming(Client, one, six), 0);
        SetResult result = default;
        store.CompareAndSet(Naming(OtherClient, two), default, default, set => result = set);
        Assert.Equal(StoreOutcome.Stored, result.Outcome);
        foreach (var (mapping, client) in new[] { (one, Client), (two, OtherClient), (six, Client) })
        {
            EndpointClaim? found = null;
            store.FindClaim(mapping, claim => found = claim);
            Assert.Equal((mapping, client), (found!.Value.Mapping, found.Value.Client));
        }

        store.FindClaim(Id(4_000), claim => Assert.Null(claim));
        store.CompareAndSet(Naming(new MacAddress(0x02_00_00_00_00_77), one, two), default, default, set => result = set);
        Assert.Equal(StoreOutcome.Taken, result.Outcome);
        Assert.Equal([one, two], result.Claims!.Select(c => c.Mapping).Order());
    }

    [Fact]
    public void A_node_is_told_every_client_that_it_may_be_concerned_with()
    {
        var store = Create();
        store.CompareAndSet(With(Client, 5_000), 0);
        store.CompareAndSet(With(OtherClient) with { Fam = Ap1 }, 0);
        var listed = new List<MacAddress>();
        for (ulong from = 0, next = 1; next != 0; from = next)
        {
            store.List(Ap1, from, page =>
            {
                Assert.Equal(StoreFailure.None, page.Failure);
                listed.AddRange(page.Clients);
                next = page.Next;
            });
        }

        Assert.Superset(new HashSet<MacAddress> { Client, OtherClient }, listed.ToHashSet());
    }

    private static ClientRecord Naming(MacAddress client, params MappingId[] ids) => new ClientRecord { Client = client, Epoch = new Epoch(1) } with
    {
        Mappings = ids.Aggregate(
            new ClientRecord { Client = client }.Mappings,
            (all, id) => all.Add(id, new MappingEntry(Mapping(1, id.Masquerade.Port, 1) with { Mapping = id }, new Epoch(1), []))),
    };

    private static MappingId Id(int port) => new(TransportProtocol.Udp, At(1, port));

    protected static ClientRecord With(MacAddress client, params int[] ports) => new ClientRecord { Client = client, Epoch = new Epoch(1) } with
    {
        Mappings = ports.Aggregate(
            new ClientRecord { Client = client }.Mappings,
            (all, port) => all.Add(Id(port), new MappingEntry(Mapping(1, port, 1), new Epoch(1), []))),
    };
}
