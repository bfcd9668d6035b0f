using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Ham;

/// <summary>
/// Explicit mappings live by their lifetime. While a client has a FAM, that keeps the time; a HAM has to know of it for when there is none, and for when the coordinator has forgotten.
/// </summary>
public sealed partial class HamEngine
{
    /// <inheritdoc/>
    public bool TryAnchorAt(
        TransportProtocol protocol, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, TransportEndpoint suggested, bool exactly, Instant now,
        out TransportEndpoint masquerade, out DropReason reason)
    {
        var isWhole = !suggested.Address.IsNone && suggested.Port != 0;
        if (isWhole && suggested.Address.IsIPv4 == clientEndpoint.Address.IsIPv4 && IsPairedWith(client, suggested.Address) && _pool.TryTake(protocol, suggested, now, client))
        {
            masquerade = suggested;
        }
        else if (exactly && isWhole)
        {
            masquerade = TransportEndpoint.None;
            reason = DropReason.Refused;
            return false;
        }
        else if (!TryReserve(protocol, !clientEndpoint.Address.IsIPv4, client, server: default, suggested.Port, now, out masquerade, out reason))
        {
            return false;
        }

        var isOther = (suggested.Port != 0 && suggested.Port != masquerade.Port) || (!suggested.Address.IsNone && suggested.Address != masquerade.Address);
        reason = exactly && isOther ? DropReason.Refused : TryAdopt(new MappingId(protocol, masquerade), clientEndpoint, client, epoch, now) ? DropReason.None : DropReason.TableFull;
        if (reason != DropReason.None)
        {
            _pool.ReleaseUnused(protocol, masquerade);
            masquerade = TransportEndpoint.None;
        }

        return reason == DropReason.None;
    }

    /// <inheritdoc/>
    public bool TryAnchorBeside(
        TransportProtocol protocol, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, IpAddress address, Instant now, out TransportEndpoint masquerade)
    {
        if (!_pool.TryAllocateAt(_pool.OwnPlace(address), protocol, preferredPort: 0, now, out masquerade, client))
        {
            return false;
        }

        if (TryAdopt(new MappingId(protocol, masquerade), clientEndpoint, client, epoch, now))
        {
            return true;
        }

        _pool.ReleaseUnused(protocol, masquerade);
        masquerade = TransportEndpoint.None;
        return false;
    }

    /// <inheritdoc/>
    public void Keep(MappingId mapping, ExplicitTerms? terms, Instant now)
    {
        var slot = _table.Find(mapping);
        if (slot >= 0)
        {
            Keep(slot, terms, now);
        }
    }

    private void Keep(int slot, ExplicitTerms? terms, Instant now)
    {
        ref var entry = ref _table[slot];
        entry.Explicit = terms is null ? null : new HamTerms(terms, now);
        if (terms is not null && entry is { Route: HamRoute.None, Unclaimed: 0 })
        {
            _orphans.Schedule(slot, OrphanUntil(entry, now));
        }
    }

    /// <summary>Whether a client may have mappings at an own address: it has one there, or none yet.</summary>
    private bool IsPairedWith(MacAddress client, IpAddress address)
    {
        var known = _table.FindClient(client);
        var pair = known < 0 || !_pool.IsPaired ? -1 : _table.Client(known).PairOf(!address.IsIPv4);
        return !_pool.GivesOutAt(pair) || pair == _pool.OwnPlace(address);
    }

    /// <summary>When a mapping that nobody serves ends: after its time as an orphan, and not before its lifetime is over if it is explicit.</summary>
    private Instant OrphanUntil(in HamEntry entry, Instant now)
    {
        var orphaned = now + OrphanTimeout(entry.Mapping.Protocol);
        return entry.Explicit is { } kept ? Instant.Max(orphaned, kept.Until) : orphaned;
    }
}
