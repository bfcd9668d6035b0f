using System.Runtime.CompilerServices;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Core.Fragments;

/// <summary>What becomes of a fragment.</summary>
public enum FragmentFate : byte
{
    /// <summary>Dropped and counted.</summary>
    Dropped,

    /// <summary>Copied; it waits for its datagram's first fragment.</summary>
    Waits,

    /// <summary>It can be handled like any packet of its flow now.</summary>
    Ready,
}

/// <summary>
/// Which flow a fragment belongs to, on one side of a node (N-05, RFC 4787 REQ-14). Only the first fragment has ports; the others are recognised by the identification, each is passed on
/// as it comes, and what comes before the first waits for it. Nothing is put together. What is remembered is the 5-tuple and no more: where a fragment goes, and whether it may, is decided
/// for each by the engines as they stand at that moment, so nothing here outlives a client's move or a change of its epoch. Fixed memory.
/// </summary>
public sealed class FragmentTable
{
    /// <summary>The most fragments of one datagram: enough for 64 KB in pieces of the smallest packets that every IPv4 host takes (576 octets).</summary>
    public const int MaxPieces = 128;

    private const int WaitingPackets = 64;
    private const int Senders = 256;

    private readonly FragmentConfig _config;
    private readonly TimeSpan _lifetime;
    private readonly IdentificationSource _identifications;
    private readonly DropCounters _drops;
    private readonly Slab<Datagram> _datagrams;
    private readonly HashIndex _byKey;
    private readonly SlotQueue _known;
    private readonly SlotQueue _waiting;
    private readonly HoldQueuePool _holds;
    private readonly uint _seed;

    // Datagrams, and those of them that wait, per sender; senders share places by a seeded hash.
    private readonly int[] _perSender = new int[Senders];
    private readonly int[] _waitingPerSender = new int[Senders];

    /// <summary>An empty table.</summary>
    /// <param name="config">Limits and times.</param>
    /// <param name="portRest">How long a port rests before somebody else has it.</param>
    /// <param name="identifications">Where translated datagrams have their identifications from.</param>
    /// <param name="seed">The seed of hashes.</param>
    /// <param name="drops">The node's drop counters.</param>
    public FragmentTable(FragmentConfig config, TimeSpan portRest, IdentificationSource identifications, uint seed, DropCounters drops)
    {
        _config = config;
        _lifetime = portRest < config.Lifetime ? portRest : config.Lifetime;
        _identifications = identifications;
        _drops = drops;
        _seed = seed;
        _datagrams = new Slab<Datagram>(config.MaxDatagrams);
        _byKey = new HashIndex(config.MaxDatagrams);
        _known = new SlotQueue(config.MaxDatagrams);
        _waiting = new SlotQueue(config.MaxDatagrams);
        _holds = new HoldQueuePool(config.MaxWaiting, WaitingPackets, ushort.MaxValue + 1);
    }

    /// <summary>Datagrams of which something is remembered.</summary>
    public int Count => _datagrams.Count;

    /// <summary>Datagrams whose first fragment is waited for.</summary>
    public int WaitingCount => _waiting.Count;

    /// <summary>Fragments that wait for the first one of their datagram.</summary>
    public int WaitingFragments { get; private set; }

    /// <summary>When <see cref="Advance"/> must be called at the latest.</summary>
    public Instant NextDeadline => Instant.Min(DeadlineOf(_known), DeadlineOf(_waiting));

    /// <summary>
    /// Takes a packet that the parser calls a fragment. If it is ready, the caller handles it, says with <see cref="Settle"/> what became of it, takes what has waited for it with
    /// <see cref="TryTakeWaiting"/>, and ends with <see cref="Close"/>.
    /// </summary>
    /// <param name="packet">The packet.</param>
    /// <param name="offload">Its offload state.</param>
    /// <param name="client">The client that it is from; none if it is from the uplink.</param>
    /// <param name="now">The time.</param>
    /// <param name="summary">What is known of it when it is ready: as if it had ports.</param>
    /// <param name="slot">Its datagram, when it is ready.</param>
    public FragmentFate Take(ReadOnlySpan<byte> packet, in OffloadInfo offload, MacAddress client, Instant now, out PacketSummary summary, out int slot)
    {
        slot = -1;
        var reason = PacketParser.ParseFragment(packet, client, out summary, out var place);
        if (reason != DropReason.None)
        {
            return Drop(reason);
        }

        slot = Find(place.Key);
        if (slot >= 0 && (_datagrams[slot].IsComplete || _datagrams[slot].Until <= now))
        {
            // The same identification again: another datagram.
            Remove(slot, DropReason.FragmentExpired);
            slot = -1;
        }

        if (slot < 0)
        {
            slot = Add(place.Key, now);
            if (slot < 0)
            {
                return Drop(DropReason.FragmentLimit);
            }
        }

        ref var datagram = ref _datagrams[slot];
        reason = Place(ref datagram, place);
        if (reason != DropReason.None)
        {
            if (reason == DropReason.FragmentOverlap && summary.IsIPv6)
            {
                Spoil(slot, now);
            }

            return Drop(reason);
        }

        if (summary.Part == FragmentPart.First)
        {
            datagram.Tuple = summary.Tuple;
            datagram.Kind = summary.Kind;
            Know(slot, now);
        }
        else if (!datagram.IsKnown)
        {
            return Wait(slot, packet[..summary.Length], offload, now);
        }

        Describe(datagram, ref summary);
        return FragmentFate.Ready;
    }

    /// <summary>What is known of a fragment that has been taken before and has waited elsewhere since.</summary>
    public DropReason Describe(ReadOnlySpan<byte> packet, MacAddress client, out PacketSummary summary)
    {
        var reason = PacketParser.ParseFragment(packet, client, out summary, out var place);
        if (reason != DropReason.None)
        {
            return reason;
        }

        var slot = Find(place.Key);
        if (slot < 0 || !_datagrams[slot].IsKnown || _datagrams[slot].IsSpoilt)
        {
            return DropReason.FragmentExpired;
        }

        Describe(_datagrams[slot], ref summary);
        return DropReason.None;
    }

    /// <summary>Says what became of a fragment that was ready. A datagram whose first fragment went nowhere goes nowhere.</summary>
    public void Settle(int slot, in PacketSummary summary, VerdictKind verdict)
    {
        ref var datagram = ref _datagrams[slot];
        datagram.IsHeldElsewhere |= verdict == VerdictKind.Held;
        if (verdict == VerdictKind.Drop && summary.Part == FragmentPart.First)
        {
            datagram.IsRefused = true;
        }
    }

    /// <summary>Takes the next fragment that has waited for the first one; false when there is none (left). The packet is valid until the next call to the table.</summary>
    public bool TryTakeWaiting(int slot, out HeldPacket packet, out PacketSummary summary)
    {
        ref var datagram = ref _datagrams[slot];
        while (datagram.Held is { } held && !datagram.IsRefused)
        {
            if (datagram.HasTaken)
            {
                held.Dequeue();
                WaitingFragments--;
            }

            datagram.HasTaken = held.TryPeek(out packet);
            if (!datagram.HasTaken)
            {
                ReturnHeld(ref datagram);
                break;
            }

            if (PacketParser.ParseFragment(packet.Packet, datagram.Key.Client, out summary, out _) == DropReason.None)
            {
                Describe(datagram, ref summary);
                return true;
            }
        }

        packet = default;
        summary = default;
        return false;
    }

    /// <summary>Forgets a datagram that has passed whole, or goes nowhere.</summary>
    public void Close(int slot)
    {
        ref var datagram = ref _datagrams[slot];
        if (datagram.IsRefused || (datagram.IsComplete && !datagram.IsHeldElsewhere))
        {
            Remove(slot, DropReason.FragmentExpired);
        }
    }

    /// <summary>Forgets what is over its time.</summary>
    public void Advance(Instant now)
    {
        Expire(_waiting, now);
        Expire(_known, now);
    }

    /// <summary>Forgets what a client has begun: fragments of another user of its address, or under another key, must not make a datagram with these (CVE-2020-24587).</summary>
    public void Forget(MacAddress client)
    {
        for (var slot = _datagrams.NextLive(0); slot >= 0; slot = _datagrams.NextLive(slot + 1))
        {
            if (_datagrams[slot].Key.Client == client)
            {
                Remove(slot, DropReason.FragmentExpired);
            }
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        Expire(_waiting, Instant.Never);
        Expire(_known, Instant.Never);
    }

    private static void Describe(in Datagram datagram, ref PacketSummary summary)
    {
        summary.Tuple = datagram.Tuple;
        summary.Kind = datagram.Kind;
        summary.Identification = datagram.Identification;
    }

    private void Expire(SlotQueue queue, Instant now)
    {
        while (queue.TryPeek(out var slot) && _datagrams[slot].Until <= now)
        {
            Remove(slot, DropReason.FragmentExpired);
        }
    }

    private Instant DeadlineOf(SlotQueue queue) => queue.TryPeek(out var slot) ? _datagrams[slot].Until : Instant.Never;

    private int Find(in FragmentKey key)
    {
        for (var slot = _byKey.First(HashOf(key), out var probe); slot >= 0; slot = _byKey.Next(ref probe))
        {
            if (_datagrams[slot].Key == key)
            {
                return slot;
            }
        }

        return -1;
    }

    private uint HashOf(in FragmentKey key) => FlowHash.Of(
        new FlowTuple(new TransportEndpoint(key.Source, (ushort)key.Identification), new TransportEndpoint(key.Destination, (ushort)(key.Identification >> 16)), (TransportProtocol)key.Protocol),
        _seed ^ (uint)key.Client.Value);

    private int Add(in FragmentKey key, Instant now)
    {
        var sender = (int)(key.Client.IsNone ? FlowHash.Of(TransportProtocol.Icmp, new TransportEndpoint(key.Source, 0), _seed) : FlowHash.Of(key.Client, _seed)) & (Senders - 1);
        if (_perSender[sender] >= _config.MaxDatagramsPerSender || !_datagrams.TryAllocate(out var slot))
        {
            return -1;
        }

        _perSender[sender]++;
        _waitingPerSender[sender]++;
        ref var datagram = ref _datagrams[slot];
        datagram = new Datagram { Key = key, Sender = sender, Until = now + _config.WaitTime, Identification = _identifications.Next(!key.Source.IsIPv4) };
        _byKey.Insert(HashOf(key), slot);
        _waiting.Enqueue(slot);
        return slot;
    }

    private void Know(int slot, Instant now)
    {
        ref var datagram = ref _datagrams[slot];
        datagram.IsKnown = true;
        if (_waiting.Remove(slot))
        {
            _waitingPerSender[datagram.Sender]--;
            _known.Enqueue(slot);
            datagram.Until = now + _lifetime;
        }
    }

    /// <summary>What is left of it is to be dropped, whether it has come or is to come.</summary>
    private void Spoil(int slot, Instant now)
    {
        ref var datagram = ref _datagrams[slot];
        datagram.IsSpoilt = true;
        CountHeld(ref datagram, DropReason.FragmentOverlap);
        Know(slot, now);
    }

    /// <summary>Finds a fragment's place among those that have come, or says why it has none.</summary>
    private static DropReason Place(ref Datagram datagram, in FragmentPlace place)
    {
        if (datagram.IsSpoilt)
        {
            return DropReason.FragmentOverlap;
        }

        var known = datagram.End > 0;
        var reaches = 0;
        for (var i = 0; i < datagram.Count; i++)
        {
            var (start, end) = ((int)(datagram.Pieces[i] >> 16), (int)(datagram.Pieces[i] & 0xFFFF));
            if (start == place.Start && end == place.End && place.More == (end != datagram.End))
            {
                // The network has doubled it; the one that has passed is enough (RFC 8200 section 4.5).
                return DropReason.FragmentDuplicate;
            }

            if (start < place.End && place.Start < end)
            {
                return DropReason.FragmentOverlap;
            }

            reaches = Math.Max(reaches, end);
        }

        if (known ? place.End > datagram.End || !place.More : !place.More && reaches > place.End)
        {
            return DropReason.FragmentOverlap;
        }

        if (datagram.Count == MaxPieces)
        {
            return DropReason.FragmentLimit;
        }

        datagram.Pieces[datagram.Count++] = ((uint)place.Start << 16) | (uint)place.End;
        datagram.Received += place.End - place.Start;
        if (!place.More)
        {
            datagram.End = place.End;
        }

        return DropReason.None;
    }

    private FragmentFate Wait(int slot, ReadOnlySpan<byte> packet, in OffloadInfo offload, Instant now)
    {
        ref var datagram = ref _datagrams[slot];
        if (datagram.Held is null && _waitingPerSender[datagram.Sender] > _config.MaxWaitingPerSender)
        {
            Remove(slot, DropReason.FragmentLimit);
            return Drop(DropReason.FragmentLimit);
        }

        if (datagram.Held is null)
        {
            datagram.Held = _holds.Rent();
            while (datagram.Held is null && _waiting.TryPeek(out var oldest))
            {
                // A flood of fragments without a beginning goes on for as long as it likes: who has just come may be better than who has waited in vain.
                Remove(oldest, DropReason.FragmentLimit);
                if (oldest == slot)
                {
                    return Drop(DropReason.FragmentLimit);
                }

                datagram.Held = _holds.Rent();
            }
        }

        if (datagram.Held is { } held && held.TryEnqueue(packet, offload, 0, datagram.Until))
        {
            WaitingFragments++;
            return FragmentFate.Waits;
        }

        // Without this piece it is of no use, and the next ones would wait in vain.
        Remove(slot, DropReason.FragmentLimit);
        return Drop(DropReason.FragmentLimit);
    }

    private void Remove(int slot, DropReason reason)
    {
        ref var datagram = ref _datagrams[slot];
        CountHeld(ref datagram, reason);
        if (_waiting.Remove(slot))
        {
            _waitingPerSender[datagram.Sender]--;
        }

        _known.Remove(slot);
        _perSender[datagram.Sender]--;
        _byKey.Remove(HashOf(datagram.Key), slot);
        _datagrams.Free(slot);
    }

    private void CountHeld(ref Datagram datagram, DropReason reason)
    {
        if (datagram.Held is { } held)
        {
            _drops.Count(reason, held.Count - (datagram.HasTaken ? 1 : 0));
            ReturnHeld(ref datagram);
        }
    }

    private void ReturnHeld(ref Datagram datagram)
    {
        WaitingFragments -= datagram.Held!.Count;
        _holds.Return(datagram.Held);
        datagram.Held = null;
        datagram.HasTaken = false;
    }

    private FragmentFate Drop(DropReason reason)
    {
        _drops.Count(reason);
        return FragmentFate.Dropped;
    }

    [InlineArray(MaxPieces)]
    private struct PieceList
    {
        private uint _first;
    }

    private struct Datagram
    {
        public FragmentKey Key;
        public FlowTuple Tuple;
        public Instant Until;
        public HoldQueue? Held;
        public uint Identification;
        public int Sender;

        /// <summary>Where the datagram ends; 0 until its last fragment has come.</summary>
        public int End;
        public int Received;
        public int Count;
        public PacketKind Kind;

        /// <summary>Its first fragment has come, or it is spoilt: nothing of it waits.</summary>
        public bool IsKnown;
        public bool IsSpoilt;
        public bool IsRefused;

        /// <summary>An engine holds some of it, and will have it described once more.</summary>
        public bool IsHeldElsewhere;

        /// <summary>The first in the queue is in the caller's hands.</summary>
        public bool HasTaken;
        public PieceList Pieces;

        public readonly bool IsComplete => End > 0 && Received == End;
    }
}
