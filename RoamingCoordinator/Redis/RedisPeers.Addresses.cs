using Masquerade.Core.Flow;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>The book of addresses: a hash, its version and the set of drained nodes, in one slot.</summary>
public sealed partial class RedisPeers
{
    private RedisKey[] Book => [_store.Keys.Addresses, _store.Keys.AddressesVersion, _store.Keys.Drained];

    /// <inheritdoc/>
    public bool Watch(ulong life)
    {
        if (_gone.ContainsKey(life))
        {
            return false;
        }

        _others.TryAdd(life, true);
        return true;
    }

    /// <inheritdoc/>
    public void ReadAddresses(Action<AddressBook> done) => _ = ReadAddressesAsync(done);

    /// <inheritdoc/>
    public void WriteAddresses(IReadOnlyList<AddressChange> changes, ulong asOf, Action<AddressesWritten> done) => _ = WriteAddressesAsync(changes, asOf, done);

    /// <inheritdoc/>
    public void WriteDrained(NodeId node, bool isDrained, Action<StoreFailure> done) => _ = WriteDrainedAsync(node, isDrained, done);

    private async Task ReadAddressesAsync(Action<AddressBook> done)
    {
        var reply = await _store.Link.RunAsync(Script.Book, Book, []).ConfigureAwait(false);
        var book = new AddressBook([], new HashSet<NodeId>(), 0, reply.Failure);
        if (reply.Failure == StoreFailure.None)
        {
            var parts = (RedisResult[]?)reply.Value ?? [];
            book = parts.Length == 3 && ulong.TryParse((string?)parts[0], out var version)
                ? new AddressBook(Read((RedisValue[]?)parts[1] ?? []), ((string[]?)parts[2] ?? []).Where(NodeId.IsValid).Select(n => new NodeId(n)).ToHashSet(), version)
                : book with { Failure = StoreFailure.Garbage };
        }

        _post(() => done(book));
    }

    private List<AddressRecord> Read(RedisValue[] pairs)
    {
        var records = new List<AddressRecord>();
        for (var i = 0; i + 1 < pairs.Length; i += 2)
        {
            // Only what this program would write can be compared when it is changed.
            byte[]? octets = pairs[i + 1];
            if (AddressRecordCodec.Decode((string?)pairs[i] ?? string.Empty, octets) is { } record
                && octets.AsSpan().SequenceEqual(AddressRecordCodec.Encode(record)) && string.Equals(pairs[i], record.Address.ToString(), StringComparison.Ordinal))
            {
                records.Add(record);
            }
            else
            {
                Unreadable++;
                _ = _store.Link.RunAsync(Script.Strike, [_store.Keys.Addresses], [pairs[i], pairs[i + 1]]);
            }
        }

        return records;
    }

    private async Task WriteAddressesAsync(IReadOnlyList<AddressChange> changes, ulong asOf, Action<AddressesWritten> done)
    {
        var reply = await _store.Link.RunAsync(
            Script.Addresses,
            [_store.Keys.Addresses, _store.Keys.AddressesVersion],
            [
                Text(asOf),
                (long)_options.Lease.TotalMilliseconds,
                .. changes.SelectMany(c => new RedisValue[]
                {
                    c.After.Address.ToString(), c.Before is null ? RedisValue.EmptyString : AddressRecordCodec.Encode(c.Before), AddressRecordCodec.Encode(c.After),
                }),
            ]).ConfigureAwait(false);
        var written = new AddressesWritten(StoreOutcome.Failed, Failure: reply.Failure);
        if (reply.Failure == StoreFailure.None)
        {
            var versions = (RedisValue[]?)reply.Value ?? [];
            written = versions.Length == 2 && ulong.TryParse((string?)versions[0], out var version) && ulong.TryParse((string?)versions[1], out var before)
                ? new AddressesWritten(StoreOutcome.Stored, version, before)
                : new AddressesWritten(StoreOutcome.Changed);
        }

        if (written.Outcome == StoreOutcome.Stored || written.Failure is StoreFailure.TimedOut or StoreFailure.Unreachable)
        {
            // Also if it is not known whether anything has changed; but not if nothing has: others would look, and try again as well.
            Say(PeerFrames.AddressesChanged(_life));
        }

        _post(() => done(written));
    }

    private async Task WriteDrainedAsync(NodeId node, bool isDrained, Action<StoreFailure> done)
    {
        var reply = await _store.Link.RunAsync(Script.Drain, [_store.Keys.Drained], [node.Name!, isDrained ? "1" : "0", (long)_options.Lease.TotalMilliseconds]).ConfigureAwait(false);
        Say(PeerFrames.AddressesChanged(_life));
        _post(() => done(reply.Failure));
    }
}
