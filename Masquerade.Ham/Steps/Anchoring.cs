using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Ham;

/// <summary>How mappings come to be anchored here and how they end.</summary>
public sealed partial class HamEngine
{
    /// <summary>When a mapping is released that the outbox had no room for.</summary>
    private static readonly TimeSpan ReleaseAgain = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public bool TryAnchor(
        TransportProtocol protocol, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, Instant now,
        out TransportEndpoint masquerade, out DropReason reason)
    {
        if (!_pool.TryAllocate(protocol, !clientEndpoint.Address.IsIPv4, 0, now, out masquerade))
        {
            reason = DropReason.PortsExhausted;
            return false;
        }

        if (!TryAdopt(new MappingId(protocol, masquerade), clientEndpoint, client, epoch, now))
        {
            _pool.ReleaseUnused(protocol, masquerade);
            masquerade = TransportEndpoint.None;
            reason = DropReason.TableFull;
            return false;
        }

        reason = DropReason.None;
        return true;
    }

    /// <inheritdoc/>
    public bool TryAdopt(MappingId mapping, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, Instant now)
    {
        var slot = Add(mapping, clientEndpoint, client, epoch);
        if (slot < 0)
        {
            return false;
        }

        _table[slot].Route = HamRoute.Local;
        _table[slot].Fam = mapping.Masquerade;
        _orphans.Schedule(slot, now + _config.VerifyInterval);
        return true;
    }

    /// <inheritdoc/>
    public bool Owns(MappingId mapping, MacAddress client)
    {
        var slot = _table.Find(mapping.Protocol, mapping.Masquerade);
        return slot >= 0 && _table.Client(_table[slot].Client).Mac == client;
    }

    /// <inheritdoc/>
    public Epoch NewestEpoch(MacAddress client)
    {
        var slot = _table.FindClient(client);
        return slot < 0 ? Epoch.None : NewestEpoch(_table.Client(slot));
    }

    /// <inheritdoc/>
    public void Release(MappingId mapping, Instant now)
    {
        var slot = _table.Find(mapping.Protocol, mapping.Masquerade);
        if (slot >= 0)
        {
            Remove(slot, now);
        }
    }

    private int Add(MappingId mapping, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch)
    {
        var slot = _table.Add(mapping, clientEndpoint, client);
        if (slot >= 0)
        {
            ref var entry = ref _table[slot];
            entry.AnchorEpoch = epoch;
            entry.Epoch = epoch;
            ref var owner = ref _table.Client(entry.Client);
            entry.Draining = owner.Held is not null;
            _output.Report(new MappingAnchored(mapping, client, clientEndpoint));
        }

        return slot;
    }

    private void Remove(int slot, Instant now)
    {
        ref var entry = ref _table[slot];
        var mapping = entry.Mapping;
        var client = _table.Client(entry.Client).Mac;
        _orphans.Cancel(slot);
        _table.Remove(slot);
        _pool.Release(mapping.Protocol, mapping.Masquerade, now);
        _output.Report(new MappingReleased(mapping, client));
    }

    /// <summary>Policy placed a mapping here: it starts without a FAM. A repeated request gets the mapping that the first one made.</summary>
    private void OnAnchorRequest(AnchorRequest request, Instant now)
    {
        var masquerade = FindPlaced(request);
        if (masquerade.IsNone && _pool.TryAllocate(request.Protocol, !request.ClientEndpoint.Address.IsIPv4, 0, now, out var endpoint))
        {
            var slot = Add(new MappingId(request.Protocol, endpoint), request.ClientEndpoint, request.Client, request.Epoch);
            if (slot < 0)
            {
                _pool.ReleaseUnused(request.Protocol, endpoint);
            }
            else
            {
                masquerade = endpoint;
                _table[slot].PlacedBy = request.Id;
                BecomeOrphan(slot, now);
            }
        }

        _output.SendControl(new AnchorReply
        {
            Id = request.Id,
            Status = masquerade.IsNone ? AckStatus.Refused : AckStatus.Ok,
            Masquerade = masquerade,
        });
    }

    private TransportEndpoint FindPlaced(AnchorRequest request)
    {
        var client = _table.FindClient(request.Client);
        for (var slot = client < 0 ? -1 : _table.Client(client).FirstMapping; slot >= 0; slot = _table[slot].NextOfClient)
        {
            ref var entry = ref _table[slot];
            if (entry.PlacedBy == request.Id && entry.Mapping.Protocol == request.Protocol && entry.ClientEndpoint == request.ClientEndpoint)
            {
                return entry.Mapping.Masquerade;
            }
        }

        return TransportEndpoint.None;
    }

    private void OnMappingsEnded(MappingsEnded ended, Instant now)
    {
        foreach (var mapping in ended.Mappings)
        {
            var slot = _table.Find(mapping.Protocol, mapping.Masquerade);

            // A newer FAM than the one that saw the end may have opened it again: the higher epoch is right.
            if (slot >= 0 && _table.Client(_table[slot].Client).Mac == ended.Client && _table[slot].Epoch <= ended.Epoch)
            {
                Remove(slot, now);
            }
        }
    }

    private void BecomeOrphan(int slot, Instant now)
    {
        ref var entry = ref _table[slot];
        entry.Route = HamRoute.None;
        entry.Fam = TransportEndpoint.None;
        entry.NextQueryAt = now;
        entry.QueryInterval = _config.FamQueryInterval;
        _orphans.Schedule(slot, now + (entry.Mapping.Protocol switch
        {
            TransportProtocol.Tcp => _config.TcpOrphanTimeout,
            TransportProtocol.Udp => _config.UdpOrphanTimeout,
            _ => _config.IcmpOrphanTimeout,
        }));
    }

    private void ExpireOrphans(Instant now)
    {
        int count;
        do
        {
            count = _orphans.Advance(now, _expired);
            for (var i = 0; i < count; i++)
            {
                var slot = _expired[i];
                if (_table[slot].Route != HamRoute.None)
                {
                    Verify(slot, now);
                    continue;
                }

                var client = _table.Client(_table[slot].Client).Mac;
                var release = new ReleaseMappings { Id = _outbox.NextId(), Client = client, Mappings = [_table[slot].Mapping] };
                if (_outbox.Send(release, now, canWait: true))
                {
                    Remove(slot, now);
                }
                else
                {
                    // While the coordinator believes that it lives, the port is not free.
                    _orphans.Schedule(slot, now + ReleaseAgain);
                }
            }
        }
        while (count == _expired.Length);
    }
}
