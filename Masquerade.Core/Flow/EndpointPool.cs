using System.Numerics;
using Masquerade.Core.Time;

namespace Masquerade.Core.Flow;

/// <summary>What an <see cref="EndpointPool"/> gives out.</summary>
public sealed record EndpointPoolOptions
{
    /// <summary>The node's own masquerade and FAM addresses, either family, at most 16.</summary>
    public required IReadOnlyList<IpAddress> Addresses { get; init; }

    /// <summary>The lowest port given out. RFC 4787 REQ-3a keeps the well-known ports apart.</summary>
    public ushort FirstPort { get; init; } = 1024;

    /// <summary>The highest port given out.</summary>
    public ushort LastPort { get; init; } = 65_535;

    /// <summary>How long a port rests after its last use (RFC 6888 REQ-8: 120 s).</summary>
    public TimeSpan RestTime { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>Ports that are never given out.</summary>
    public IReadOnlyList<(TransportProtocol Protocol, ushort Port)> Reserved { get; init; } = [];
}

/// <summary>
/// A node's own endpoints: several addresses, a port space per address and protocol, ports chosen at random (RFC 6056) and rested before reuse.
/// Bounded work per call: a bitmap scan of one port space per address at worst.
/// <para>
/// The node may hold other nodes' addresses too, which it has taken over: their endpoints can be reclaimed and released, and are never given out. Its own may have been taken
/// over by another node: then nothing of them is given out either.
/// </para>
/// </summary>
public sealed class EndpointPool
{
    /// <summary>The most addresses of one node.</summary>
    public const int MaxAddresses = 16;

    /// <summary>The most addresses that are held at once, the node's own and others'.</summary>
    public const int MaxKnown = 64;

    private const int Words = 65_536 / 64;

    /// <summary>In the place of an address that is not held any more: multicast, so no packet has it as one of this node's.</summary>
    private static readonly IpAddress Vacant = new(ulong.MaxValue, ulong.MaxValue);

    private readonly IpAddress[] _own;
    private readonly bool[] _held = new bool[MaxKnown];
    private readonly bool[] _settled = new bool[MaxKnown];
    private IpAddress[] _addresses;
    private readonly int[][] _ofFamily;
    private readonly int[] _turn = new int[2];

    // Taken: not to be given (never given out, lent or resting). Lent: somebody's now. Only what is lent can come back, and only once, so neither a
    // repeated release nor a made-up endpoint takes a port from its next owner, and the rest queue holds each port at most once.
    private readonly ulong[]?[] _taken;
    private readonly ulong[]?[] _lent;
    private readonly int[] _free;
    private readonly int[] _size = new int[3];
    private readonly EndpointPoolOptions _options;
    private readonly SeededRandom _random;
    private readonly Queue<Resting> _resting = new();

    /// <summary>A pool with every port free.</summary>
    /// <exception cref="ArgumentException">No address, too many, one twice, or an empty port range.</exception>
    public EndpointPool(EndpointPoolOptions options, SeededRandom random)
    {
        if (options.Addresses.Count is 0 or > MaxAddresses || options.Addresses.Distinct().Count() != options.Addresses.Count)
        {
            throw new ArgumentException($"a node has 1 to {MaxAddresses} different addresses", nameof(options));
        }

        if (options.FirstPort == 0 || options.FirstPort > options.LastPort)
        {
            throw new ArgumentException("the port range is empty", nameof(options));
        }

        _addresses = _own = [.. options.Addresses];
        _options = options;
        _random = random;
        _ofFamily =
        [
            [.. Enumerable.Range(0, _addresses.Length).Where(i => _addresses[i].IsIPv4)],
            [.. Enumerable.Range(0, _addresses.Length).Where(i => !_addresses[i].IsIPv4)],
        ];
        _taken = new ulong[MaxKnown * 3][];
        _lent = new ulong[MaxKnown * 3][];
        _free = new int[MaxKnown * 3];
        Array.Fill(_held, true, 0, _own.Length);
        Array.Fill(_settled, true, 0, _own.Length);
        for (var space = 0; space < _free.Length; space++)
        {
            _free[space] = _size[space % 3] = options.LastPort - options.FirstPort + 1 - options.Reserved.Distinct().Count(r => Index(r.Protocol) == space % 3 && InRange(r.Port));
        }
    }

    /// <summary>The node's own addresses, held or not.</summary>
    public IReadOnlyList<IpAddress> Addresses => _own;

    /// <summary>Whether endpoints of any own address can be given out now.</summary>
    public bool GivesOut
    {
        get
        {
            for (var i = 0; i < _own.Length; i++)
            {
                if (_held[i] && _settled[i])
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Whether the node holds this address now, its own or another's.</summary>
    public bool Owns(IpAddress address) => AddressIndex(address) is var i and >= 0 && _held[i];

    /// <summary>Whether the node holds this address and knows all that is anchored there.</summary>
    public bool IsSettled(IpAddress address) => AddressIndex(address) is var i and >= 0 && _held[i] && _settled[i];

    /// <summary>
    /// Holds an address from now on. Endpoints of an own one are given out if <paramref name="settled"/>: all that is in use has been reclaimed. False if there is no room.
    /// </summary>
    public bool TryHold(IpAddress address, bool settled)
    {
        var place = AddressIndex(address);
        if (place < 0)
        {
            place = Array.IndexOf(_addresses, Vacant);
            if (place < 0)
            {
                if (_addresses.Length == MaxKnown)
                {
                    return false;
                }

                place = _addresses.Length;
            }

            // Whoever reads at the same time sees the old array or the new one.
            IpAddress[] addresses = [.. _addresses.AsSpan(0, place), address, .. _addresses.AsSpan(Math.Min(place + 1, _addresses.Length))];
            for (var protocol = 0; protocol < 3; protocol++)
            {
                _free[(place * 3) + protocol] = _size[protocol];
            }

            _addresses = addresses;
        }

        _held[place] = true;
        _settled[place] = settled;
        return true;
    }

    /// <summary>
    /// Holds an address no more. An own one keeps its place; of another's nothing is left: whoever has endpoints of it in an index takes them out before.
    /// </summary>
    public void Yield(IpAddress address)
    {
        var place = AddressIndex(address);
        if (place < 0)
        {
            return;
        }

        _held[place] = false;
        _settled[place] = false;
        if (place < _own.Length)
        {
            return;
        }

        for (var rest = _resting.Count; rest > 0; rest--)
        {
            var resting = _resting.Dequeue();
            if (resting.Space / 3 != place)
            {
                _resting.Enqueue(resting);
            }
        }

        Array.Clear(_taken, place * 3, 3);
        Array.Clear(_lent, place * 3, 3);
        IpAddress[] left = [.. _addresses];
        left[place] = Vacant;
        var length = left.Length;
        while (length > _own.Length && left[length - 1] == Vacant)
        {
            length--;
        }

        _addresses = length == left.Length ? left : left[..length];
    }

    /// <summary>The place of an address among those that are known here, or -1.</summary>
    public int AddressIndex(IpAddress address)
    {
        var addresses = _addresses;
        for (var i = 0; i < addresses.Length; i++)
        {
            if (addresses[i] == address)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>How many ports of a protocol are free over all addresses of a family.</summary>
    public int Free(TransportProtocol protocol, bool ipv6, Instant now)
    {
        WakeRested(now);
        var total = 0;
        for (var i = 0; i < _own.Length; i++)
        {
            total += _own[i].IsIPv4 == ipv6 || !_settled[i] ? 0 : _free[(i * 3) + Index(protocol)];
        }

        return total;
    }

    /// <summary>How many ports of a protocol there are over all addresses of a family, free or not.</summary>
    public int Size(TransportProtocol protocol, bool ipv6)
    {
        var total = 0;
        for (var i = 0; i < _own.Length; i++)
        {
            total += _own[i].IsIPv4 == ipv6 || !_settled[i] ? 0 : _size[Index(protocol)];
        }

        return total;
    }

    /// <summary>
    /// Takes a free endpoint of a protocol and family: the preferred port if it is given and free, else a random one. Addresses take turns. False when none is left.
    /// </summary>
    public bool TryAllocate(TransportProtocol protocol, bool ipv6, ushort preferredPort, Instant now, out TransportEndpoint endpoint)
    {
        WakeRested(now);

        // Each family takes turns of its own: addresses of the other one between them must not shift the work onto a neighbour.
        var family = _ofFamily[ipv6 ? 1 : 0];
        var turn = ++_turn[ipv6 ? 1 : 0];
        for (var i = 0; i < family.Length; i++)
        {
            var address = family[(int)(((uint)turn + (uint)i) % (uint)family.Length)];
            var space = (address * 3) + Index(protocol);
            if (_free[space] == 0 || !_settled[address])
            {
                continue;
            }

            var map = Map(space);
            var port = preferredPort != 0 && InRange(preferredPort) && !IsTaken(map, preferredPort) ? preferredPort : RandomFree(map);
            Take(space, map, port);
            endpoint = new TransportEndpoint(_addresses[address], (ushort)port);
            return true;
        }

        endpoint = TransportEndpoint.None;
        return false;
    }

    /// <summary>Takes one specific endpoint; false if it is not this node's, out of range, or not free.</summary>
    public bool TryTake(TransportProtocol protocol, TransportEndpoint endpoint, Instant now)
    {
        WakeRested(now);
        var address = AddressIndex(endpoint.Address);
        if (address < 0 || address >= _own.Length || !_settled[address] || !InRange(endpoint.Port))
        {
            return false;
        }

        var space = (address * 3) + Index(protocol);
        var map = Map(space);
        if (IsTaken(map, endpoint.Port))
        {
            return false;
        }

        Take(space, map, endpoint.Port);
        return true;
    }

    /// <summary>
    /// Takes an endpoint that is known to be in use although this pool has not lent it: this node lost its tables and is given them back, or has taken an address over. It may be
    /// out of the range that is given out. False if the node does not hold the address, or the endpoint is lent, or rests: then it has ended since.
    /// </summary>
    public bool TryReclaim(TransportProtocol protocol, TransportEndpoint endpoint, Instant now)
    {
        WakeRested(now);
        var address = AddressIndex(endpoint.Address);
        if (address < 0 || !_held[address])
        {
            return false;
        }

        var space = (address * 3) + Index(protocol);
        var map = Map(space);
        if (!IsTaken(map, endpoint.Port))
        {
            Take(space, map, endpoint.Port);
            return true;
        }

        var lent = _lent[space] ??= new ulong[Words];
        if (IsTaken(lent, endpoint.Port) || (InRange(endpoint.Port) && !IsReserved(space, endpoint.Port)))
        {
            return false;
        }

        lent[endpoint.Port >> 6] |= 1UL << (endpoint.Port & 63);
        return true;
    }

    /// <summary>Gives an endpoint back that was in use: it rests before it is given out again. What is not lent is ignored.</summary>
    public void Release(TransportProtocol protocol, TransportEndpoint endpoint, Instant now)
    {
        var address = AddressIndex(endpoint.Address);
        if (address >= 0 && TryReturn((address * 3) + Index(protocol), endpoint.Port))
        {
            _resting.Enqueue(new Resting((address * 3) + Index(protocol), endpoint.Port, now + _options.RestTime));
        }
    }

    /// <summary>Gives an endpoint back that never was on the wire: it is free at once. What is not lent is ignored.</summary>
    public void ReleaseUnused(TransportProtocol protocol, TransportEndpoint endpoint)
    {
        var address = AddressIndex(endpoint.Address);
        if (address >= 0 && TryReturn((address * 3) + Index(protocol), endpoint.Port))
        {
            GiveBack((address * 3) + Index(protocol), endpoint.Port);
        }
    }

    internal static int Index(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => 0,
        TransportProtocol.Udp => 1,
        _ => 2,
    };

    private void WakeRested(Instant now)
    {
        while (_resting.TryPeek(out var first) && first.Until <= now)
        {
            _resting.Dequeue();
            GiveBack(first.Space, first.Port);
        }
    }

    private void GiveBack(int space, ushort port)
    {
        // It may have been reclaimed although it is never given out.
        if (!InRange(port) || IsReserved(space, port))
        {
            return;
        }

        Map(space)[port >> 6] &= ~(1UL << (port & 63));
        _free[space]++;
    }

    /// <summary>Ends the loan of a port; false if it is nobody's.</summary>
    private bool TryReturn(int space, ushort port)
    {
        var lent = _lent[space];
        if (lent is null || !IsTaken(lent, port))
        {
            return false;
        }

        lent[port >> 6] &= ~(1UL << (port & 63));
        return true;
    }

    private void Take(int space, ulong[] map, int port)
    {
        map[port >> 6] |= 1UL << (port & 63);
        (_lent[space] ??= new ulong[Words])[port >> 6] |= 1UL << (port & 63);
        _free[space]--;
    }

    private ulong[] Map(int space)
    {
        if (_taken[space] is { } map)
        {
            return map;
        }

        // Ports that are never given out count as taken, so that the scan needs no second test.
        map = new ulong[Words];
        for (var port = 0; port < 65_536; port++)
        {
            if (!InRange(port))
            {
                map[port >> 6] |= 1UL << (port & 63);
            }
        }

        foreach (var (protocol, port) in _options.Reserved)
        {
            if (Index(protocol) == space % 3)
            {
                map[port >> 6] |= 1UL << (port & 63);
            }
        }

        return _taken[space] = map;
    }

    /// <summary>A free port, from a random place in the range upwards. The caller knows that there is one.</summary>
    private int RandomFree(ulong[] map)
    {
        var start = _options.FirstPort + _random.NextInt(_options.LastPort - _options.FirstPort + 1);
        var first = ~map[start >> 6] & (ulong.MaxValue << (start & 63));
        if (first != 0)
        {
            return (start & ~63) + BitOperations.TrailingZeroCount(first);
        }

        for (var i = 1; ; i++)
        {
            var word = ((start >> 6) + i) & (Words - 1);
            if (map[word] != ulong.MaxValue)
            {
                return (word << 6) + BitOperations.TrailingZeroCount(~map[word]);
            }
        }
    }

    private bool IsReserved(int space, ushort port)
    {
        for (var i = 0; i < _options.Reserved.Count; i++)
        {
            if (_options.Reserved[i].Port == port && Index(_options.Reserved[i].Protocol) == space % 3)
            {
                return true;
            }
        }

        return false;
    }

    private bool InRange(int port) => port >= _options.FirstPort && port <= _options.LastPort;

    private static bool IsTaken(ulong[] map, int port) => (map[port >> 6] & (1UL << (port & 63))) != 0;

    private readonly record struct Resting(int Space, ushort Port, Instant Until);
}
