using System.Buffers;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Link;

/// <summary>What a <see cref="NeighbourTable"/> needs of the link below it.</summary>
internal interface INeighbourLink
{
    /// <summary>Ask who has an address; <paramref name="known"/> is where it was last seen, or none: then everybody is asked.</summary>
    void AskForNeighbour(IpAddress address, MacAddress known);

    /// <summary>Send a frame that has waited; its Ethernet header is yet to be written.</summary>
    void SendPending(Span<byte> frame, in OffloadInfo offload, MacAddress neighbour);
}

/// <summary>
/// Link-layer addresses of next hops, both families (RFC 826, RFC 4861 section 7). Bounded in neighbours, in neighbours being asked for, in waiting packets and in
/// their octets. It learns only about addresses that it has itself asked for: an unasked-for answer for anybody else is ignored.
/// </summary>
internal sealed class NeighbourTable
{
    private readonly NeighbourConfig _config;
    private readonly INeighbourLink _link;
    private readonly DropCounters _drops;
    private readonly Dictionary<IpAddress, Neighbour> _neighbours;
    private readonly List<Neighbour> _due = [];
    private int _unresolved;
    private int _pendingBytes;

    public NeighbourTable(NeighbourConfig config, INeighbourLink link, DropCounters drops)
    {
        _config = config;
        _link = link;
        _drops = drops;
        _neighbours = new Dictionary<IpAddress, Neighbour>(config.MaxNeighbours);
    }

    /// <summary>When <see cref="Advance"/> has something to do.</summary>
    public Instant NextDeadline { get; private set; } = Instant.Never;

    public int Count => _neighbours.Count;

    /// <summary>
    /// Told when a neighbour that packets were sent to has another MAC address, or is forgotten. If anybody wants to know, packets go to neighbours that this table does not see, so that neighbours are asked for again
    /// when their answers are old, used or not.
    /// </summary>
    public Action? Changed { get; set; }

    /// <summary>Adds a neighbour that is never asked for and never overwritten.</summary>
    public void AddStatic(IpAddress address, MacAddress mac) => _neighbours[address] = new Neighbour(address) { Mac = mac, IsStatic = true };

    /// <summary>
    /// Finds the MAC address of a next hop. If it is not known, the neighbour is asked and a copy of the frame waits for the answer, or is dropped and counted.
    /// </summary>
    public bool TryResolve(IpAddress address, ReadOnlySpan<byte> frame, in OffloadInfo offload, Instant now, out MacAddress mac)
    {
        if (!_neighbours.TryGetValue(address, out var neighbour))
        {
            neighbour = Add(address, now);
            if (neighbour is null)
            {
                _drops.Count(DropReason.NoNeighbour);
                mac = MacAddress.None;
                return false;
            }
        }

        mac = neighbour.Mac;
        if (mac.IsNone)
        {
            Enqueue(neighbour, frame, offload);
            return false;
        }

        neighbour.LastUsed = now;
        if (!neighbour.IsStatic && now >= neighbour.VerifyAt && neighbour.Requests == 0)
        {
            Ask(neighbour, now);
        }

        return true;
    }

    /// <summary>Asks for a neighbour that will be needed, before the first packet needs it.</summary>
    public void Prefetch(IpAddress address, Instant now)
    {
        if (!_neighbours.ContainsKey(address))
        {
            Add(address, now);
        }
    }

    /// <summary>An answer, or an announcement: learnt only if this table had asked for the address before.</summary>
    public void Learn(IpAddress address, MacAddress mac, Instant now)
    {
        if (mac.IsGroup || mac.IsNone || !_neighbours.TryGetValue(address, out var neighbour) || neighbour.IsStatic)
        {
            return;
        }

        if (neighbour.Mac.IsNone)
        {
            _unresolved--;
        }
        else if (neighbour.Mac != mac)
        {
            Changed?.Invoke();
        }

        neighbour.Mac = mac;
        neighbour.Requests = 0;
        neighbour.LastUsed = now;
        neighbour.VerifyAt = now + _config.ReachableTime;
        neighbour.Deadline = now + (Changed is null ? _config.IdleTime : _config.ReachableTime);
        NextDeadline = Instant.Min(NextDeadline, neighbour.Deadline);
        for (var i = 0; i < neighbour.PendingCount; i++)
        {
            ref var waiting = ref neighbour.Pending![i];
            _link.SendPending(waiting.Buffer.AsSpan(0, waiting.Length), waiting.Offload, mac);
            Return(ref waiting);
        }

        neighbour.PendingCount = 0;
    }

    /// <summary>Repeats requests, gives up neighbours that do not answer, forgets unused ones.</summary>
    public void Advance(Instant now)
    {
        if (now < NextDeadline)
        {
            return;
        }

        _due.Clear();
        NextDeadline = Instant.Never;
        foreach (var neighbour in _neighbours.Values)
        {
            if (neighbour.Deadline <= now)
            {
                _due.Add(neighbour);
            }
            else
            {
                NextDeadline = Instant.Min(NextDeadline, neighbour.Deadline);
            }
        }

        foreach (var neighbour in _due)
        {
            if (neighbour.Requests == 0 && Changed is not null && !neighbour.IsStatic)
            {
                Ask(neighbour, now);
            }
            else if (neighbour.Requests == 0 && now - neighbour.LastUsed < _config.IdleTime)
            {
                neighbour.Deadline = neighbour.LastUsed + _config.IdleTime;
                NextDeadline = Instant.Min(NextDeadline, neighbour.Deadline);
            }
            else if (neighbour.Requests > 0 && neighbour.Requests < _config.MaxRequests)
            {
                Ask(neighbour, now);
            }
            else
            {
                Remove(neighbour);
            }
        }
    }

    private Neighbour? Add(IpAddress address, Instant now)
    {
        if (_unresolved >= _config.MaxUnresolved || (_neighbours.Count >= _config.MaxNeighbours && !EvictOldest()))
        {
            return null;
        }

        var neighbour = new Neighbour(address) { LastUsed = now };
        _neighbours.Add(address, neighbour);
        _unresolved++;
        Ask(neighbour, now);
        return neighbour;
    }

    private void Ask(Neighbour neighbour, Instant now)
    {
        neighbour.Requests++;
        neighbour.Deadline = now + _config.RetryInterval;
        NextDeadline = Instant.Min(NextDeadline, neighbour.Deadline);

        // The last request goes to everybody: the neighbour may have got a new MAC address.
        _link.AskForNeighbour(neighbour.Address, neighbour.Requests < _config.MaxRequests ? neighbour.Mac : MacAddress.None);
    }

    private void Enqueue(Neighbour neighbour, ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        neighbour.Pending ??= new Waiting[_config.PendingPackets];
        if (neighbour.PendingCount == neighbour.Pending.Length)
        {
            Return(ref neighbour.Pending[0]);
            _drops.Count(DropReason.NoNeighbour);
            Array.Copy(neighbour.Pending, 1, neighbour.Pending, 0, --neighbour.PendingCount);
        }

        if (_pendingBytes + frame.Length > _config.PendingBytes)
        {
            _drops.Count(DropReason.NoNeighbour);
            return;
        }

        var buffer = ArrayPool<byte>.Shared.Rent(frame.Length);
        frame.CopyTo(buffer);
        _pendingBytes += frame.Length;
        neighbour.Pending[neighbour.PendingCount++] = new Waiting(buffer, frame.Length, offload);
    }

    private void Return(ref Waiting waiting)
    {
        _pendingBytes -= waiting.Length;
        ArrayPool<byte>.Shared.Return(waiting.Buffer);
        waiting = default;
    }

    private void Remove(Neighbour neighbour)
    {
        for (var i = 0; i < neighbour.PendingCount; i++)
        {
            Return(ref neighbour.Pending![i]);
            _drops.Count(DropReason.NoNeighbour);
        }

        _unresolved -= neighbour.Mac.IsNone ? 1 : 0;
        if (!neighbour.Mac.IsNone)
        {
            Changed?.Invoke();
        }

        _neighbours.Remove(neighbour.Address);
    }

    private bool EvictOldest()
    {
        Neighbour? oldest = null;
        foreach (var neighbour in _neighbours.Values)
        {
            if (!neighbour.IsStatic && !neighbour.Mac.IsNone && (oldest is null || neighbour.LastUsed < oldest.LastUsed))
            {
                oldest = neighbour;
            }
        }

        if (oldest is not null)
        {
            Remove(oldest);
        }

        return oldest is not null;
    }

    private readonly record struct Waiting(byte[] Buffer, int Length, OffloadInfo Offload);

    private sealed class Neighbour(IpAddress address)
    {
        public readonly IpAddress Address = address;
        public MacAddress Mac;
        public bool IsStatic;
        public int Requests;
        public Instant LastUsed;
        public Instant VerifyAt;
        public Instant Deadline = Instant.Never;
        public Waiting[]? Pending;
        public int PendingCount;
    }
}
