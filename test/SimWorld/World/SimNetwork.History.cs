using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.Store;

namespace Masquerade.SimWorld.World;

/// <summary>
/// What must hold over the whole history, whoever decides: one FAM per epoch of a client, as anybody has ever been told it; and, in the order in which the store has taken the
/// records, epochs that grow and one owner at a time of each masquerade endpoint.
/// </summary>
internal sealed partial class SimNetwork
{
    /// <summary>After a loss there may be two owners in the store until agents have said what is right and records have been renewed.</summary>
    private static readonly TimeSpan LossRecovery = TimeSpan.FromSeconds(15);

    private readonly Dictionary<(MacAddress Client, Epoch Epoch), (NodeId Fam, string Why)> _fams = [];
    private readonly Dictionary<MacAddress, ClientRecord> _stored = [];
    private readonly Dictionary<MappingId, MacAddress> _endpoints = [];
    private readonly Dictionary<MacAddress, long> _versions = [];

    /// <summary>Records that the store has taken.</summary>
    public long RecordsSet { get; private set; }

    /// <summary>A client has one FAM per epoch.</summary>
    public void NoteFam(MacAddress client, Epoch epoch, NodeId fam, string why)
    {
        if (epoch == Epoch.None || fam.IsNone)
        {
            return;
        }

        if (!_fams.TryGetValue((client, epoch), out var known))
        {
            _fams[(client, epoch)] = (fam, $"{why} at {Now}");
        }
        else if (known.Fam != fam)
        {
            throw Fail($"{client} has two FAMs in epoch {epoch}: {known.Fam} ({known.Why}) and {fam} ({why})");
        }
    }

    /// <summary>What an agent is told about who serves a client.</summary>
    private void NoteTold(SimAccessPoint ap, ControlMessage message)
    {
        switch (message)
        {
            case ArriveReply { Status: AckStatus.Ok, Role: FamRole.First } reply:
                NoteFam(reply.Client, reply.Epoch, new NodeId(ap.Name), $"{ap.Name} is told so with {Chronicle.Describe(reply)}");
                break;
            case FamChange change:
                NoteFam(change.Client, change.Epoch, change.NewFam, $"{ap.Name} is told so with {Chronicle.Describe(change)}");
                break;
        }
    }

    /// <summary>The store has taken a record.</summary>
    private void CheckRecordSet(StoreKey key, StoredRecord stored)
    {
        if (!SimStore.TryReadRecordKey(key, out var client) || (_versions.TryGetValue(client, out var version) && version == stored.Version))
        {
            return;
        }

        RecordsSet++;
        _versions[client] = stored.Version;
        var record = Decode(client, stored);
        NoteFam(client, record.Epoch, record.Fam, "the store has it so");
        var before = _stored.GetValueOrDefault(client);
        _stored[client] = record;
        if (before is not null && record.Epoch < before.Epoch)
        {
            throw Fail($"the store takes {client} from epoch {before.Epoch} back to {record.Epoch}");
        }

        foreach (var gone in before?.Mappings.Keys.Where(id => !record.Mappings.ContainsKey(id)) ?? [])
        {
            if (_endpoints.TryGetValue(gone, out var owner) && owner == client)
            {
                _endpoints.Remove(gone);
            }
        }

        var mayDiffer = Now - _storeLostAt < LossRecovery;
        foreach (var id in record.Mappings.Keys)
        {
            if (_endpoints.TryGetValue(id, out var owner) && owner != client && !mayDiffer)
            {
                throw Fail($"{id} belongs to {owner} and is given to {client} as well");
            }

            _endpoints[id] = client;
            if (!mayDiffer && ClaimOf(id) is var claim && claim?.Client != client)
            {
                throw Fail($"{id} is in the record of {client} and claimed for {claim?.Client.ToString() ?? "nobody"}");
            }
        }
    }

    /// <summary>The store is another one now, which may lack what it had acknowledged: the history begins anew with what it has.</summary>
    private void NoteStoreLoss()
    {
        _storeLostAt = Now;
        _stored.Clear();
        _endpoints.Clear();
        foreach (var record in Records())
        {
            _stored[record.Client] = record;
            foreach (var id in record.Mappings.Keys)
            {
                _endpoints[id] = record.Client;
            }
        }
    }

    private EndpointClaim? ClaimOf(MappingId mapping)
    {
        var bucket = SimStore.BucketKey(mapping);
        var found = Redis!.Master(Redis.PartOf(bucket)).Execute(m => Scripts.See(m, bucket, [mapping]), Now);
        return found.Count > 0 ? found[0] : null;
    }

    /// <summary>The store's records and index, laid side by side; null if they agree. For a quiet time.</summary>
    public string? FirstStoreDisagreement()
    {
        var owners = new Dictionary<MappingId, MacAddress>();
        foreach (var record in Redis is null ? [] : Records())
        {
            foreach (var id in record.Mappings.Keys)
            {
                if (!owners.TryAdd(id, record.Client))
                {
                    return $"{id} belongs to {owners[id]} and to {record.Client}";
                }

                if (ClaimOf(id) is var claim && claim?.Client != record.Client)
                {
                    return $"{id} belongs to {record.Client} and is claimed for {claim?.Client.ToString() ?? "nobody"}";
                }
            }
        }

        return null;
    }

    /// <summary>What a coordinator believes about sessions that is not so; null if all know where each access point is. For a quiet time.</summary>
    public string? FirstLostNode()
    {
        foreach (var coordinator in Redis is null ? [] : Coordinators.Where(c => !c.IsDead))
        {
            foreach (var ap in AccessPoints.Where(a => !a.IsDead))
            {
                var node = coordinator.Core.Nodes.Find(new NodeId(ap.Name));
                var isHere = ap.Coordinator == coordinator && ap.Session != 0;
                if (node is null || node.IsHere != isHere || !node.IsConnected || (isHere && node.Session != ap.Session))
                {
                    return $"{coordinator} has {ap.Name} {(node is null ? "not at all" : node.IsHere ? "here" : node.IsConnected ? "elsewhere" : "nowhere")}; it is at {ap.Coordinator}";
                }
            }
        }

        return null;
    }
}
