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
    /// <summary>When to try again what the outbox had no room for.</summary>
    private static readonly TimeSpan ReportAgain = TimeSpan.FromMilliseconds(50);

    private readonly List<int> _reported = [];
    private Instant _reportAt = Instant.Never;

    /// <summary>Clients of which mappings are still to be reported to a coordinator that has forgotten them.</summary>
    public int UnreportedCount => _table.Unreported.Count;

    /// <summary>The session with the coordinator is up. If its store has forgotten, every mapping owned here is reported, so that the index is whole again.</summary>
    public void OnCoordinatorUp(bool storeChanged, Instant now)
    {
        if (!storeChanged)
        {
            return;
        }

        for (var client = _table.NextLiveClient(0); client >= 0; client = _table.NextLiveClient(client + 1))
        {
            for (var slot = _table.Client(client).FirstMapping; slot >= 0; slot = _table[slot].NextOfClient)
            {
                _table[slot].Unreported = true;

                // A coordinator that has forgotten may have forgotten how far it had counted, too.
                _table[slot].ChangeId = 0;
                _table[slot].FurtherId = 0;
                _table.Client(_table[slot].Client).MarksId = 0;
            }

            _table.Unreported.Enqueue(client);
        }

        Report(now);
    }

    /// <summary>Reports client by client as long as the outbox has room; what has none is reported later, as it is then.</summary>
    private void Report(Instant now)
    {
        _reportAt = Instant.Never;
        while (_table.Unreported.TryDequeue(out var client))
        {
            if (!TryReport(client, now))
            {
                _table.Unreported.Enqueue(client);
                _reportAt = now + ReportAgain;
                return;
            }
        }
    }

    private bool TryReport(int client, Instant now)
    {
        ref var owner = ref _table.Client(client);
        while (_outbox.HasRoom(canWait: true))
        {
            _reported.Clear();
            var isLast = true;
            var epoch = Epoch.None;
            var batch = new List<MappingRecord>();
            var room = default(RecordRoom);
            for (var slot = owner.FirstMapping; slot >= 0; slot = _table[slot].NextOfClient)
            {
                if (!_table[slot].Unreported)
                {
                    continue;
                }

                epoch = batch.Count == 0 ? _table[slot].Epoch : epoch;
                if (_table[slot].Epoch != epoch)
                {
                    isLast = false;
                    continue;
                }

                var record = ToRecord(_table[slot], now);
                if (!room.TryTake(record))
                {
                    isLast = false;
                    break;
                }

                batch.Add(record);
                _reported.Add(slot);
            }

            if (batch.Count > 0
                && !_outbox.Send(new AnchorReport { Id = _outbox.NextId(), Client = owner.Mac, Epoch = NewestEpoch(owner), FamEpoch = epoch, Mappings = batch }, now, canWait: true))
            {
                return false;
            }

            foreach (var slot in _reported)
            {
                _table[slot].Unreported = false;
            }

            if (isLast)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Packets that wait for previous FAMs to drain, of all clients. Looks at every client; not for the packet path.</summary>
    public int HeldPackets
    {
        get
        {
            var total = 0;
            for (var client = _table.NextLiveClient(0); client >= 0; client = _table.NextLiveClient(client + 1))
            {
                total += _table.Client(client).Held?.Count ?? 0;
            }

            return total;
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

    private MappingRecord ToRecord(in HamEntry entry, Instant now) => new()
    {
        Mapping = entry.Mapping,
        ClientEndpoint = entry.ClientEndpoint,
        Ham = _self,
        AnchorEpoch = entry.AnchorEpoch,
        Revision = 0,
        FamEndpoint = entry.Fam,
        Explicit = entry.Explicit is { } kept ? kept.Terms.After(now - kept.At) : null,
        Opened = entry.Opened,
    };
}
