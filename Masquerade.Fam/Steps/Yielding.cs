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
        if (client < 0 || _clients[client].Epoch != adopt.Epoch || _clients[client].State is not (ClientState.Serving or ClientState.Away))
        {
            return;
        }

        foreach (var record in adopt.Mappings)
        {
            if (record.FamEndpoint == record.Mapping.Masquerade && _anchor.Owns(record.Mapping, adopt.Client))
            {
                Install(client, record with { Ham = _self }, now);
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
        for (var slot = _table.NextMapping(0); slot >= 0; slot = _table.NextMapping(slot + 1))
        {
            ref var mapping = ref _table.Mapping(slot);
            if (mapping.Fam.Address != address)
            {
                continue;
            }

            var client = mapping.Client;
            if (_clients[client].State is not (ClientState.Serving or ClientState.Away)
                || !_pool.TryAllocate(mapping.Id.Protocol, !address.IsIPv4, 0, now, out var fresh))
            {
                RemoveMapping(slot, now);
                continue;
            }

            Rebind(slot, mapping.Id.Masquerade.Address == address ? to : mapping.Ham, fresh, now);
            AttachKnown(client, slot, now);
        }
    }
}
