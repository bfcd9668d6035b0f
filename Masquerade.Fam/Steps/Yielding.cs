using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Fam;

/// <summary>Masquerade addresses change hands: mappings that are served here get this node for their HAM, or lose it.</summary>
public sealed partial class FamEngine
{
    /// <summary>The HAM of this node has been given mappings of a client. Those that are served here need no FAM endpoint of their own any more.</summary>
    private void OnAdopted(AdoptMappings adopt, Instant now)
    {
        var client = _clients.Find(adopt.Client);
        if (client < 0 || _clients[client].Epoch < adopt.Epoch || _clients[client].State is not (ClientState.Serving or ClientState.Away or ClientState.Further))
        {
            return;
        }

        foreach (var record in adopt.Mappings)
        {
            // It may have overtaken the news that this node serves the client, or that news it: then what was given up as unknown here lives after all.
            var isServed = _clients[client].Epoch == adopt.Epoch && record.FamEndpoint == record.Mapping.Masquerade;
            if (_anchor.Owns(record.Mapping, adopt.Client) && (_clients[client].Ended.Remove(record.Mapping) | isServed))
            {
                Install(client, record with { Ham = _self, FamEndpoint = record.Mapping.Masquerade }, now);
            }
        }
    }

    /// <summary>
    /// An address is another node's now. What is served here and was anchored there gets a FAM endpoint at an address that this node still has; what is only passed on is forgotten.
    /// </summary>
    /// <param name="address">The address.</param>
    /// <param name="to">Who owns it.</param>
    /// <param name="now">The time.</param>
    public void Yield(IpAddress address, NodeId to, Instant now)
    {
        WithdrawAttachesAt(address, now);
        for (var slot = _table.NextMapping(0); slot >= 0; slot = _table.NextMapping(slot + 1))
        {
            ref var mapping = ref _table.Mapping(slot);
            if (mapping.Fam.Address != address || mapping.IsUntranslated)
            {
                continue;
            }

            var client = mapping.Client;
            if (_clients[client].State is not (ClientState.Serving or ClientState.Away or ClientState.Further)
                || !_pool.TryAllocateFor(mapping.Id.Server, mapping.Id.Protocol, !address.IsIPv4, 0, now, out var fresh))
            {
                RemoveMapping(slot, now);
                continue;
            }

            Rebind(slot, mapping.Id.Masquerade.Address == address ? to : mapping.Ham, fresh, now);
            AttachSoon(client, slot, now);
        }
    }
}
