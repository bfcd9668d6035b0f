using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Checksum;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.KernelAbi.Bpf;

namespace Masquerade.AccessPoint.Agent.FastPath;

/// <summary>
/// The kernel as the engines' fast path: writes ways into the memory of the program, takes them back, and reads what has passed, all without a system call. One word makes a way, or all of a client's, void at once. On the data thread
/// alone.
/// </summary>
internal sealed unsafe class KernelFastPath : IFastPath, IDisposable
{
    /// <summary>A tick is 2^20 ns.</summary>
    private const int TickShift = 20;

    /// <summary>Ticks for which ways hold after the agent has last shown that it lives, and how often it does.</summary>
    private const ulong LeaseTicks = 1_000;
    private const ulong RenewTicks = 100;

    /// <summary>Ticks after which a way that nothing passes by gives room to another.</summary>
    private const uint IdleTicks = 10_000;

    /// <summary>Ticks for which a way that has been taken back is not used again: the program may be at it, and so may what waits for the rings to be empty.</summary>
    private const ulong RestTicks = 2 * PatienceTicks;

    /// <summary>Ticks that new ways wait at most for the receive rings to be empty, so that no packet overtakes those that wait there.</summary>
    private const ulong PatienceTicks = 50;

    /// <summary>In how many places, from the one that its hash says, a way may be.</summary>
    private const int Window = 8;

    /// <summary>How often at least <see cref="Commit"/> has to be called.</summary>
    public static readonly TimeSpan CommitInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>For so long rings that were empty are taken to be: a thread may be taken off its processor between the two.</summary>
    private static readonly TimeSpan s_moment = TimeSpan.FromMicroseconds(30);

    private readonly KernelProgram _program;
    private readonly MappedArray<KernelSettings> _settings;
    private readonly MappedArray<KernelWay> _ways;
    private readonly MappedArray<ulong> _generations;
    private readonly WaySlot[] _slots;
    private readonly int[] _wayOf;
    private readonly Queue<(int Way, ulong At)> _resting = new();
    private readonly List<int> _pending = [];
    private readonly int _limit;
    private readonly ulong _firstSecret;
    private readonly ulong _secondSecret;
    private int _used;
    private ulong _pendingSince;
    private ulong _renewAt;
    private int _hand;
    private bool _isDisposed;

    /// <summary>Loads the program and attaches it to both devices.</summary>
    /// <param name="config">How many connections, and where.</param>
    /// <param name="model">The node's model: links and limits.</param>
    /// <param name="uplink">The agent's device on the uplink.</param>
    /// <param name="clients">Its device towards the clients.</param>
    /// <exception cref="DeviceException">Something is missing; the message says what.</exception>
    public KernelFastPath(FastPathConfig config, AccessPointModel model, AfPacketDevice uplink, AfPacketDevice clients)
    {
        // Half of the places stay free, so that nearly every way finds one near where it should be.
        _limit = config.MaxConnections * 2;
        var ways = (int)BitOperations.RoundUpToPowerOf2((uint)_limit * 2);
        (_firstSecret, _secondSecret) = (BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)), BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1);
        _program = KernelProgram.Load(ways, model.Fam.MaxClients);
        try
        {
            _settings = new MappedArray<KernelSettings>(_program.Map("settings_map"), 1);
            _ways = new MappedArray<KernelWay>(_program.Map("ways"), ways);
            _generations = new MappedArray<ulong>(_program.Map("generations"), model.Fam.MaxClients);
            _slots = new WaySlot[ways];
            _wayOf = new int[model.Fam.MaxConnections * 2];
            for (var i = 0; i < _generations.Count; i++)
            {
                _generations[i] = 1;
            }

            _settings[0] = new KernelSettings
            {
                FirstSecret = _firstSecret,
                SecondSecret = _secondSecret,
                Mask = (uint)ways - 1,
                UplinkIndex = uplink.InterfaceIndex,
                ClientsIndex = clients.InterfaceIndex,
                UplinkMtu = (uint)model.Uplink.Mtu,
                ClientsMtu = (uint)model.Clients.Mtu,
                UplinkMac = KernelMac.Of(model.Uplink.Mac),
                ClientsMac = KernelMac.Of(model.Clients.GatewayMac),
            };
            _program.Attach(uplink, config.Uplink);
            _program.Attach(clients, config.Clients);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Action<int>? Leaving { get; set; }

    /// <summary>Ways that the program follows.</summary>
    public int Count { get; private set; }

    /// <summary>Packets that have passed, as far as they have been read.</summary>
    public long Passed { get; private set; }

    /// <summary>Ways that were declined for want of room.</summary>
    public long Declined { get; private set; }

    private static ulong Tick => (ulong)MonotonicClock.Now.Nanoseconds >> TickShift;

    /// <inheritdoc/>
    public void Offer(in PassingWay way)
    {
        ref var number = ref _wayOf[IndexOf(way.Connection, way.ToClient)];
        if (number > 0)
        {
            if (_slots[number - 1].Generation == (uint)_generations[way.Client])
            {
                // It came before the program knew, or is not of the ordinary.
                return;
            }

            Retire(number - 1);
        }

        number = 0;
        Sweep();
        var key = KernelKey.Of(way);
        if (FindPlace(key) is not (>= 0 and var free))
        {
            Declined++;
            return;
        }

        number = free + 1;
        _used++;
        Write(ref _ways[free], key, way);
        _slots[free] = new WaySlot { Use = WayUse.Pending, Owner = way.Connection, ToClient = way.ToClient, Client = way.Client, Generation = (uint)_generations[way.Client] };
        if (_pending.Count == 0)
        {
            _pendingSince = Tick;
        }

        _pending.Add(free);
    }

    /// <inheritdoc/>
    public void Void(int client)
    {
        ref var generation = ref _generations[client];
        var next = (uint)generation + 1;
        Volatile.Write(ref generation, next == 0 ? 1 : next);
    }

    /// <inheritdoc/>
    public void VoidAll()
    {
        for (var client = 0; client < _generations.Count; client++)
        {
            Void(client);
        }
    }

    /// <inheritdoc/>
    public void Clear()
    {
        VoidAll();
        for (var way = 0; way < _slots.Length; way++)
        {
            if (_slots[way].Use is WayUse.Pending or WayUse.Live)
            {
                _wayOf[IndexOf(_slots[way].Owner, _slots[way].ToClient)] = 0;
                Retire(way);
            }
        }
    }

    /// <inheritdoc/>
    public void Forget(int connection)
    {
        foreach (var toClient in (ReadOnlySpan<bool>)[false, true])
        {
            ref var number = ref _wayOf[IndexOf(connection, toClient)];
            if (number > 0)
            {
                Retire(number - 1);
                number = 0;
            }
        }
    }

    /// <inheritdoc/>
    public bool TryTake(int connection, bool toClient, out PassedPackets passed)
    {
        var way = _wayOf[IndexOf(connection, toClient)] - 1;
        if (way < 0)
        {
            passed = default;
            return false;
        }

        ref var written = ref _ways[way];
        ref var slot = ref _slots[way];

        // Two processors that count by the same way at once may put it back below what has been read.
        var packets = (int)(Volatile.Read(ref written.Packets) - slot.Packets);
        if (packets <= 0)
        {
            passed = default;
            return false;
        }

        var octets = Math.Max(slot.Octets, Volatile.Read(ref written.Octets));
        var tick = Tick;
        var ago = Math.Max(0, (int)((uint)tick - Volatile.Read(ref written.Tick)));
        passed = new PassedPackets(packets, (long)(octets - slot.Octets), new Instant((long)((tick - (ulong)ago) << TickShift)), written.Acknowledged, written.Window);
        slot.Packets += (uint)packets;
        slot.Octets = octets;
        Passed += packets;
        return true;
    }

    /// <summary>Tells the maps what has changed, and that the agent lives. Once a round of the data thread.</summary>
    /// <param name="emptyAt">When it was found that no packet waits to be received; never: some did.</param>
    public void Commit(Instant emptyAt)
    {
        var tick = Tick;
        if (tick >= _renewAt)
        {
            _renewAt = tick + RenewTicks;
            Volatile.Write(ref _settings[0].AliveUntil, tick + LeaseTicks);
        }

        while (_resting.TryPeek(out var resting) && resting.At <= tick)
        {
            _slots[_resting.Dequeue().Way].Use = WayUse.Free;
            _used--;
        }

        if (_pending.Count == 0 || (tick < _pendingSince + PatienceTicks && (emptyAt == Instant.Never || MonotonicClock.Now - emptyAt > s_moment)))
        {
            return;
        }

        foreach (var way in _pending)
        {
            if (_slots[way].Use == WayUse.Pending)
            {
                _slots[way].Use = WayUse.Live;
                Volatile.Write(ref _ways[way].Generation, _slots[way].Generation);
                Count++;
            }
        }

        _pending.Clear();
    }

    /// <summary>Writes how much passes in the kernel. Packets of a connection are counted when the engine has last asked for them.</summary>
    public void Describe(Utf8JsonWriter json)
    {
        json.WriteStartObject("fastPath");
        json.WriteNumber("ways", Count);
        json.WriteNumber("packets", Passed);
        json.WriteNumber("declined", Declined);
        json.WriteNumber("missed", _settings[0].Missed);
        json.WriteEndObject();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        if (_settings is not null)
        {
            _settings[0].AliveUntil = 0;
        }

        _program.Dispose();
        _settings?.Dispose();
        _ways?.Dispose();
        _generations?.Dispose();
    }

    private static int IndexOf(int connection, bool toClient) => (connection * 2) + (toClient ? 1 : 0);

    /// <summary>A free place near where a key's hash says; -1: there is none, or there are as many ways as there may be.</summary>
    private int FindPlace(in KernelKey key)
    {
        var hash = (int)key.Hash(_firstSecret, _secondSecret) & (_slots.Length - 1);
        for (var i = 0; i < Window && _used < _limit; i++)
        {
            var place = (hash + i) & (_slots.Length - 1);
            if (_slots[place].Use == WayUse.Free)
            {
                return place;
            }
        }

        return -1;
    }

    /// <summary>Writes a way that does not hold yet.</summary>
    private static void Write(ref KernelWay way, in KernelKey key, in PassingWay passing)
    {
        var (from, to) = passing.ToClient ? (passing.Before.Destination, passing.After.Destination) : (passing.Before.Source, passing.After.Source);
        way = new KernelWay
        {
            Key = key,
            Client = (uint)passing.Client | (passing.ToClient ? KernelWay.ToClient : 0),
            Address = KernelAddress.Of(to.Address),
            Port = KernelKey.InMemory(to.Port),
            AddressDelta = ChecksumDelta.Between(from.Address, to.Address).InMemory,
            PortDelta = ChecksumDelta.Between(from.Port, to.Port).InMemory,
            NextHop = KernelMac.Of(passing.NextHop),
            From = passing.ToClient ? default : KernelMac.Of(passing.Owner),

            // Nothing has passed by it yet, but it is not idle.
            Tick = (uint)Tick,
        };
    }

    /// <summary>Takes a way back. It passes nothing more at once; its place is free a while later.</summary>
    private void Retire(int way)
    {
        Volatile.Write(ref _ways[way].Generation, 0);
        ref var slot = ref _slots[way];
        Count -= slot.Use == WayUse.Live ? 1 : 0;
        slot.Use = WayUse.Resting;
        _resting.Enqueue((way, Tick + RestTicks));
    }

    /// <summary>Looks at a few ways when there is little room, and lets those go that nothing passes by.</summary>
    private void Sweep()
    {
        const int Look = 16;
        var tick = (uint)Tick;
        for (var i = 0; i < Look && _used > _limit - (_limit / 16); i++)
        {
            _hand = _hand + 1 < _slots.Length ? _hand + 1 : 0;
            if (_slots[_hand].Use == WayUse.Live && tick - _ways[_hand].Tick > IdleTicks)
            {
                Leaving?.Invoke(_slots[_hand].Owner);
            }
        }
    }

    private enum WayUse : byte
    {
        Free,

        /// <summary>Written, but the program does not find it yet.</summary>
        Pending,
        Live,

        /// <summary>Taken back; the program may be at it.</summary>
        Resting,
    }

    [StructLayout(LayoutKind.Auto)]
    private struct WaySlot
    {
        public ulong Octets;
        public uint Generation;
        public uint Packets;
        public int Owner;
        public int Client;
        public bool ToClient;
        public WayUse Use;
    }
}
