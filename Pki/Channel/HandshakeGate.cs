using System.Net;
using System.Net.Sockets;

namespace Masquerade.Pki.Channel;

/// <summary>
/// Bounds the handshakes in progress, in all and per address (IPv6: per /64, which is one subscriber's to fill). A handshake that is alive takes milliseconds, so when there is
/// no room the one that has taken longest makes it: for a newcomer of an address that is at its bound one of its own, otherwise one of the address that has the most. So who opens thousands of connections and
/// says nothing crowds out itself.
/// </summary>
public sealed class HandshakeGate
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Ticket> _inOrder = new();
    private readonly Dictionary<IPAddress, LinkedList<Ticket>> _byAddress = [];
    private readonly int _most;
    private readonly int _mostPerAddress;
    private readonly TimeSpan _grace;
    private readonly TimeProvider _time;

    /// <summary>An empty gate.</summary>
    /// <param name="most">Handshakes in progress in all.</param>
    /// <param name="mostPerAddress">Handshakes in progress per address.</param>
    /// <param name="grace">No handshake is ended for another's sake before it has had this long.</param>
    /// <param name="time">The clock.</param>
    public HandshakeGate(int most, int mostPerAddress, TimeSpan grace, TimeProvider time)
    {
        (_most, _mostPerAddress, _grace, _time) = (most, mostPerAddress, grace, time);
    }

    /// <summary>Handshakes in progress.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _inOrder.Count;
            }
        }
    }

    /// <summary>Lets a connection begin its handshake, ending another one if it must. Null if there is no room.</summary>
    /// <param name="address">Where it comes from.</param>
    /// <param name="mayWait">True if there will be room before long, and the connection is worth to wait for it.</param>
    public Ticket? Enter(IPAddress address, out bool mayWait)
    {
        var key = KeyOf(address);
        Ticket? evicted = null;
        Ticket ticket;
        mayWait = false;
        lock (_gate)
        {
            if (_byAddress.TryGetValue(key, out var own) && own.Count >= _mostPerAddress)
            {
                evicted = HasHadItsTime(own.First!.Value) ? own.First.Value : null;
                if (evicted is null)
                {
                    return null;
                }
            }
            else if (_inOrder.Count >= _most)
            {
                evicted = _byAddress.Values.Where(l => HasHadItsTime(l.First!.Value)).OrderByDescending(l => l.Count).ThenBy(l => l.First!.Value.Began).FirstOrDefault()?.First!.Value;
                if (evicted is null)
                {
                    mayWait = true;
                    return null;
                }
            }

            if (evicted is not null)
            {
                Remove(evicted);
            }

            own = _byAddress.TryGetValue(key, out var list) ? list : _byAddress[key] = new LinkedList<Ticket>();
            ticket = new Ticket(this, key, _time.GetTimestamp());
            _inOrder.AddLast(ticket.InOrder);
            own.AddLast(ticket.InAddress);
        }

        evicted?.Evict();
        return ticket;
    }

    private bool HasHadItsTime(Ticket ticket) => _time.GetElapsedTime(ticket.Began) >= _grace;

    private static IPAddress KeyOf(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4();
        }

        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            return address;
        }

        Span<byte> octets = stackalloc byte[16];
        address.TryWriteBytes(octets, out _);
        octets[8..].Clear();
        return new IPAddress(octets);
    }

    private void Leave(Ticket ticket)
    {
        lock (_gate)
        {
            Remove(ticket);
        }
    }

    private void Remove(Ticket ticket)
    {
        if (ticket.InOrder.List is null)
        {
            return;
        }

        _inOrder.Remove(ticket.InOrder);
        var own = _byAddress[ticket.Address];
        own.Remove(ticket.InAddress);
        if (own.Count == 0)
        {
            _byAddress.Remove(ticket.Address);
        }
    }

    /// <summary>A handshake's place; dispose it when the handshake is over.</summary>
    public sealed class Ticket : IDisposable
    {
        private readonly HandshakeGate _owner;
        private readonly CancellationTokenSource _evicted = new();

        internal Ticket(HandshakeGate owner, IPAddress address, long began)
        {
            (_owner, Address, Began) = (owner, address, began);
            InOrder = new LinkedListNode<Ticket>(this);
            InAddress = new LinkedListNode<Ticket>(this);
        }

        /// <summary>Cancelled when another handshake takes the place.</summary>
        public CancellationToken Evicted => _evicted.Token;

        /// <summary>Whether another handshake has taken the place.</summary>
        public bool IsEvicted => _evicted.IsCancellationRequested;

        internal IPAddress Address { get; }

        internal long Began { get; }

        internal LinkedListNode<Ticket> InOrder { get; }

        internal LinkedListNode<Ticket> InAddress { get; }

        /// <inheritdoc/>
        public void Dispose() => _owner.Leave(this);

        // Never disposed: it holds no timer, and the one who evicts may come just when the handshake is over.
        internal void Evict() => _ = _evicted.CancelAsync();
    }
}
