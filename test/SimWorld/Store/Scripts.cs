using System.Collections.Immutable;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;

namespace Masquerade.SimWorld.Store;

/// <summary>A record as it is stored: a version that never comes again, then the octets.</summary>
internal sealed record StoredRecord(long Version, byte[] Octets);

/// <summary>Where a node is connected, as it is stored.</summary>
internal sealed record StoredPresence(NodePresence Presence, bool IsSettled);

/// <summary>The number of the store's life, boxed.</summary>
internal sealed record StoredIncarnation(ulong Value);

/// <summary>The book of addresses.</summary>
internal sealed record StoredAddresses(ImmutableSortedDictionary<IpAddress, AddressRecord> Records);

/// <summary>The version of the book of addresses, boxed.</summary>
internal sealed record StoredVersion(ulong Value);

/// <summary>The sign that a coordinator is alive.</summary>
internal sealed record StoredLife;

/// <summary>What the scripts of the Redis adapter do, each under its file's name.</summary>
internal static class Scripts
{
    /// <summary>set.lua.</summary>
    public static bool Set(SimMaster master, StoreKey key, long loaded, StoredRecord next, TimeSpan lease)
    {
        if ((master.Get<StoredRecord>(key)?.Version ?? 0) != loaded)
        {
            return false;
        }

        master.Set(key, next, lease);
        return true;
    }

    /// <summary>claim.lua: all of one bucket or none.</summary>
    public static IReadOnlyList<EndpointClaim> Claim(SimMaster master, StoreKey bucket, MacAddress client, uint ticket, IReadOnlyList<MappingId> mappings, TimeSpan lease)
    {
        var claims = Bucket(master, bucket);
        var taken = mappings.Where(m => claims.TryGetValue(m, out var held) && held.Client != client).Select(m => claims[m]).ToList();
        if (taken.Count == 0)
        {
            master.Set(bucket, claims.SetItems(mappings.Select(m => KeyValuePair.Create(m, new EndpointClaim(m, client, ticket)))), lease);
        }

        return taken;
    }

    public static IReadOnlyList<EndpointClaim> See(SimMaster master, StoreKey bucket, IReadOnlyList<MappingId> mappings)
    {
        var claims = Bucket(master, bucket);
        return [.. mappings.Where(claims.ContainsKey).Select(m => claims[m])];
    }

    /// <summary>withdraw.lua.</summary>
    public static bool Withdraw(SimMaster master, StoreKey bucket, IReadOnlyList<EndpointClaim> claims)
    {
        var held = Bucket(master, bucket);
        var left = held.RemoveRange(claims.Where(c => held.TryGetValue(c.Mapping, out var now) && now == c).Select(c => c.Mapping));
        if (left != held)
        {
            master.Set(bucket, left);
        }

        return true;
    }

    /// <summary>list.lua.</summary>
    public static bool List(SimMaster master, StoreKey key, string member, TimeSpan lease)
    {
        master.Set(key, Members(master, key).Add(member), lease);
        return true;
    }

    /// <summary>unlist.lua.</summary>
    public static bool Unlist(SimMaster master, StoreKey key, string member)
    {
        if (Members(master, key) is var members && members.Contains(member))
        {
            master.Set(key, members.Remove(member));
        }

        return true;
    }

    public static ImmutableSortedSet<string> Members(SimMaster master, StoreKey key) =>
        master.Get<ImmutableSortedSet<string>>(key) ?? ImmutableSortedSet.Create<string>(StringComparer.Ordinal);

    /// <summary>renew.lua.</summary>
    public static bool Renew(SimMaster master, IEnumerable<StoreKey> keys, TimeSpan lease)
    {
        foreach (var key in keys)
        {
            if (master.Get<object>(key) is { } value)
            {
                master.Set(key, value, lease);
            }
        }

        return true;
    }

    /// <summary>register.lua: sessions are numbered by the server's clock.</summary>
    public static Registration Register(SimMaster master, StoreKey key, NodePresence presence, TimeSpan lease)
    {
        var before = master.Get<StoredPresence>(key);
        var number = Math.Max((before?.Presence.Number ?? 0) + 1, Clock(master));
        var forget = before is not null && (before.Presence.Incarnation != presence.Incarnation || !before.IsSettled);
        master.Set(key, new StoredPresence(presence with { Number = number, IsConnected = true }, !forget), lease);
        return new Registration(number, forget);
    }

    /// <summary>settle.lua: what the node claimed in an earlier life is forgotten.</summary>
    public static bool Settle(SimMaster master, StoreKey key, ulong number) => Change(master, key, number, p => p with { IsSettled = true });

    /// <summary>settle.lua: its session has ended.</summary>
    public static bool Disconnect(SimMaster master, StoreKey key, ulong number) =>
        Change(master, key, number, p => p with { Presence = p.Presence with { IsConnected = false } });

    /// <summary>observe.lua.</summary>
    public static ulong Observe(SimMaster master, StoreKey incarnation, StoreKey masters, ulong fresh, IReadOnlyList<string> present)
    {
        var known = Members(master, masters);
        var life = master.Get<StoredIncarnation>(incarnation);
        if (life is not null && present.All(known.Contains))
        {
            return life.Value;
        }

        master.Set(incarnation, new StoredIncarnation(fresh));
        master.Set(masters, ImmutableSortedSet.CreateRange(StringComparer.Ordinal, present));
        return fresh;
    }

    /// <summary>book.lua.</summary>
    public static AddressBook Book(SimMaster master, StoreKey addresses, StoreKey version, StoreKey drained) => new(
        [.. master.Get<StoredAddresses>(addresses)?.Records.Values ?? []],
        Members(master, drained).Select(n => new NodeId(n)).ToHashSet(),
        master.Get<StoredVersion>(version)?.Value ?? 0);

    /// <summary>addresses.lua: all or nothing.</summary>
    public static AddressesWritten Addresses(SimMaster master, StoreKey addresses, StoreKey version, ulong asOf, IReadOnlyList<AddressChange> changes, TimeSpan lease)
    {
        var records = master.Get<StoredAddresses>(addresses)?.Records ?? ImmutableSortedDictionary<IpAddress, AddressRecord>.Empty;
        if (changes.Any(c => records.GetValueOrDefault(c.After.Address) != c.Before))
        {
            return new AddressesWritten(StoreOutcome.Changed);
        }

        var before = master.Get<StoredVersion>(version)?.Value ?? 0;
        var next = Math.Max(Math.Max(before, asOf) + 1, Clock(master));
        master.Set(addresses, new StoredAddresses(records.SetItems(changes.Select(c => KeyValuePair.Create(c.After.Address, c.After)))), lease);
        master.Set(version, new StoredVersion(next), lease);
        return new AddressesWritten(StoreOutcome.Stored, next, before);
    }

    /// <summary>drain.lua.</summary>
    public static bool Drain(SimMaster master, StoreKey drained, string node, bool isDrained, TimeSpan lease)
    {
        master.Set(drained, isDrained ? Members(master, drained).Add(node) : Members(master, drained).Remove(node), lease);
        return true;
    }

    private static ulong Clock(SimMaster master) => (ulong)((master.Now + master.Skew).Nanoseconds / 1_000_000) + SimRedis.Epoch;

    private static bool Change(SimMaster master, StoreKey key, ulong number, Func<StoredPresence, StoredPresence> change)
    {
        if (master.Get<StoredPresence>(key) is not { } found || found.Presence.Number != number)
        {
            return false;
        }

        master.Set(key, change(found));
        return true;
    }

    private static ImmutableSortedDictionary<MappingId, EndpointClaim> Bucket(SimMaster master, StoreKey bucket) =>
        master.Get<ImmutableSortedDictionary<MappingId, EndpointClaim>>(bucket) ?? NoClaims;

    private static readonly ImmutableSortedDictionary<MappingId, EndpointClaim> NoClaims =
        ImmutableSortedDictionary.Create<MappingId, EndpointClaim>();
}
