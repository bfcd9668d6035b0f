using System.Numerics;
using Masquerade.Core.Time;

namespace Masquerade.Core.Flow;

/// <summary>
/// The ports of an <see cref="EndpointPool"/>: a space per address and protocol. A port is free, lent, resting, or never given out; one that is never given out may still be lent,
/// for it may have been in use before this pool was.
/// </summary>
internal sealed class PortSpaces
{
    /// <summary>Spaces of one address.</summary>
    public const int Protocols = 3;

    /// <summary>Words of one space's bitmap.</summary>
    public const int Words = 65_536 / 64;

    // Taken: not to be given (never given out, lent or resting). Lent: somebody's now. Only what is lent can come back, and only once, so neither a
    // repeated release nor a made-up endpoint takes a port from its next owner, and the rest queue holds each port at most once.
    private readonly ulong[]?[] _taken;
    private readonly ulong[]?[] _lent;
    private readonly int[] _free;
    private readonly int[] _size = new int[Protocols];
    private readonly EndpointPoolOptions _options;
    private readonly SeededRandom _random;
    private readonly Queue<Resting> _resting = new();
    private readonly HashSet<(int Space, ushort Port)> _kept = [];

    /// <summary>Spaces with every port free.</summary>
    /// <param name="options">What is given out.</param>
    /// <param name="places">How many addresses there may be.</param>
    /// <param name="random">Where ports are drawn from.</param>
    public PortSpaces(EndpointPoolOptions options, int places, SeededRandom random)
    {
        _options = options;
        _random = random;
        Shared = new SharedPorts(this, options.RestTime, random);
        _taken = new ulong[places * Protocols][];
        _lent = new ulong[places * Protocols][];
        Blocks = options.BlockSize > 0 ? new PortBlocks(options, places, random) : null;
        _free = new int[places * Protocols];
        for (var space = 0; space < _free.Length; space++)
        {
            _free[space] = _size[space % Protocols] = options.LastPort - options.FirstPort + 1
                - options.Reserved.Distinct().Count(r => Index(r.Protocol) == space % Protocols && InRange(r.Port));
        }
    }

    /// <summary>Whose blocks the ports are in; null if they are given out one by one.</summary>
    public PortBlocks? Blocks { get; }

    /// <summary>What of it several mappings share.</summary>
    public SharedPorts Shared { get; }

    /// <summary>When the next port has rested long enough.</summary>
    public Instant NextWake => _resting.TryPeek(out var first) ? first.Until : Instant.Never;

    /// <summary>The space of a protocol at the address in a place.</summary>
    public static int Of(int place, TransportProtocol protocol) => (place * Protocols) + Index(protocol);

    /// <summary>How many ports of a space are free for anybody: outside of clients' blocks.</summary>
    public int Free(int space) => Blocks is null ? _free[space] : Blocks.Open(space);

    /// <summary>How many ports a space has for anybody, free or not: clients' blocks do not count.</summary>
    public int Size(int space) => _size[space % Protocols] - (Blocks is null ? 0 : Math.Min(_size[space % Protocols], Blocks.Use(space / Protocols).Clients * _options.BlockSize));

    /// <summary>Whether <see cref="TryTakeAny"/> would find a port for a client.</summary>
    public bool CanTakeAny(int space, MacAddress client) => Blocks is null ? _free[space] > 0 : Blocks.CanChoose(space, client);

    /// <summary>Whether a port is one that is ever given out; others are lent only to whom they were known to belong.</summary>
    public bool GivesOut(int space, ushort port) => InRange(port) && !IsReserved(space, port);

    /// <summary>Frees everything at a place, for another address.</summary>
    public void Clear(int place)
    {
        for (var i = 0; i < Protocols; i++)
        {
            Shared.Clear((place * Protocols) + i);
        }

        for (var rest = _resting.Count; rest > 0; rest--)
        {
            var resting = _resting.Dequeue();
            if (resting.Space / Protocols != place)
            {
                _resting.Enqueue(resting);
            }
        }

        Array.Clear(_taken, place * Protocols, Protocols);
        Array.Clear(_lent, place * Protocols, Protocols);
        _size.CopyTo(_free, place * Protocols);
        Blocks?.Clear(place);
    }

    /// <summary>From now on a port is never given out; whoever has it now keeps it, and it may be reclaimed.</summary>
    public void Keep(int space, ushort port)
    {
        if (_kept.Add((space, port)) && !IsTaken(Map(space), port))
        {
            Map(space)[port >> 6] |= 1UL << (port & 63);
            _free[space]--;
            Blocks?.OnKept(space, port);
        }
    }

    /// <summary>Takes the preferred port if it is one and free, else a random one.</summary>
    /// <param name="space">The space.</param>
    /// <param name="preferred">The preferred port; 0 for none.</param>
    /// <param name="client">Whose block it has to be in, if there are blocks; none for the node itself.</param>
    /// <param name="port">The port.</param>
    /// <returns>False if none is free, or none for this client.</returns>
    public bool TryTakeAny(int space, ushort preferred, MacAddress client, out ushort port)
    {
        port = preferred;
        if (_free[space] == 0)
        {
            return false;
        }

        var map = Map(space);
        if (preferred == 0 || !CanTake(space, map, preferred, client))
        {
            if (Blocks is null)
            {
                port = (ushort)RandomFree(map);
            }
            else if (Blocks.TryChoose(space, client, out var block, out var rank))
            {
                port = (ushort)FreeOfRank(map, Blocks.WordsFrom(block), rank);
            }
            else
            {
                return false;
            }
        }

        Take(space, map, port, client);
        return true;
    }

    /// <summary>Takes one port; false if it is never given out, not free, or in another client's block.</summary>
    public bool TryTake(int space, ushort port, MacAddress client)
    {
        if (!CanTake(space, Map(space), port, client))
        {
            return false;
        }

        Take(space, Map(space), port, client);
        return true;
    }

    /// <summary>Takes a port that is in use although it was not lent here. False if it is lent, or rests.</summary>
    public bool TryReclaim(int space, ushort port, MacAddress client)
    {
        var map = Map(space);
        if (!IsTaken(map, port))
        {
            Blocks?.Claim(space, port, client);
            Take(space, map, port, client);
            return true;
        }

        var lent = _lent[space] ??= new ulong[Words];
        if (IsTaken(lent, port) || (InRange(port) && !IsReserved(space, port)))
        {
            return false;
        }

        lent[port >> 6] |= 1UL << (port & 63);
        return true;
    }

    /// <summary>Ends the loan of a port, which rests from now on. What is not lent is ignored.</summary>
    public void Rest(int space, ushort port, Instant now)
    {
        if (TryReturn(space, port))
        {
            _resting.Enqueue(new Resting(space, port, now + _options.RestTime));
        }
    }

    /// <summary>Ends the loan of a port, which is free at once. What is not lent is ignored.</summary>
    public void Return(int space, ushort port)
    {
        if (TryReturn(space, port))
        {
            GiveBack(space, port);
        }
    }

    /// <summary>Frees what has rested long enough.</summary>
    public void Wake(Instant now)
    {
        Shared.Wake(now);
        while (_resting.TryPeek(out var first) && first.Until <= now)
        {
            _resting.Dequeue();
            GiveBack(first.Space, first.Port);
        }
    }

    /// <summary>The space of a protocol among those of an address.</summary>
    public static int Index(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => 0,
        TransportProtocol.Udp => 1,
        _ => 2,
    };

    private static bool IsTaken(ulong[] map, int port) => (map[port >> 6] & (1UL << (port & 63))) != 0;

    private void GiveBack(int space, ushort port)
    {
        if (!InRange(port))
        {
            return;
        }

        // It may have been reclaimed although it is never given out.
        var isFree = !IsReserved(space, port);
        if (isFree)
        {
            Map(space)[port >> 6] &= ~(1UL << (port & 63));
            _free[space]++;
        }

        Blocks?.OnReturned(space, port, isFree);
    }

    /// <summary>Ends the loan of a port; false if it is nobody's.</summary>
    private bool TryReturn(int space, ushort port)
    {
        var lent = _lent[space];
        if (lent is null || !IsTaken(lent, port) || Shared.IsShared(space, port))
        {
            return false;
        }

        lent[port >> 6] &= ~(1UL << (port & 63));
        return true;
    }

    private bool CanTake(int space, ulong[] map, int port, MacAddress client) => InRange(port) && !IsTaken(map, port) && (Blocks is null || Blocks.MayHave(space, port, client));

    private void Take(int space, ulong[] map, int port, MacAddress client)
    {
        map[port >> 6] |= 1UL << (port & 63);
        (_lent[space] ??= new ulong[Words])[port >> 6] |= 1UL << (port & 63);
        _free[space]--;
        Blocks?.OnTaken(space, port, client);
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
            if (Index(protocol) == space % Protocols)
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

    /// <summary>The free port that has so many others between itself and a first word. The caller knows that there is one.</summary>
    private static int FreeOfRank(ulong[] map, int from, int rank)
    {
        var word = from >> 6;
        for (; rank >= BitOperations.PopCount(~map[word]); word++)
        {
            rank -= BitOperations.PopCount(~map[word]);
        }

        var free = ~map[word];
        for (; rank > 0; rank--)
        {
            free &= free - 1;
        }

        return (word << 6) + BitOperations.TrailingZeroCount(free);
    }

    private bool IsReserved(int space, ushort port)
    {
        if (_kept.Contains((space, port)))
        {
            return true;
        }

        for (var i = 0; i < _options.Reserved.Count; i++)
        {
            if (_options.Reserved[i].Port == port && Index(_options.Reserved[i].Protocol) == space % Protocols)
            {
                return true;
            }
        }

        return false;
    }

    private bool InRange(int port) => port >= _options.FirstPort && port <= _options.LastPort;

    private readonly record struct Resting(int Space, ushort Port, Instant Until);
}
