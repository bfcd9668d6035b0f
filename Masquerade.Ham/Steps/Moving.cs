using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Ham;

/// <summary>
/// A client's move, seen from the HAM. To keep packets in order the HAM sends a <see cref="Drain"/> marker behind the last packet on the old way and holds new packets
/// until the previous FAM has answered, i.e. has passed everything in front of the marker on; then it sends them the new way. Where the previous FAM is this node,
/// there is nothing on the way; where it is dead, there is nobody to wait for.
/// </summary>
public sealed partial class HamEngine
{
    private Instant _nextDrainDeadline = Instant.Never;

    private bool OnFamChange(FamChange change, Instant now)
    {
        var disowned = TryDisownUnknown(change, now);
        var client = _table.FindClient(change.Client);
        if (client < 0)
        {
            return disowned;
        }

        var mustDrain = false;
        foreach (var route in change.Routes)
        {
            if (route.Ham == _self)
            {
                var before = FurtherOf(route.Mapping, change.Client);
                mustDrain |= SwitchRoute(route, change.Client, change.Epoch, change.NewFam == _self, change.Id, now, change.NewFam);
                mustDrain |= SetFurther(route, before, change, now);
            }
        }

        SetMarks(client, change, now);

        if (mustDrain && !change.PreviousFamPeer.IsNone && change.PreviousFam != _self)
        {
            BeginDrain(client, change, now);
        }

        return disowned;
    }

    /// <summary>
    /// Mappings that others believe to be anchored here and are not: saying so lets everybody forget them. False if it could not be said.
    /// </summary>
    private bool TryDisownUnknown(FamChange change, Instant now)
    {
        List<MappingId>? unknown = null;
        var mayComeYet = false;
        foreach (var route in change.Routes)
        {
            if (route.Ham != _self || Owns(route.Mapping, change.Client))
            {
                continue;
            }

            if (_pool.Owns(route.Mapping.Masquerade.Address) && !_pool.IsSettled(route.Mapping.Masquerade.Address))
            {
                // The address is being taken over, and not all that is anchored there has been told.
                mayComeYet = true;
            }
            else
            {
                (unknown ??= []).Add(route.Mapping);
            }
        }

        return TryDisown(unknown, change.Client, now) && !mayComeYet;
    }

    private bool TryDisown(List<MappingId>? mappings, MacAddress client, Instant now) =>
        mappings is null || _outbox.Send(new ReleaseMappings { Id = _outbox.NextId(), Client = client, Mappings = mappings }, now);

    /// <summary>Points one record to a FAM if that is news. Returns whether packets may still be under way to another node's FAM.</summary>
    /// <param name="route">The record and its FAM endpoint.</param>
    /// <param name="client">Whose it has to be.</param>
    /// <param name="epoch">The epoch of the FAM.</param>
    /// <param name="local">Whether the FAM is this node.</param>
    /// <param name="changeId">The push's number; 0 for an answer, which has no place among pushes.</param>
    /// <param name="now">The time.</param>
    /// <param name="fam">The FAM's name, where it is said.</param>
    private bool SwitchRoute(FamRoute route, MacAddress client, Epoch epoch, bool local, ulong changeId, Instant now, NodeId fam = default)
    {
        var slot = _table.Find(route.Mapping);
        if (slot < 0 || _table.Client(_table[slot].Client).Mac != client || route.NewFamEndpoint.IsNone)
        {
            return false;
        }

        if (!local && _pool.Owns(route.NewFamEndpoint.Address))
        {
            // A FAM elsewhere that has not heard yet that the address is here again. It will attach anew.
            return false;
        }

        ref var entry = ref _table[slot];
        if (epoch < entry.Epoch || (epoch == entry.Epoch && !IsNewsWithinEpoch(entry, changeId, local)))
        {
            return false;
        }

        var wasRemote = entry.Route == HamRoute.Remote && epoch > entry.Epoch;
        entry.ChangeId = changeId == 0 ? entry.ChangeId : changeId;
        ref var owner = ref _table.Client(entry.Client);
        owner.Epoch = epoch > owner.Epoch ? epoch : owner.Epoch;
        entry.Epoch = epoch;
        PointTo(slot, local ? entry.Mapping.Masquerade : route.NewFamEndpoint, now);
        _output.Report(new FamSwitched(entry.Mapping, entry.Fam, epoch, local ? _self : fam));
        return wasRemote;
    }

    /// <summary>
    /// Within an epoch a FAM may get another endpoint (an attach after lost messages); then the coordinator's later word counts. What two coordinators say has no order but that in
    /// which it comes: to keep to the first of them would be to stay wrong for as long as the client does not move.
    /// </summary>
    private static bool IsNewsWithinEpoch(in HamEntry entry, ulong changeId, bool local) => entry.Route switch
    {
        HamRoute.None => true,
        HamRoute.Remote => changeId != 0 && !IsOlder(changeId, entry.ChangeId),

        // It was opened here by a client that has its FAM elsewhere, and that one has attached.
        _ => !local && changeId != 0,
    };

    /// <summary>From now on a record's packets go to a FAM endpoint; to its own masquerade endpoint where this node is the FAM.</summary>
    private void PointTo(int slot, TransportEndpoint fam, Instant now)
    {
        ref var entry = ref _table[slot];
        var masquerade = entry.Mapping.Masquerade;
        TellRerouting(entry.Client);
        EndChoice(ref entry);
        entry.Fam = fam;
        entry.Route = fam == masquerade ? HamRoute.Local : HamRoute.Remote;
        entry.Unclaimed = 0;
        entry.ToFam = fam == masquerade ? default : new PacketRewriter.Rewrite(masquerade, fam);
        entry.Mtu = fam == masquerade ? int.MaxValue : Math.Min(Mtu.Uplink, PathMtu?.Invoke(fam.Address, now) ?? int.MaxValue);
        entry.QueryInterval = _config.FamQueryInterval;
        _orphans.Schedule(slot, now + _config.VerifyInterval);
    }

    private void OnFamCleared(FamCleared cleared, Instant now)
    {
        foreach (var route in cleared.Routes)
        {
            var slot = _table.Find(route.Mapping);
            if (slot < 0 || _table.Client(_table[slot].Client).Mac != cleared.Client)
            {
                continue;
            }

            // Cleared only if it still names that FAM: a newer FAM may have come before this message.
            ref var entry = ref _table[slot];
            var namesIt = route.OldFamEndpoint.IsNone || entry.Fam == route.OldFamEndpoint
                || (entry.Route == HamRoute.Local && _pool.Owns(route.OldFamEndpoint.Address));
            if (entry.Route != HamRoute.None && entry.Epoch <= cleared.Epoch && namesIt)
            {
                BecomeOrphan(slot, now);
            }
        }
    }

    private void BeginDrain(int client, FamChange change, Instant now)
    {
        ref var owner = ref _table.Client(client);
        owner.Held ??= _holds.Rent();
        if (owner.Held is null)
        {
            return;
        }

        owner.DrainToken = change.Token;
        owner.DrainEpoch = change.Epoch;
        owner.DrainUntil = now + _config.DrainTimeout;
        _nextDrainDeadline = Instant.Min(_nextDrainDeadline, owner.DrainUntil);
        MarkDraining(owner.FirstMapping, draining: true);
        _output.SendPeer(change.PreviousFamPeer, new Drain(change.Client, change.Epoch, change.Token));
    }

    private Verdict HoldWhileDraining(ref HamEntry entry, Span<byte> packet, in OffloadInfo offload, Instant now)
    {
        ref var owner = ref _table.Client(entry.Client);
        if (owner.Held!.TryEnqueue(packet, offload, 0, owner.DrainUntil))
        {
            return Verdict.Held;
        }

        return Drop(DropReason.HoldQueueFull);
    }

    private void OnDrained(Drained drained, Instant now)
    {
        var client = _table.FindClient(drained.Client);
        if (client < 0)
        {
            return;
        }

        ref var owner = ref _table.Client(client);
        if (owner.Held is not null && owner.DrainToken == drained.Token && owner.DrainEpoch == drained.Epoch)
        {
            EndDrain(client, now);
        }
    }

    private void EndOverdueDrains(Instant now)
    {
        if (now < _nextDrainDeadline)
        {
            return;
        }

        _nextDrainDeadline = Instant.Never;
        for (var client = _table.NextLiveClient(0); client >= 0; client = _table.NextLiveClient(client + 1))
        {
            var until = _table.Client(client).Held is null ? Instant.Never : _table.Client(client).DrainUntil;
            if (until <= now)
            {
                EndDrain(client, now);
            }
            else
            {
                _nextDrainDeadline = Instant.Min(_nextDrainDeadline, until);
            }
        }
    }

    private void EndDrain(int client, Instant now)
    {
        ref var owner = ref _table.Client(client);
        var held = owner.Held!;
        owner.Held = null;
        owner.DrainUntil = Instant.Never;
        MarkDraining(owner.FirstMapping, draining: false);
        while (held.TryPeek(out var waiting))
        {
            // The packet passed the parser when it came; what its record says may have changed since.
            var reason = Reader.Read(waiting.Packet, MacAddress.None, out var summary);
            if (reason != DropReason.None)
            {
                _drops.Count(reason);
            }
            else
            {
                var verdict = ProcessInbound(waiting.Packet, summary, waiting.Offload, now);
                if (verdict.Kind == VerdictKind.ForwardUplink)
                {
                    _output.TransmitUplink(waiting.Packet[..summary.Length], waiting.Offload);
                }
                else if (verdict.Kind == VerdictKind.Local)
                {
                    _output.DeliverLocally(waiting.Packet, waiting.Offload);
                }
            }

            held.Dequeue();
        }

        _holds.Return(held);
        _table.RemoveClientIfEmpty(client);
    }

    private void MarkDraining(int firstMapping, bool draining)
    {
        if (draining && firstMapping >= 0)
        {
            TellRerouting(_table[firstMapping].Client);
        }

        for (var slot = firstMapping; slot >= 0; slot = _table[slot].NextOfClient)
        {
            _table[slot].Detour = draining ? _table[slot].Detour | HamDetour.Draining : _table[slot].Detour & ~HamDetour.Draining;
        }
    }
}
