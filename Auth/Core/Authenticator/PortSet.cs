using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Authenticator;

/// <summary>The ports of a table by slot and by MAC address, their timers, and how many there are of each standing. The hash is seeded, so nobody can choose MAC addresses that collide.</summary>
internal sealed class PortSet
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);

    private readonly uint _seed;
    private readonly HashIndex _index;
    private readonly TimerWheel _timers;
    private readonly SlotQueue?[] _queues = new SlotQueue?[Enum.GetValues<PortStanding>().Length];
    private readonly int[] _counts = new int[Enum.GetValues<PortStanding>().Length];
    private readonly Stack<int> _free = [];
    private readonly int _capacity;
    private AuthenticatorPort?[] _ports = new AuthenticatorPort?[64];
    private PortStanding[] _standings = new PortStanding[64];
    private int _used;

    public PortSet(int capacity, uint seed, Instant now)
    {
        _capacity = capacity;
        _seed = seed;
        _index = new HashIndex(capacity);
        _timers = new TimerWheel(capacity, Tick, now);
        _queues[(int)PortStanding.Asked] = new SlotQueue(capacity);
        _queues[(int)PortStanding.Engaged] = new SlotQueue(capacity);
        _queues[(int)PortStanding.Held] = new SlotQueue(capacity);
    }

    /// <summary>How many ports there are.</summary>
    public int Count => _index.Count;

    /// <summary>When a timer is due.</summary>
    public Instant NextDeadline => _timers.NextDeadline;

    /// <summary>How many ports have a standing.</summary>
    public int CountOf(PortStanding standing) => _counts[(int)standing];

    /// <summary>The port in a slot that is in use.</summary>
    public AuthenticatorPort this[int slot] => _ports[slot]!;

    /// <summary>The slot of a client, or -1.</summary>
    public int Find(MacAddress client)
    {
        var slot = _index.First(FlowHash.Of(client, _seed), out var probe);
        while (slot >= 0 && _ports[slot]!.Client != client)
        {
            slot = _index.Next(ref probe);
        }

        return slot;
    }

    /// <summary>Adds the port of a client that has none; -1 if there is no slot.</summary>
    public int Add(AuthenticatorPort port, PortStanding standing)
    {
        if (_index.Count >= _capacity)
        {
            return -1;
        }

        if (!_free.TryPop(out var slot))
        {
            slot = _used++;
            if (slot == _ports.Length)
            {
                var length = Math.Min(_capacity, slot * 2);
                Array.Resize(ref _ports, length);
                Array.Resize(ref _standings, length);
            }
        }

        _ports[slot] = port;
        _index.Insert(FlowHash.Of(port.Client, _seed), slot);
        Enter(slot, standing);
        return slot;
    }

    /// <summary>Forgets a port.</summary>
    public void Remove(int slot)
    {
        Leave(slot);
        _timers.Cancel(slot);
        _index.Remove(FlowHash.Of(_ports[slot]!.Client, _seed), slot);
        _ports[slot] = null;
        _free.Push(slot);
    }

    /// <summary>The standing of a port.</summary>
    public PortStanding StandingOf(int slot) => _standings[slot];

    /// <summary>Gives a port a standing, another or the same: it is the youngest there.</summary>
    public void Move(int slot, PortStanding standing)
    {
        Leave(slot);
        Enter(slot, standing);
    }

    /// <summary>Sets a port's timer by its deadline.</summary>
    public void Schedule(int slot)
    {
        var deadline = _ports[slot]!.Deadline;
        if (deadline == Instant.Never)
        {
            _timers.Cancel(slot);
        }
        else
        {
            _timers.Schedule(slot, deadline);
        }
    }

    /// <summary>Slots whose time has come; if as many as there is room for, there may be more.</summary>
    public int Expire(Instant now, Span<int> slots) => _timers.Advance(now, slots);

    /// <summary>The port that was moved to a standing, or to its end, longest ago; only of standings from which ports have to go: asked, engaged, held.</summary>
    public bool TryOldest(PortStanding standing, out int slot)
    {
        slot = -1;
        return _queues[(int)standing]?.TryPeek(out slot) ?? false;
    }

    /// <summary>Slots in use are below this; a port may be missing in any of them.</summary>
    public int End => _used;

    /// <summary>Whether a slot is in use.</summary>
    public bool IsUsed(int slot) => _ports[slot] is not null;

    private void Enter(int slot, PortStanding standing)
    {
        _standings[slot] = standing;
        _counts[(int)standing]++;
        _queues[(int)standing]?.Enqueue(slot);
    }

    private void Leave(int slot)
    {
        _counts[(int)_standings[slot]]--;
        _queues[(int)_standings[slot]]?.Remove(slot);
    }
}
