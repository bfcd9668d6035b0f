using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>Packets that wait: outbound ones for an answer, inbound ones for a client whose link went away. Bounded per client and in all.</summary>
public sealed partial class FamEngine
{
    /// <summary>Tag of a held packet that came from the client.</summary>
    private const int HoldOutbound = 0;

    /// <summary>Tag of a held packet that came from the uplink.</summary>
    private const int HoldInbound = 1;

    /// <summary>Tag of a held packet of another client here, for this one.</summary>
    private const int HoldLocal = 2;

    /// <summary>Where that many packets wait for a client, no more are kept of which it is not known whether the client wants them.</summary>
    private const int MaxDoubtful = 8;

    /// <summary>Packets that wait here, of all clients. Looks at every client; not for the packet path.</summary>
    public int HeldPackets
    {
        get
        {
            var total = 0;
            for (var client = _clients.Next(0); client >= 0; client = _clients.Next(client + 1))
            {
                total += (_clients[client].Held?.Count ?? 0) + (_clients[client].Copies?.Queue.Count ?? 0);
            }

            return total;
        }
    }

    private Verdict Hold(int client, ReadOnlySpan<byte> packet, in OffloadInfo offload, int tag, Instant now)
    {
        ref var record = ref _clients[client];
        record.Held ??= _holds.Rent();
        var until = _replaying ? _replayedUntil : now + (tag != HoldOutbound ? _config.HoldTime : _config.AnswerTimeout);
        return record.Held is not null && record.Held.TryEnqueue(packet, offload, tag, until) ? Verdict.Held : Drop(DropReason.HoldQueueFull);
    }

    /// <summary>
    /// Keeps a packet of a server that is not known here and may be known to the client's FAM. Anybody can send such: few wait, and only where there is plenty of room.
    /// </summary>
    private Verdict HoldDoubtful(int client, ReadOnlySpan<byte> packet, in OffloadInfo offload, Instant now)
    {
        DropOverdueHeld(client, now);
        return (_clients[client].Held is { } held ? held.Count >= MaxDoubtful : _holds.InUse >= _config.MaxHolds / 2)
            ? Drop(DropReason.FilteredServer)
            : Hold(client, packet, offload, HoldInbound, now);
    }

    private void DropHeldOutbound(int client)
    {
        ref var record = ref _clients[client];
        if (record.Held is not { } held || _holds.Rent() is not { } kept)
        {
            return;
        }

        while (held.TryPeek(out var waiting))
        {
            if (waiting.Tag == HoldOutbound || !kept.TryEnqueue(waiting.Packet, waiting.Offload, waiting.Tag, waiting.Deadline))
            {
                _drops.Count(DropReason.HeardElsewhere);
            }

            held.Dequeue();
        }

        _holds.Return(held);
        record.Held = kept;
    }

    /// <summary>
    /// Takes every packet that waits for a client through the engine again, in order; those that must wait on go to the end, which keeps the order within a connection.
    /// </summary>
    private void ReleaseHeld(int client, Instant now, out int released)
    {
        released = 0;
        var held = _clients[client].Held;
        if (held is null)
        {
            return;
        }

        // The queue is taken off the client meanwhile, so that whatever must wait again starts a new one.
        _clients[client].Held = null;
        var mac = _clients[client].Mac;
        while (held.TryPeek(out var waiting))
        {
            if (waiting.Deadline <= now)
            {
                _drops.Count(DropReason.HoldExpired);
            }
            else if (Replay(waiting, mac, now))
            {
                released++;
            }

            held.Dequeue();
        }

        _holds.Return(held);
    }

    /// <summary>A packet that waited is being taken through the engine again, and how long it may wait in all.</summary>
    private bool _replaying;
    private Instant _replayedUntil;

    private bool Replay(in HeldPacket waiting, MacAddress mac, Instant now)
    {
        var packet = waiting.Packet;
        var offload = waiting.Offload;
        var reason = Reader.Read(packet, waiting.Tag switch { HoldOutbound => mac, HoldLocal => SenderOf(packet), _ => MacAddress.None }, out var summary);
        if (reason != DropReason.None)
        {
            _drops.Count(reason);
            return false;
        }

        _replaying = true;
        _replayedUntil = waiting.Deadline;
        var verdict = waiting.Tag == HoldOutbound ? ProcessOutbound(packet, summary, mac, offload, now)
            : _neighbourhood is not null && _neighbourhood.TryDeliver(packet[..summary.Length], summary, offload, out var delivered) ? delivered
            : ProcessInbound(packet, summary, offload, now);
        _replaying = false;
        switch (verdict.Kind)
        {
            case VerdictKind.ForwardUplink:
                _output.TransmitUplink(packet[..summary.Length], offload);
                return true;
            case VerdictKind.ForwardClient:
                _output.TransmitClient(verdict.Client, packet[..summary.Length], offload);
                return true;
            case VerdictKind.ForwardNeighbour:
                _neighbourhood!.Forward(packet[..summary.Length], summary, offload, mac);
                return true;
            default:
                return false;
        }
    }

    /// <summary>The client here that has sent a packet: its fragments are known by it.</summary>
    private MacAddress SenderOf(ReadOnlySpan<byte> packet)
    {
        var isIPv4 = packet[0] >> 4 == 4;
        var source = isIPv4 ? IpAddress.FromBytes(packet.Slice(12, 4)) : IpAddress.FromBytes(packet.Slice(8, 16));
        return _clients.OwnerOf(source) is >= 0 and var client ? _clients[client].Mac : MacAddress.None;
    }

    private void DropHeld(int client, DropReason reason)
    {
        ref var record = ref _clients[client];
        if (record.Held is null)
        {
            return;
        }

        _drops.Count(reason, record.Held.Count);
        _holds.Return(record.Held);
        record.Held = null;
    }

    /// <summary>Drops what has waited too long, from the front; what is behind came later.</summary>
    private void DropOverdueHeld(int client, Instant now)
    {
        ref var record = ref _clients[client];
        if (record.Held is null)
        {
            return;
        }

        while (record.Held.TryPeek(out var waiting) && waiting.Deadline <= now)
        {
            _drops.Count(DropReason.HoldExpired);
            record.Held.Dequeue();
        }

        if (record.Held.Count == 0)
        {
            _holds.Return(record.Held);
            record.Held = null;
        }
    }
}
