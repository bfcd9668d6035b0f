using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Ham;

/// <summary>Mappings that the coordinator knows to be anchored here and this node does not, because it has lost its tables.</summary>
public sealed partial class HamEngine
{
    /// <summary>False if what cannot be anchored could not be said: it comes again.</summary>
    private bool OnAdoptMappings(AdoptMappings adopt, Instant now)
    {
        List<MappingId>? unwanted = null;
        foreach (var record in adopt.Mappings)
        {
            if (!Owns(record.Mapping, adopt.Client) && !TryReanchor(record, adopt.Client, adopt.Epoch, now))
            {
                (unwanted ??= []).Add(record.Mapping);
            }
        }

        return TryDisown(unwanted, adopt.Client, now);
    }

    /// <summary>False if the endpoint is not this node's, has gone to somebody else or has ended (a late copy of the message) meanwhile, or if there is no room.</summary>
    private bool TryReanchor(MappingRecord record, MacAddress client, Epoch epoch, Instant now)
    {
        if (!_pool.TryReclaim(record.Mapping.Protocol, record.Mapping.Masquerade, now))
        {
            return false;
        }

        var slot = Add(record.Mapping, record.ClientEndpoint, client, epoch);
        if (slot < 0)
        {
            _pool.Release(record.Mapping.Protocol, record.Mapping.Masquerade, now);
            return false;
        }

        _table[slot].AnchorEpoch = record.AnchorEpoch;
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
