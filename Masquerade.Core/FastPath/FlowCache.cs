using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Masquerade.Core.Flow;

namespace Masquerade.Core.FastPath;

/// <summary>
/// Connections of which an engine has decided that their packets may pass as long as nothing changes: what each becomes, in either direction, and what has passed (decision 45). An engine writes a line when a connection is established
/// and takes it away when it ends; everything that concerns a client as a whole, a roam or another policy, makes all its lines void with one store. Whatever the cache does not know goes to the engine, so an empty one is right, only slower.
/// </summary>
/// <remarks>
/// IPv4 with TCP and UDP. One thread. Lines are numbered by the engine, as its connections are. A connection takes 75 to 86 octets of memory with both directions: a line of 64, and two places in the index, whose size is a power of two.
/// </remarks>
public sealed unsafe class FlowCache
{
    /// <summary>The length of a tick: how exactly it is known when a connection was last used. Ticks come round after 4.5 hours.</summary>
    public static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(250);

    /// <summary>The most connections, and the most clients, of a cache.</summary>
    public const int MaxCapacity = 1 << 24;

    private readonly LineTable<FlowLine> _lines;
    private readonly LineTable<ClientLine> _clients;
    private readonly FlowIndex _index;
    private readonly ulong _secret;
    private readonly ulong _secondSecret;

    /// <summary>An empty cache.</summary>
    /// <param name="capacity">How many connections there may be, 1 to 2^24.</param>
    /// <param name="clients">How many clients there may be, 1 to 2^24.</param>
    /// <param name="random">The source of the hash's secrets, which keep strangers from choosing tuples that fall into one bucket.</param>
    public FlowCache(int capacity, int clients, SeededRandom random)
    {
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, MaxCapacity);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(clients, MaxCapacity);
        _lines = new LineTable<FlowLine>(capacity);
        _clients = new LineTable<ClientLine>(clients);
        _index = new FlowIndex(2 * capacity);
        (_secret, _secondSecret) = (random.NextUInt64(), random.NextUInt64());
    }

    /// <summary>How many lines are in use; those that are void but not taken away count.</summary>
    public int Count { get; private set; }

    /// <summary>The tick of an instant.</summary>
    public static ushort TickOf(Time.Instant now) => (ushort)(now.Nanoseconds / (Tick.Ticks * 100));

    /// <summary>The link of a client; all lines that it has are void.</summary>
    /// <param name="client">The client's number.</param>
    /// <param name="mac">From where its packets come.</param>
    /// <param name="mtu">The largest IP packet that its link carries, in octets.</param>
    public void SetClient(int client, MacAddress mac, int mtu)
    {
        ref var line = ref _clients[client];
        (line.Mac, line.Mtu) = (mac.Value, (ushort)Math.Clamp(mtu, 0, ushort.MaxValue));
        Invalidate(client);
    }

    /// <summary>Something has changed for a client: all its lines are void from now on, and its packets go to the engine.</summary>
    /// <param name="client">The client's number.</param>
    public void Invalidate(int client)
    {
        ref var generation = ref _clients[client].Generation;
        generation = generation == uint.MaxValue ? 1 : generation + 1;
    }

    /// <summary>Lets the packets of a connection pass; what was said of the same number before is forgotten. False: it is not IPv4 with TCP or UDP.</summary>
    /// <param name="number">The connection's number.</param>
    /// <param name="client">The client's number, of which the link is known.</param>
    /// <param name="route">What becomes of the packets.</param>
    /// <param name="tick">Now: an idle connection counts as used by this.</param>
    public bool Install(int number, int client, in FlowRoute route, ushort tick)
    {
        Remove(number);
        if (route.Tuple.Protocol == TransportProtocol.Icmp || !route.Tuple.Source.Address.IsIPv4 || !route.Tuple.Destination.Address.IsIPv4 || !route.Masquerade.Address.IsIPv4 || !route.Fam.Address.IsIPv4)
        {
            return false;
        }

        ref var clientLine = ref _clients[client];
        if (clientLine.Generation == 0)
        {
            clientLine.Generation = 1;
        }

        ref var line = ref _lines[number];
        line = FlowLine.Of(route, (uint)client, clientLine.Generation);
        (line.LastOut, line.LastIn) = (tick, tick);
        _index.Insert(Hash(Outbound.KeyOf(line)), Number(number, isInbound: false));
        _index.Insert(Hash(Inbound.KeyOf(line)), Number(number, isInbound: true));
        Count++;
        return true;
    }

    /// <summary>Takes a line away; nothing happens if there is none.</summary>
    /// <param name="number">The connection's number.</param>
    public void Remove(int number)
    {
        ref var line = ref _lines[number];
        if (line.Generation == 0)
        {
            return;
        }

        _index.Remove(Hash(Outbound.KeyOf(line)), Number(number, isInbound: false));
        _index.Remove(Hash(Inbound.KeyOf(line)), Number(number, isInbound: true));
        line = default;
        Count--;
    }

    /// <summary>What has passed since the last time that this was asked; all zero if there is no line.</summary>
    /// <param name="number">The connection's number.</param>
    public FlowActivity Take(int number)
    {
        ref var line = ref _lines[number];
        var activity = new FlowActivity(
            line.PacketsOut, line.PacketsIn, line.LastOut, line.LastIn, Turned(line.ClientAcknowledgment), Turned(line.ServerAcknowledgment), Turned(line.ClientWindow), Turned(line.ServerWindow));
        (line.PacketsOut, line.PacketsIn) = (0, 0);
        return activity;
    }

    internal FlowLine* Lines => _lines.Records;

    internal ClientLine* Clients => _clients.Records;

    /// <summary>Finds the lines of a batch. Lines that are void are not found.</summary>
    /// <param name="keys">The keys as their packets have them; not more than <see cref="FlowForwarder.MaxBatch"/>.</param>
    /// <param name="isInbound">Which way the packets go.</param>
    /// <param name="numbers">Out: the number of each key's line, or -1; room for as many as there are keys.</param>
    public void Find(ReadOnlySpan<FlowKey> keys, bool isInbound, Span<int> numbers)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(keys.Length, FlowForwarder.MaxBatch, nameof(keys));
        ArgumentOutOfRangeException.ThrowIfLessThan(numbers.Length, keys.Length, nameof(numbers));
        fixed (FlowKey* first = keys)
        fixed (int* found = numbers)
        {
            if (isInbound)
            {
                Find<Inbound>(first, keys.Length, found);
            }
            else
            {
                Find<Outbound>(first, keys.Length, found);
            }
        }
    }

    /// <summary>In three rounds, so that the memory that one waits for is under way for all of them: the bucket, the line, the comparison.</summary>
    [SkipLocalsInit]
    internal void Find<TWay>(FlowKey* keys, int count, int* numbers)
        where TWay : struct, IWay
    {
        var hashes = stackalloc ulong[FlowForwarder.MaxBatch];
        var index = _index;
        var lines = _lines.Records;
        var clients = _clients.Records;
        var (secret, secondSecret) = (_secret, _secondSecret);
        for (var i = 0; i < count; i++)
        {
            hashes[i] = keys[i].Hash(secret, secondSecret);
            index.Prefetch(hashes[i]);
        }

        for (var i = 0; i < count; i++)
        {
            numbers[i] = index.Guess(hashes[i]);
            if (Sse.IsSupported && numbers[i] >= 0)
            {
                Sse.Prefetch0(lines + (numbers[i] >> 1));
            }
        }

        for (var i = 0; i < count; i++)
        {
            var number = numbers[i];
            if (number != -1)
            {
                numbers[i] = number >= 0 && IsOf<TWay>(keys[i], number, lines, clients) ? number >> 1 : FindFurther<TWay>(keys[i], hashes[i]);
            }
        }
    }

    /// <summary>The first number that fitted was another key's, or the bucket had gone over.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private int FindFurther<TWay>(in FlowKey key, ulong hash)
        where TWay : struct, IWay
    {
        var walk = _index.Begin(hash);
        for (var number = _index.Next(ref walk); number >= 0; number = _index.Next(ref walk))
        {
            if (IsOf<TWay>(key, number, _lines.Records, _clients.Records))
            {
                return number >> 1;
            }
        }

        return -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsOf<TWay>(in FlowKey key, int number, FlowLine* lines, ClientLine* clients)
        where TWay : struct, IWay
    {
        var line = lines + (number >> 1);
        return (number & 1) == (TWay.IsInbound ? 1 : 0) && TWay.KeyOf(*line).Is(key) && line->Generation == clients[line->ClientAndProtocol >> 8].Generation;
    }

    private static int Number(int number, bool isInbound) => (number << 1) | (isInbound ? 1 : 0);

    private static uint Turned(uint octets) => BitConverter.IsLittleEndian ? System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(octets) : octets;

    private static ushort Turned(ushort octets) => BitConverter.IsLittleEndian ? System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(octets) : octets;

    private ulong Hash(in FlowKey key) => key.Hash(_secret, _secondSecret);

    /// <summary>What concerns all connections of a client.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 16)]
    internal struct ClientLine
    {
        public ulong Mac;
        public uint Generation;
        public ushort Mtu;
    }
}

/// <summary>What has passed by a line.</summary>
/// <param name="PacketsOut">Packets of the client.</param>
/// <param name="PacketsIn">Packets of the server.</param>
/// <param name="LastOut">The tick of the last one of the client.</param>
/// <param name="LastIn">The tick of the last one of the server.</param>
/// <param name="ClientAcknowledgment">TCP: what the client has acknowledged last; meaningful if it sent anything.</param>
/// <param name="ServerAcknowledgment">TCP: what the server has acknowledged last; meaningful if it sent anything.</param>
/// <param name="ClientWindow">TCP: the window that the client has told with that, not scaled.</param>
/// <param name="ServerWindow">TCP: the window that the server has told with that, not scaled.</param>
public readonly record struct FlowActivity(
    uint PacketsOut, uint PacketsIn, ushort LastOut, ushort LastIn, uint ClientAcknowledgment, uint ServerAcknowledgment, ushort ClientWindow, ushort ServerWindow);
