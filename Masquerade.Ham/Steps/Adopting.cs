using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Ham;

/// <summary>
/// Mappings that the coordinator knows to be anchored here and this node does not: it has lost its tables, or has taken over the address of another node. And mappings that are
/// another node's now, because their address is.
/// </summary>
public sealed partial class HamEngine
{
    /// <summary>False if what cannot be anchored could not be said: it comes again.</summary>
    private bool OnAdoptMappings(AdoptMappings adopt, Instant now)
    {
        List<MappingId>? unwanted = null;
        foreach (var record in adopt.Mappings)
        {
            if (Owns(record.Mapping, adopt.Client))
            {
                // It has been told before, and the client may have moved since.
                var route = new FamRoute(record.Mapping, _self, TransportEndpoint.None, record.FamEndpoint);
                SwitchRoute(route, adopt.Client, adopt.Epoch, record.FamEndpoint == record.Mapping.Masquerade, adopt.Id, now);
                var slot = _table.Find(record.Mapping);
                if (_table[slot].Route != HamRoute.Local || record.Explicit is { Published: true })
                {
                    // The FAM of this very node has said it already, and may have said more since.
                    Keep(slot, record.Explicit, now);
                }
            }
            else if (!TryReanchor(record, adopt.Client, adopt.Epoch, now))
            {
                (unwanted ??= []).Add(record.Mapping);
            }
        }

        return TryDisown(unwanted, adopt.Client, now);
    }

    /// <summary>An address is another node's now: what was anchored there is that node's affair. Nothing is released; the coordinator knows.</summary>
    public void Yield(IpAddress address)
    {
        _pool.ForgetBlocks(address);
        for (var slot = _table.NextLive(0); slot >= 0; slot = _table.NextLive(slot + 1))
        {
            var mapping = _table[slot].Mapping;
            if (mapping.Masquerade.Address == address)
            {
                _orphans.Cancel(slot);
                _table.Remove(slot);

                // It has not ended: should the address come back while a port would rest, the mapping comes with it. Nothing is given out there meanwhile.
                _pool.ReleaseUnused(mapping.Protocol, mapping.Masquerade, mapping.Server);
            }
        }
    }

    /// <summary>What was given up while it was not here, and could not be said until now, is not to be heard any more.</summary>
    private void KeepAfterAll(MappingId mapping, Instant now)
    {
        List<ReleaseMappings>? unsaid = null;
        _outbox.RemoveAll(m =>
        {
            if (m is not ReleaseMappings release || !release.Mappings.Contains(mapping))
            {
                return false;
            }

            (unsaid ??= []).Add(release with { Mappings = [.. release.Mappings.Where(other => other != mapping)] });
            return true;
        });
        foreach (var release in unsaid?.Where(r => r.Mappings.Count > 0) ?? [])
        {
            // There is the room that it had.
            _ = _outbox.Send(release, now);
        }
    }

    /// <summary>False if the endpoint is not this node's, has gone to somebody else or has ended (a late copy of the message) meanwhile, or if there is no room.</summary>
    private bool TryReanchor(MappingRecord record, MacAddress client, Epoch epoch, Instant now)
    {
        if (!_pool.TryReclaim(record.Mapping.Protocol, record.Mapping.Masquerade, record.Mapping.Server, now, client))
        {
            return false;
        }

        var slot = Add(record.Mapping, record.ClientEndpoint, client, epoch, record.FamEndpoint, record.Opened != 0 ? record.Opened : WallClock?.Invoke(now) ?? 0, adopted: true);
        if (slot < 0)
        {
            _pool.Release(record.Mapping.Protocol, record.Mapping.Masquerade, record.Mapping.Server, now);
            return false;
        }

        KeepAfterAll(record.Mapping, now);
        _table[slot].AnchorEpoch = record.AnchorEpoch;
        Keep(slot, record.Explicit, now);
        if (record.FamEndpoint.IsNone)
        {
            BecomeOrphan(slot, now);
        }
        else
        {
            PointTo(slot, record.FamEndpoint, now);
        }

        return true;
    }
}
