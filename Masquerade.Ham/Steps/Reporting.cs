using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Ham;

/// <summary>A mapping as a HAM shows it to operators.</summary>
/// <param name="Mapping">Protocol and masquerade endpoint.</param>
/// <param name="Client">Its client.</param>
/// <param name="ClientEndpoint">The client's own endpoint.</param>
/// <param name="FamEndpoint">Where inbound packets go; none while nobody serves the client.</param>
/// <param name="Epoch">The epoch of that FAM.</param>
public sealed record HamMappingView(MappingId Mapping, MacAddress Client, TransportEndpoint ClientEndpoint, TransportEndpoint FamEndpoint, Epoch Epoch);

/// <summary>What the HAM tells others about its table: the coordinator after a loss, operators at any time.</summary>
public sealed partial class HamEngine
{
    /// <summary>The most mappings in one report, so that a message stays within the frame limit.</summary>
    private const int ReportBatch = 1_000;

    /// <summary>The session with the coordinator is up. If its store has forgotten, every mapping owned here is reported, so that the index is whole again.</summary>
    public void OnCoordinatorUp(bool storeChanged, Instant now)
    {
        if (!storeChanged)
        {
            return;
        }

        for (var client = _table.NextLiveClient(0); client >= 0; client = _table.NextLiveClient(client + 1))
        {
            ref var owner = ref _table.Client(client);
            var batch = new List<MappingRecord>();
            for (var slot = owner.FirstMapping; slot >= 0; slot = _table[slot].NextOfClient)
            {
                batch.Add(ToRecord(_table[slot]));
                if (batch.Count == ReportBatch || _table[slot].NextOfClient < 0)
                {
                    _outbox.Send(new AnchorReport { Id = _outbox.NextId(), Client = owner.Mac, Epoch = NewestEpoch(owner), Mappings = batch }, now);
                    batch = [];
                }
            }
        }
    }

    /// <summary>The mappings owned here, at most <paramref name="limit"/>, in table order. Allocates; not for the packet path.</summary>
    public IReadOnlyList<HamMappingView> Describe(int limit)
    {
        var views = new List<HamMappingView>();
        for (var slot = _table.NextLive(0); slot >= 0 && views.Count < limit; slot = _table.NextLive(slot + 1))
        {
            ref var entry = ref _table[slot];
            views.Add(new HamMappingView(entry.Mapping, _table.Client(entry.Client).Mac, entry.ClientEndpoint, entry.Fam, entry.Epoch));
        }

        return views;
    }

    private Epoch NewestEpoch(in HamClient client)
    {
        var newest = client.Epoch;
        for (var slot = client.FirstMapping; slot >= 0; slot = _table[slot].NextOfClient)
        {
            newest = _table[slot].Epoch > newest ? _table[slot].Epoch : newest;
        }

        return newest;
    }

    private MappingRecord ToRecord(in HamEntry entry) => new()
    {
        Mapping = entry.Mapping,
        ClientEndpoint = entry.ClientEndpoint,
        Ham = _self,
        AnchorEpoch = entry.AnchorEpoch,
        Revision = 0,
        FamEndpoint = entry.Fam,
    };
}
