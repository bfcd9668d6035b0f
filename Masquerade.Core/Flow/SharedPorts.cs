using System.Diagnostics.CodeAnalysis;
using Masquerade.Core.Time;

namespace Masquerade.Core.Flow;

/// <summary>
/// Lent ports of an <see cref="EndpointPool"/> that have several users, each for a server of its own. A use rests when it has ended (RFC 6888 REQ-8): that server may still answer, and may
/// still remember the connection. Other servers know nothing of it, so the port itself goes on being shared (REQ-8 C), and is free when its last use has rested.
/// </summary>
internal sealed class SharedPorts(PortSpaces ports, TimeSpan restTime, SeededRandom random)
{
    /// <summary>Uses that rest. Beyond it the oldest are forgotten early, so that nobody who opens and closes at a great rate fills the memory.</summary>
    private const int MaxResting = 1 << 19;

    /// <summary>How many ports are tried for a server before it is said that it has them all: bounded work, whatever others have taken.</summary>
    private const int Tries = 128;

    private readonly Queue<(Use Use, Instant Until)> _resting = new();

    /// <summary>Ports that were reclaimed, and until when there may be uses of them of which this node has not been told again: until then nobody joins them.</summary>
    private readonly Queue<(int Space, ushort Port, Instant Until)> _reclaimed = new();
    private readonly Dictionary<int, Space> _spaces = [];

    // The value says whether it rests. Made with the first use, for most nodes share nothing.
    private Dictionary<Use, bool>? _uses;

    /// <summary>Whether a port has several users, or may get more.</summary>
    public bool IsShared(int space, ushort port) => _uses is not null && _spaces.TryGetValue(space, out var shared) && shared.UsesOf(port) > 0;

    /// <summary>Whether any port of a space is shared.</summary>
    public bool HasAny(int space) => _uses is not null && _spaces.TryGetValue(space, out var shared) && shared.Ports.Count > 0;

    /// <summary>Begins to share a port that has just been lent here.</summary>
    public void Open(int space, ushort port, TransportEndpoint server)
    {
        Begin(space, port, server);
        _spaces[space].List(port);
    }

    /// <summary>Goes on sharing a port that was lent before this node lost its tables, or had the address: for a while its other uses may still have to be told.</summary>
    public void Reopen(int space, ushort port, TransportEndpoint server, Instant now)
    {
        Begin(space, port, server);
        _reclaimed.Enqueue((space, port, now + restTime));
    }

    private void Begin(int space, ushort port, TransportEndpoint server)
    {
        _uses ??= new Dictionary<Use, bool>(new UseComparer((uint)random.NextUInt64()));
        if (!_spaces.TryGetValue(space, out var shared))
        {
            _spaces[space] = shared = new Space();
        }

        Add(shared, new Use(space, port, server));
    }

    /// <summary>Takes a shared port that nobody uses for this server, nor did until a moment ago: from a random one on the first that fits. False if none of those that are tried does.</summary>
    public bool TryJoin(int space, TransportEndpoint server, out ushort port)
    {
        port = 0;
        if (!HasAny(space))
        {
            return false;
        }

        var shared = _spaces[space];
        var (count, start) = (shared.Ports.Count, random.NextInt(shared.Ports.Count));
        for (var i = 0; i < count && i < Tries; i++)
        {
            port = shared.Ports[(start + i) % count];
            if (ports.GivesOut(space, port) && TryJoin(space, port, server))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes a shared port for a server; false if somebody uses it for that one, or did until a moment ago.</summary>
    public bool TryJoin(int space, ushort port, TransportEndpoint server)
    {
        var use = new Use(space, port, server);
        if (_uses!.ContainsKey(use))
        {
            return false;
        }

        Add(_spaces[space], use);
        return true;
    }

    /// <summary>Ends a use: it rests, or (<paramref name="rests"/> false) never was on the wire. What is not in use is ignored.</summary>
    public void Leave(int space, ushort port, TransportEndpoint server, bool rests, Instant now)
    {
        var use = new Use(space, port, server);
        if (_uses is null || !_uses.TryGetValue(use, out var isResting) || isResting)
        {
            return;
        }

        if (!rests)
        {
            Remove(use);
            return;
        }

        if (_resting.Count == MaxResting)
        {
            Remove(_resting.Dequeue().Use);
        }

        _uses[use] = true;
        _resting.Enqueue((use, now + restTime));
    }

    /// <summary>Forgets what has rested long enough; with its last use a port is free.</summary>
    public void Wake(Instant now)
    {
        while (_resting.TryPeek(out var first) && first.Until <= now)
        {
            _resting.Dequeue();
            Remove(first.Use);
        }

        while (_reclaimed.TryPeek(out var told) && told.Until <= now)
        {
            _reclaimed.Dequeue();
            if (IsShared(told.Space, told.Port))
            {
                _spaces[told.Space].List(told.Port);
            }
        }
    }

    /// <summary>Forgets all uses in a space.</summary>
    public void Clear(int space)
    {
        if (!_spaces.Remove(space))
        {
            return;
        }

        foreach (var use in _uses!.Keys.Where(u => u.Space == space).ToList())
        {
            _uses.Remove(use);
        }

        for (var left = _resting.Count; left > 0; left--)
        {
            var resting = _resting.Dequeue();
            if (resting.Use.Space != space)
            {
                _resting.Enqueue(resting);
            }
        }
    }

    private void Add(Space shared, Use use)
    {
        _uses!.Add(use, false);
        shared.Add(use.Port);
    }

    private void Remove(Use use)
    {
        _uses!.Remove(use);
        if (_spaces[use.Space].IsLast(use.Port))
        {
            ports.Return(use.Space, use.Port);
        }
    }

    private readonly record struct Use(int Space, ushort Port, TransportEndpoint Server);

    private sealed class UseComparer(uint seed) : IEqualityComparer<Use>
    {
        public bool Equals(Use x, Use y) => x == y;

        public int GetHashCode([DisallowNull] Use obj) => (int)FlowHash.Of(TransportProtocol.Tcp, obj.Server, unchecked(seed ^ ((uint)obj.Space << 16) ^ obj.Port));
    }

    /// <summary>The shared ports of a space, in no order, and how many uses each has.</summary>
    private sealed class Space
    {
        private readonly int[] _uses = new int[65_536];

        /// <summary>Where a port is in the list, from 1; 0 if it is not.</summary>
        private readonly int[] _places = new int[65_536];

        /// <summary>Those that may be joined.</summary>
        public List<ushort> Ports { get; } = [];

        public int UsesOf(ushort port) => _uses[port];

        public void Add(ushort port) => _uses[port]++;

        public void List(ushort port)
        {
            if (_places[port] == 0)
            {
                Ports.Add(port);
                _places[port] = Ports.Count;
            }
        }

        /// <summary>Takes one use off; true if it was the last.</summary>
        public bool IsLast(ushort port)
        {
            if (--_uses[port] > 0)
            {
                return false;
            }

            if (_places[port] > 0)
            {
                var moved = Ports[^1];
                Ports[_places[port] - 1] = moved;
                _places[moved] = _places[port];
                _places[port] = 0;
                Ports.RemoveAt(Ports.Count - 1);
            }

            return true;
        }
    }
}
