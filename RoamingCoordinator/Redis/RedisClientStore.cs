using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using Masquerade.Core.Flow;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>
/// Client records in Redis, shared by any number of coordinators. It takes nothing for granted that it reads: what cannot be read is removed, counted, and built anew from what the
/// access points announce. See docs/decisions/0009-redis-store.md.
/// </summary>
public sealed partial class RedisClientStore : IClientStore, IAsyncDisposable
{
    private readonly RedisOptions _options;
    private readonly RedisLink _link;
    private readonly RedisKeys _keys;
    private readonly Action<Action> _post;
    private readonly ulong _origin;
    private readonly CancellationTokenSource _stop = new();

    private RedisClientStore(RedisOptions options, RedisLink link, Action<Action> post, ulong origin)
    {
        _options = options;
        _link = link;
        _keys = new RedisKeys(options.Prefix);
        _post = post;
        _origin = origin;
    }

    /// <inheritdoc/>
    public bool IsShared => true;

    /// <inheritdoc/>
    public int? ClientCount => null;

    /// <summary>Commands that wait for an answer of Redis.</summary>
    public int InFlight => _link.InFlight;

    internal RedisLink Link => _link;

    internal RedisKeys Keys => _keys;

    /// <summary>Connects. A Redis that is not there yet is no error: it is dialled until it is.</summary>
    /// <param name="options">Where and how.</param>
    /// <param name="post">Takes completions to the loop in which the coordinator runs. Must not lose any.</param>
    /// <param name="origin">Unix time at the coordinator's <see cref="Core.Time.Instant.Zero"/>, in milliseconds.</param>
    public static async Task<RedisClientStore> ConnectAsync(RedisOptions options, Action<Action> post, ulong origin)
    {
        var store = new RedisClientStore(options, await RedisLink.ConnectAsync(options).ConfigureAwait(false), post, origin);
        await store.ObserveAsync().ConfigureAwait(false);
        store._watch = store.WatchAsync();
        return store;
    }

    /// <inheritdoc/>
    public void Load(MacAddress client, Action<LoadResult> done) => Answer(LoadAsync(client), done);

    /// <inheritdoc/>
    public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done) => Answer(SetAsync(record, loaded, scope), done);

    /// <inheritdoc/>
    public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) => Answer(FindClaimAsync(mapping), done);

    /// <inheritdoc/>
    public void List(NodeId node, ulong from, Action<ClientPage> done) => Answer(node.IsNone ? ListAllAsync() : ListAsync(node, (int)from), done);

    /// <inheritdoc/>
    public void Forget(NodeId node, MacAddress client) => _ = ForgetAsync(node, client);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _watch.ConfigureAwait(false);
        await _link.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    internal void Answer<T>(Task<T> task, Action<T> done) => _ = AnswerAsync(task, done);

    private async Task AnswerAsync<T>(Task<T> task, Action<T> done)
    {
        var answer = await task.ConfigureAwait(false);
        _post(() => done(answer));
    }

    private async Task<LoadResult> LoadAsync(MacAddress client)
    {
        var key = _keys.Client(client);
        var reply = await _link.RunAsync(static (database, key) => database.StringGetAsync(key), key).ConfigureAwait(false);
        if (reply.Failure != StoreFailure.None)
        {
            return new LoadResult(default, await RepairAsync(reply.Failure, key, "string").ConfigureAwait(false));
        }

        var value = (byte[]?)reply.Value;
        if (value is null)
        {
            // A store that was emptied knows nobody, and must not make a new client of everybody.
            return new LoadResult(default, await WhyUnknownAsync().ConfigureAwait(false));
        }

        if (value.Length > 8 && ClientRecordCodec.TryDecode(value.AsSpan(8), client, _origin, out var record))
        {
            return new LoadResult(new Versioned(record, BinaryPrimitives.ReadInt64BigEndian(value)));
        }

        await DropAsync(key, "string", value.AsMemory(0, Math.Min(8, value.Length)).ToArray()).ConfigureAwait(false);
        return new LoadResult(default, StoreFailure.Garbage);
    }

    private async Task<SetResult> SetAsync(ClientRecord record, Versioned loaded, SetScope scope)
    {
        var before = loaded.Record?.Mappings;
        var added = scope.All || before is null ? record.Mappings.Keys : ReferenceEquals(before, record.Mappings) ? [] : record.Mappings.Keys.Where(id => !before.ContainsKey(id));
        var gone = before is null || ReferenceEquals(before, record.Mappings) ? [] : before.Keys.Where(id => !record.Mappings.ContainsKey(id)).ToArray();
        var ticket = BinaryPrimitives.ReadUInt32BigEndian(RandomNumberGenerator.GetBytes(4));

        // First the index, then the record: at no time has the record a mapping that is not claimed for it. Claims of what goes are read now, for they are given up as they were.
        var naming = NameAsync(record, scope.All ? null : loaded.Record);
        var seeing = SeeAsync(gone);
        var claimed = await ClaimAsync(record.Client, ticket, [.. added]).ConfigureAwait(false);
        var seen = await seeing.ConfigureAwait(false);
        var named = await naming.ConfigureAwait(false);
        if (claimed.Outcome != StoreOutcome.Stored)
        {
            return claimed;
        }

        if (named != StoreFailure.None)
        {
            return new SetResult(StoreOutcome.Failed, named);
        }

        var key = _keys.Client(record.Client);
        var value = Encode(record);
        var reply = await _link.RunAsync(
            Script.Set, [key], [Version(loaded.Version), value, LeaseOf(record)]).ConfigureAwait(false);
        if (reply.Failure != StoreFailure.None)
        {
            return new SetResult(
                StoreOutcome.Failed, await RepairAsync(reply.Failure, key, "string").ConfigureAwait(false), Version: BinaryPrimitives.ReadInt64BigEndian(value));
        }

        if ((long)reply.Value != 1)
        {
            return new SetResult(StoreOutcome.Changed);
        }

        await WithdrawAsync([.. seen.Where(c => c.Client == record.Client), .. scope.Withdrawn ?? []]).ConfigureAwait(false);
        return new SetResult(StoreOutcome.Stored);
    }

    private async Task<ClientPage> ListAsync(NodeId node, int shard)
    {
        var key = _keys.Clients(node, shard);
        var reply = await _link.RunAsync(static (database, key) => database.SetMembersAsync(key), key).ConfigureAwait(false);
        if (reply.Failure == StoreFailure.Garbage)
        {
            await DropAsync(key, "set", []).ConfigureAwait(false);
        }
        else if (reply.Failure != StoreFailure.None)
        {
            return new ClientPage([], 0, reply.Failure);
        }

        MacAddress[] clients =
            [.. (reply.Value ?? []).Select(v => ulong.TryParse((string?)v, out var mac) && mac < 1UL << 48 ? new MacAddress(mac) : default).Where(c => !c.IsNone).Order()];
        return new ClientPage(clients, shard + 1 < RedisKeys.Shards ? (ulong)shard + 1 : 0);
    }

    private async Task<ClientPage> ListAllAsync()
    {
        var clients = new List<MacAddress>();
        foreach (var key in await _link.KeysAsync(_keys.ClientPrefix).ConfigureAwait(false))
        {
            if (_keys.TryParseClient(key, out var client))
            {
                clients.Add(client);
            }
        }

        clients.Sort();
        return new ClientPage(clients, 0);
    }

    /// <summary>Lists the client for the nodes that the record names and did not name before. Who is listed too much does no harm.</summary>
    private async Task<StoreFailure> NameAsync(ClientRecord record, ClientRecord? before)
    {
        var nodes = record.Nodes();
        if (before is not null)
        {
            nodes.ExceptWith(before.Nodes());
        }

        var failures = await Task.WhenAll(nodes.Select(node => ListForAsync(node, record.Client))).ConfigureAwait(false);
        return failures.FirstOrDefault(f => f != StoreFailure.None);
    }

    private async Task<StoreFailure> ListForAsync(NodeId node, MacAddress client)
    {
        var key = _keys.Clients(node, client);
        var reply = await _link.RunAsync(Script.List, [key], [(long)client.Value, (long)_options.Lease.TotalMilliseconds]).ConfigureAwait(false);
        return await RepairAsync(reply.Failure, key, "set").ConfigureAwait(false);
    }

    private async Task ForgetAsync(NodeId node, MacAddress client)
    {
        var key = _keys.Clients(node, client);
        await _link.RunAsync(Script.Unlist, [key], [(long)client.Value]).ConfigureAwait(false);

        // Who had listed the client before this and has set its record since is done by now.
        await Task.Delay(_options.Timeout * 4, CancellationToken.None).ConfigureAwait(false);
        var loaded = await LoadAsync(client).ConfigureAwait(false);
        if (loaded.Failure != StoreFailure.None || (loaded.Found.Record?.Nodes().Contains(node) ?? false))
        {
            await ListForAsync(node, client).ConfigureAwait(false);
        }
    }

    /// <summary>For how long a record is kept, in milliseconds: that a session is over is known for longer than a client that is nowhere.</summary>
    private long LeaseOf(ClientRecord record)
    {
        var (lease, now) = ((long)_options.Lease.TotalMilliseconds, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
        return record.Over.IsEmpty ? lease : Math.Clamp(record.Over.Max(e => e.Until) - now, lease, Math.Max(lease, (long)SessionEnd.KeptOfDenied.TotalMilliseconds));
    }

    private byte[] Encode(ClientRecord record)
    {
        var buffer = new ArrayBufferWriter<byte>(256 + (record.Mappings.Count * 48));
        RandomNumberGenerator.Fill(buffer.GetSpan(8)[..8]);

        // A version never comes again, also not after a fail-over; 0 means that there is no record.
        buffer.GetSpan(8)[7] |= 1;
        buffer.Advance(8);
        ClientRecordCodec.Encode(record, _origin, buffer);
        return buffer.WrittenSpan.ToArray();
    }

    private static RedisValue Version(long version)
    {
        if (version == 0)
        {
            return RedisValue.EmptyString;
        }

        var octets = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(octets, version);
        return octets;
    }

    /// <summary>A key of the wrong type is removed, so that the next attempt succeeds.</summary>
    internal async Task<StoreFailure> RepairAsync(StoreFailure failure, RedisKey key, string type)
    {
        if (failure == StoreFailure.Garbage)
        {
            await DropAsync(key, type, []).ConfigureAwait(false);
        }

        return failure;
    }

    private async Task DropAsync(RedisKey key, string type, byte[] unreadable)
    {
        await _link.RunAsync(Script.Drop, [key], [type, unreadable]).ConfigureAwait(false);
        NoteLoss();
    }
}
