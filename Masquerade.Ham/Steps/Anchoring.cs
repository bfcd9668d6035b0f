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

    /// <summary>
    /// Who has a mapping placed here says at once who serves it. Whoever has not done so for this long may have died before it could write it down: then nobody knows of the mapping.
    /// </summary>
    private static readonly TimeSpan ClaimPatience = TimeSpan.FromSeconds(2);

    private const byte ClaimQuestions = 8;

    /// <inheritdoc/>
    public bool TryAnchor(
        TransportProtocol protocol, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, TransportEndpoint server, Instant now,
        out TransportEndpoint masquerade, out DropReason reason)
    {
        if (!TryReserve(protocol, !clientEndpoint.Address.IsIPv4, client, server, now, out masquerade, out reason))
        {
            return false;
        }

        if (!TryAdopt(new MappingId(protocol, masquerade, server), clientEndpoint, client, epoch, now))
        {
            _pool.ReleaseUnused(protocol, masquerade, server);
            masquerade = TransportEndpoint.None;
            reason = DropReason.TableFull;
            return false;
        }

        reason = DropReason.None;
        return true;
    }

    /// <inheritdoc/>
    public bool TryReserve(TransportProtocol protocol, bool ipv6, MacAddress client, TransportEndpoint server, Instant now, out TransportEndpoint endpoint, out DropReason reason) =>
        TryReserve(protocol, ipv6, client, server, preferredPort: 0, now, out endpoint, out reason);

    private bool TryReserve(
        TransportProtocol protocol, bool ipv6, MacAddress client, TransportEndpoint server, ushort preferredPort, Instant now, out TransportEndpoint endpoint, out DropReason reason)
    {
        reason = DropReason.PortsExhausted;
        if (!_pool.IsPaired)
        {
            return _pool.TryAllocateFor(server, protocol, ipv6, preferredPort, now, out endpoint, client);
        }

        var known = _table.FindClient(client);
        var place = known < 0 ? -1 : _table.Client(known).PairOf(ipv6);
        if (!_pool.GivesOutAt(place))
        {
            // Nothing of it is here yet, or its address is another node's now.
            place = _pool.Choose(client, protocol, ipv6, now, mayShare: !server.IsNone);
        }
        else
        {
            reason = DropReason.PairedPortsExhausted;
        }

        return _pool.TryAllocateAtFor(server, place, protocol, preferredPort, now, out endpoint, client);
    }

    /// <inheritdoc/>
    public bool TryAdopt(MappingId mapping, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, Instant now)
    {
        var slot = Add(mapping, clientEndpoint, client, epoch, mapping.Masquerade, WallClock?.Invoke(now) ?? 0, adopted: false);
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
        var slot = _table.Find(mapping);
        return slot >= 0 && _table.Client(_table[slot].Client).Mac == client;
    }

    /// <inheritdoc/>
    public long OpenedAt(MappingId mapping)
    {
        var slot = mapping.Masquerade.IsNone ? -1 : _table.Find(mapping);
        return slot < 0 ? 0 : _table[slot].Opened;
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
        var slot = _table.Find(mapping);
        if (slot >= 0)
        {
            Remove(slot, now);
        }
    }

    private int Add(MappingId mapping, TransportEndpoint clientEndpoint, MacAddress client, Epoch epoch, TransportEndpoint fam, long opened, bool adopted)
    {
        var slot = _table.Add(mapping, clientEndpoint, client);
        if (slot >= 0)
        {
            ref var entry = ref _table[slot];
            entry.AnchorEpoch = epoch;
            entry.Epoch = epoch;
            entry.Opened = opened;
            ref var owner = ref _table.Client(entry.Client);
            entry.Detour = owner.Held is not null ? HamDetour.Draining : HamDetour.None;
            Pair(ref owner, mapping.Masquerade.Address);
            if (_pool.BlockSize > 0 && _pool.TryBeginBlock(mapping.Masquerade, client, out var block))
            {
                _output.Report(new BlockTaken(block, client, clientEndpoint.Address, adopted));
            }

            _output.Report(new MappingAnchored(mapping, client, clientEndpoint, opened, adopted, fam));
        }

        return slot;
    }

    /// <summary>
    /// The first own address at which a client has a mapping is its address for as long as it has any here, wherever the mapping comes from: a return after a restart or a takeover
    /// restores the pairing with the mappings. What is anchored at another node's address that is held here pairs with nothing, for nothing new is given out there.
    /// </summary>
    private void Pair(ref HamClient client, IpAddress masquerade)
    {
        var place = _pool.OwnPlace(masquerade);
        ref var pair = ref client.PairOf(!masquerade.IsIPv4);
        if (place >= 0 && !_pool.GivesOutAt(pair))
        {
            pair = place;
        }
    }

    private void Remove(int slot, Instant now, MappingEnd reason = MappingEnd.Ended)
    {
        ref var entry = ref _table[slot];
        var mapping = entry.Mapping;
        var client = _table.Client(entry.Client).Mac;
        _orphans.Cancel(slot);
        _table.Remove(slot);
        _pool.Release(mapping.Protocol, mapping.Masquerade, mapping.Server, now);
        _output.Report(new MappingReleased(mapping, client, reason));
    }

    /// <summary>Policy placed a mapping here: it starts without a FAM. A repeated request gets the mapping that the first one made.</summary>
    private void OnAnchorRequest(AnchorRequest request, Instant now)
    {
        var masquerade = FindPlaced(request);
        if (masquerade.IsNone && TryReserveFor(request, now, out var endpoint))
        {
            var slot = Add(new MappingId(request.Protocol, endpoint, request.Server), request.ClientEndpoint, request.Client, request.Epoch, TransportEndpoint.None, WallClock?.Invoke(now) ?? 0, adopted: false);
            if (slot < 0)
            {
                _pool.ReleaseUnused(request.Protocol, endpoint, request.Server);
            }
            else
            {
                masquerade = endpoint;
                _table[slot].PlacedBy = request.Id;
                BecomeOrphan(slot, now);
                _table[slot].Unclaimed = ClaimQuestions;
                _orphans.Schedule(slot, now + ClaimPatience);
            }
        }

        _output.SendControl(new AnchorReply
        {
            Id = request.Id,
            Status = masquerade.IsNone ? AckStatus.Refused : AckStatus.Ok,
            Masquerade = masquerade,
            Opened = OpenedAt(new MappingId(request.Protocol, masquerade, request.Server)),
        });
    }

    private bool TryReserveFor(AnchorRequest request, Instant now, out TransportEndpoint endpoint) => request.At.IsNone
        ? TryReserve(request.Protocol, !request.ClientEndpoint.Address.IsIPv4, request.Client, request.Server, now, out endpoint, out _)
        : _pool.TryAllocateAtFor(request.Server, _pool.OwnPlace(request.At), request.Protocol, preferredPort: 0, now, out endpoint, request.Client);

    private TransportEndpoint FindPlaced(AnchorRequest request)
    {
        var client = _table.FindClient(request.Client);
        for (var slot = client < 0 ? -1 : _table.Client(client).FirstMapping; slot >= 0; slot = _table[slot].NextOfClient)
        {
            ref var entry = ref _table[slot];
            if (entry.PlacedBy == request.Id && entry.Mapping.Protocol == request.Protocol && entry.Mapping.Server == request.Server && entry.ClientEndpoint == request.ClientEndpoint)
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
            var slot = _table.Find(mapping);

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
        TellRerouting(entry.Client);
        EndChoice(ref entry);
        entry.Route = HamRoute.None;
        entry.Fam = TransportEndpoint.None;
        entry.NextQueryAt = now;
        entry.QueryInterval = _config.FamQueryInterval;
        entry.Unclaimed = 0;
        _orphans.Schedule(slot, OrphanUntil(entry, now));
    }

    private TimeSpan OrphanTimeout(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => _config.TcpOrphanTimeout,
        TransportProtocol.Udp => _config.UdpOrphanTimeout,
        _ => _config.IcmpOrphanTimeout,
    };

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

                if (_table[slot].Unclaimed > 0)
                {
                    AskWhetherWanted(slot, now);
                    continue;
                }

                if (_table[slot].Explicit is { } kept && kept.Until > now)
                {
                    // Nothing that is in the wheel lasts for ever.
                    _orphans.Schedule(slot, kept.Until);
                    continue;
                }

                var client = _table.Client(_table[slot].Client).Mac;
                var release = new ReleaseMappings { Id = _outbox.NextId(), Client = client, Mappings = [_table[slot].Mapping] };
                if (_outbox.Send(release, now, canWait: true))
                {
                    Remove(slot, now, MappingEnd.Unserved);
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
