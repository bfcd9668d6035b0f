using System.Buffers;
using System.Globalization;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;

namespace Masquerade.SimWorld.Store;

/// <summary>
/// One coordinator's view of the shared store: what the Redis adapter does, command by command, so that anything can happen between two of them (docs/decisions/0009-redis-store.md).
/// </summary>
internal sealed class SimStore : IClientStore
{
    private const int Shards = 16;

    /// <summary>How often the servers are looked at: is there a new master, has everything been lost?</summary>
    private static readonly TimeSpan WatchInterval = TimeSpan.FromMilliseconds(250);

    private static readonly StoreKey IncarnationKey = new("store", "incarnation");
    private static readonly StoreKey MastersKey = new("store", "masters");

    private readonly SimStoreLink _link;
    private readonly SimRedis _redis;
    private readonly TimeSpan _lease;
    private readonly ulong _origin;
    private readonly Action<Action> _post;
    private bool _isLooking;

    /// <summary>A view of the store.</summary>
    /// <param name="link">The way to it.</param>
    /// <param name="lease">How long what nobody renews lives.</param>
    /// <param name="origin">Unix time at the coordinator's <see cref="Core.Time.Instant.Zero"/>, in milliseconds.</param>
    /// <param name="post">Takes completions to the coordinator.</param>
    public SimStore(SimStoreLink link, TimeSpan lease, ulong origin, Action<Action> post)
    {
        _link = link;
        _redis = link.Redis;
        _lease = lease;
        _origin = origin;
        _post = post;
    }

    public ulong Incarnation { get; private set; }

    public bool IsShared => true;

    public int? ClientCount => null;

    public SimStoreLink Link => _link;

    public TimeSpan Lease => _lease;

    public static StoreKey RecordKey(MacAddress client) => new(client.Value.ToString("x12", CultureInfo.InvariantCulture), "c");

    public static bool TryReadRecordKey(StoreKey key, out MacAddress client)
    {
        client = default;
        if (!string.Equals(key.Name, "c", StringComparison.Ordinal) || !ulong.TryParse(key.Tag, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            return false;
        }

        client = new MacAddress(value);
        return true;
    }

    public static StoreKey BucketKey(MappingId mapping) =>
        new(mapping.Masquerade.Address.ToString(), string.Create(CultureInfo.InvariantCulture, $"e:{(int)mapping.Protocol:x}{mapping.Masquerade.Port >> 8:x2}"));

    public static StoreKey NodeKey(NodeId node) => new(node.Name!, "p");

    public static StoreKey ListKey(NodeId node, int shard) => new(node.Name!, string.Create(CultureInfo.InvariantCulture, $"n:{shard:x}"));

    /// <summary>Looks at the servers for the first time, and from now on again and again.</summary>
    public async SimTask<bool> StartAsync()
    {
        await ObserveAsync();
        _ = WatchAsync();
        return true;
    }

    public void Load(MacAddress client, Action<LoadResult> done) => _ = AnswerAsync(LoadAsync(client), done);

    public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done) => _ = AnswerAsync(SetAsync(record, loaded, scope), done);

    public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) => _ = AnswerAsync(FindClaimAsync(mapping), done);

    public void List(NodeId node, ulong from, Action<ClientPage> done) => _ = AnswerAsync(node.IsNone ? ListAllAsync() : ListAsync(node, (int)from), done);

    public void Forget(NodeId node, MacAddress client) => _ = ForgetAsync(node, client);

    private async SimTask<bool> AnswerAsync<T>(SimTask<T> task, Action<T> done)
    {
        var answer = await task;
        _post(() => done(answer));
        return true;
    }

    private async SimTask<bool> WatchAsync()
    {
        while (!_link.IsClosed)
        {
            await _redis.Network.WaitAsync(_redis.Network.Pace(WatchInterval));
            await ObserveAsync();
        }

        return true;
    }

    private async SimTask<bool> ObserveAsync()
    {
        var masters = _link.Identities;
        if (masters.Count == 0)
        {
            return false;
        }

        var fresh = Math.Max(1, _redis.Random.NextUInt64() >> 1);
        var reply = await _link.RunAsync(IncarnationKey, m => Scripts.Observe(m, IncarnationKey, MastersKey, fresh, masters));
        if (reply.Failure == StoreFailure.None)
        {
            Incarnation = reply.Value;
        }

        return true;
    }

    /// <summary>Whether the store is what it was when it was last looked at; none if it is.</summary>
    private async SimTask<StoreFailure> WhyUnknownAsync()
    {
        var known = Incarnation;
        var reply = await _link.RunAsync(IncarnationKey, m => m.Get<StoredIncarnation>(IncarnationKey));
        if (reply.Failure != StoreFailure.None)
        {
            return reply.Failure;
        }

        if (known != 0 && reply.Value?.Value == known)
        {
            return StoreFailure.None;
        }

        if (!_isLooking)
        {
            _isLooking = true;
            await ObserveAsync();
            _isLooking = false;
        }

        return StoreFailure.Forgotten;
    }

    private async SimTask<LoadResult> LoadAsync(MacAddress client)
    {
        var key = RecordKey(client);
        var reply = await _link.RunAsync(key, m => m.Get<StoredRecord>(key));
        if (reply.Failure != StoreFailure.None)
        {
            return new LoadResult(default, reply.Failure);
        }

        if (reply.Value is not { } stored)
        {
            return new LoadResult(default, await WhyUnknownAsync());
        }

        return ClientRecordCodec.TryDecode(stored.Octets, client, _origin, out var record)
            ? new LoadResult(new Versioned(record, stored.Version))
            : throw _redis.Network.Fail($"the record of {client} cannot be read");
    }

    private async SimTask<SetResult> SetAsync(ClientRecord record, Versioned loaded, SetScope scope)
    {
        var before = loaded.Record?.Mappings;
        var added = scope.All || before is null ? record.Mappings.Keys : ReferenceEquals(before, record.Mappings) ? [] : record.Mappings.Keys.Where(id => !before.ContainsKey(id));
        var gone = before is null || ReferenceEquals(before, record.Mappings) ? [] : before.Keys.Where(id => !record.Mappings.ContainsKey(id)).ToArray();
        var ticket = (uint)_redis.Random.NextUInt64();

        var naming = NameAsync(record, scope.All ? null : loaded.Record);
        var seeing = SeeAsync(gone);
        var claimed = await ClaimAsync(record.Client, ticket, [.. added]);
        var seen = await seeing;
        var named = await naming;
        if (claimed.Outcome != StoreOutcome.Stored)
        {
            return claimed;
        }

        if (named != StoreFailure.None)
        {
            return new SetResult(StoreOutcome.Failed, named);
        }

        var key = RecordKey(record.Client);
        var octets = new ArrayBufferWriter<byte>(256);
        ClientRecordCodec.Encode(record, _origin, octets);
        var stored = new StoredRecord((long)(_redis.Random.NextUInt64() | 1), octets.WrittenSpan.ToArray());
        var reply = await _link.RunAsync(key, m => Scripts.Set(m, key, loaded.Version, stored, _lease));
        if (reply.Failure != StoreFailure.None)
        {
            return new SetResult(StoreOutcome.Failed, reply.Failure, Version: stored.Version);
        }

        if (!reply.Value)
        {
            return new SetResult(StoreOutcome.Changed);
        }

        await WithdrawAsync([.. seen.Where(c => c.Client == record.Client), .. scope.Withdrawn ?? []]);
        return new SetResult(StoreOutcome.Stored);
    }

    private async SimTask<SetResult> ClaimAsync(MacAddress client, uint ticket, MappingId[] mappings)
    {
        var replies = Grouped(mappings).Select(g => _link.RunAsync(g.Key, m => Scripts.Claim(m, g.Key, client, ticket, g.Value, _lease))).ToArray();
        var taken = new List<EndpointClaim>();
        var failure = StoreFailure.None;
        foreach (var task in replies)
        {
            var reply = await task;
            failure = failure == StoreFailure.None ? reply.Failure : failure;
            taken.AddRange(reply.Value ?? []);
        }

        return failure != StoreFailure.None ? new SetResult(StoreOutcome.Failed, failure)
            : taken.Count == 0 ? new SetResult(StoreOutcome.Stored) : new SetResult(StoreOutcome.Taken, Claims: taken);
    }

    private async SimTask<EndpointClaim?> FindClaimAsync(MappingId mapping)
    {
        var claims = await SeeAsync([mapping]);
        return claims.Count > 0 ? claims[0] : null;
    }

    private async SimTask<IReadOnlyList<EndpointClaim>> SeeAsync(MappingId[] mappings)
    {
        var replies = Grouped(mappings).Select(g => _link.RunAsync(g.Key, m => Scripts.See(m, g.Key, g.Value))).ToArray();
        var claims = new List<EndpointClaim>();
        foreach (var task in replies)
        {
            var reply = await task;
            claims.AddRange(reply.Value ?? []);
        }

        return claims;
    }

    private async SimTask<bool> WithdrawAsync(EndpointClaim[] claims)
    {
        var replies = claims.GroupBy(c => BucketKey(c.Mapping)).Select(g => _link.RunAsync(g.Key, m => Scripts.Withdraw(m, g.Key, [.. g]))).ToArray();
        foreach (var task in replies)
        {
            await task;
        }

        return true;
    }

    private async SimTask<StoreFailure> NameAsync(ClientRecord record, ClientRecord? before)
    {
        var nodes = record.Nodes();
        if (before is not null)
        {
            nodes.ExceptWith(before.Nodes());
        }

        var failure = StoreFailure.None;
        foreach (var task in nodes.OrderBy(n => n.Name, StringComparer.Ordinal).Select(node => ListForAsync(node, record.Client)).ToArray())
        {
            var one = await task;
            failure = failure == StoreFailure.None ? one : failure;
        }

        return failure;
    }

    private async SimTask<StoreFailure> ListForAsync(NodeId node, MacAddress client)
    {
        var key = ListKey(node, (int)(client.Value % Shards));
        var reply = await _link.RunAsync(key, m => Scripts.List(m, key, Member(client), _lease));
        return reply.Failure;
    }

    private async SimTask<ClientPage> ListAsync(NodeId node, int shard)
    {
        var key = ListKey(node, shard);
        var reply = await _link.RunAsync(key, m => Scripts.Members(m, key));
        return reply.Failure != StoreFailure.None
            ? new ClientPage([], 0, reply.Failure)
            : new ClientPage([.. reply.Value.Select(v => new MacAddress(ulong.Parse(v, CultureInfo.InvariantCulture))).Order()], shard + 1 < Shards ? (ulong)shard + 1 : 0);
    }

    private async SimTask<ClientPage> ListAllAsync()
    {
        var clients = new List<MacAddress>();
        for (var part = 0; part < _redis.Parts; part++)
        {
            var key = Enumerable.Range(0, 1_000).Select(i => new StoreKey(i.ToString(CultureInfo.InvariantCulture), "any")).First(k => _redis.PartOf(k) == part);
            var reply = await _link.RunAsync(key, m => m.All<StoredRecord>(m.Now).Select(r => r.Key).ToArray());
            foreach (var found in reply.Value ?? [])
            {
                if (TryReadRecordKey(found, out var client))
                {
                    clients.Add(client);
                }
            }
        }

        clients.Sort();
        return new ClientPage(clients, 0);
    }

    private async SimTask<bool> ForgetAsync(NodeId node, MacAddress client)
    {
        var key = ListKey(node, (int)(client.Value % Shards));
        await _link.RunAsync(key, m => Scripts.Unlist(m, key, Member(client)));

        // Who had listed the client before this and has set its record since is done by now.
        await _redis.Network.WaitAsync(SimStoreLink.Timeout * 4);
        var loaded = await LoadAsync(client);
        if (loaded.Failure != StoreFailure.None || (loaded.Found.Record?.Nodes().Contains(node) ?? false))
        {
            await ListForAsync(node, client);
        }

        return true;
    }

    private static string Member(MacAddress client) => client.Value.ToString(CultureInfo.InvariantCulture);

    private static KeyValuePair<StoreKey, MappingId[]>[] Grouped(MappingId[] mappings) =>
        [.. mappings.GroupBy(BucketKey).OrderBy(g => g.Key.Tag, StringComparer.Ordinal).ThenBy(g => g.Key.Name, StringComparer.Ordinal).Select(g => new KeyValuePair<StoreKey, MappingId[]>(g.Key, [.. g.Order()]))];
}
