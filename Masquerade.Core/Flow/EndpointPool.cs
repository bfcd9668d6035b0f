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

    /// <summary>Which address a client's mappings get. Endpoints that are no mapping's masquerade endpoint are taken from all addresses in turn.</summary>
    public AddressPooling Pooling { get; init; }

    /// <summary>How many ports a client gets to itself at a time, a power of two from 64 to 4,096 (RFC 6888 REQ-14); 0: ports are given out one by one.</summary>
    public int BlockSize { get; init; }

    /// <summary>The most blocks that a client has at one address, 1 to 64.</summary>
    public int BlocksPerClient { get; init; } = 8;

    /// <summary>What is taken for one server alone shares ports when no more than so many per cent of an address's are free; the default is what is kept back from offers.</summary>
    public int ShareBelowPercent { get; init; } = 25;
}

/// <summary>
/// A node's own endpoints: several addresses, a port space per address and protocol, ports chosen at random (RFC 6056) and rested before reuse.
/// Bounded work per call: a bitmap scan of one port space per address at worst.
/// <para>
/// The node may hold other nodes' addresses too, which it has taken over: their endpoints can be reclaimed and released, and are never given out. Its own may have been taken
/// over by another node: then nothing of them is given out either.
/// </para>
/// <para>
/// Clients may have blocks of ports to themselves (RFC 6888 REQ-14). Then whoever takes an endpoint says for whom: the client whose masquerade endpoint it becomes, or none, which is the
/// node itself.
/// </para>
/// </summary>
public sealed partial class EndpointPool
{
    /// <summary>The most addresses of one node.</summary>
    public const int MaxAddresses = 16;

    /// <summary>The most addresses that are held at once, the node's own and others'.</summary>
    public const int MaxKnown = 64;

    /// <summary>In the place of an address that is not held any more: multicast, so no packet has it as one of this node's.</summary>
    private static readonly IpAddress Vacant = new(ulong.MaxValue, ulong.MaxValue);

    private readonly IpAddress[] _own;
    private readonly bool[] _held = new bool[MaxKnown];
    private readonly bool[] _settled = new bool[MaxKnown];
    private IpAddress[] _addresses;
    private readonly int[][] _ofFamily;
    private readonly int[] _turn = new int[2];
    private readonly PortSpaces _ports;

    /// <summary>A pool with every port free.</summary>
    /// <exception cref="ArgumentException">No address, too many, one twice, an empty port range, or blocks that do not fit.</exception>
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

        if (options.BlockSize != 0 && (!PortBlock.IsSize(options.BlockSize, options.FirstPort, options.LastPort) || options.BlocksPerClient is < 1 or > PortBlock.MostPerClient))
        {
            throw new ArgumentException($"blocks have a power of two of ports, {PortBlock.Least} to {PortBlock.Most}, and two fit; a client has 1 to {PortBlock.MostPerClient}", nameof(options));
        }

        _addresses = _own = [.. options.Addresses];
        BlockSize = options.BlockSize;
        IsPaired = options.Pooling == AddressPooling.Paired;
        _shareBelowPercent = options.ShareBelowPercent;
        _ports = new PortSpaces(options, MaxKnown, random);
        _ofFamily =
        [
            [.. Enumerable.Range(0, _addresses.Length).Where(i => _addresses[i].IsIPv4)],
            [.. Enumerable.Range(0, _addresses.Length).Where(i => !_addresses[i].IsIPv4)],
        ];
        Array.Fill(_held, true, 0, _own.Length);
        Array.Fill(_settled, true, 0, _own.Length);
        if (_ports.Blocks is { } blocks)
        {
            blocks.Ended = (place, range, client) => BlockEnded?.Invoke(new PortBlock(_addresses[place], range.First, range.Last), client);
        }
    }

    /// <summary>How many ports a block has; 0: there are none.</summary>
    public int BlockSize { get; }

    /// <summary>Is told when a client's block that has begun (<see cref="TryBeginBlock"/>) is nobody's again: all its ports have come back and rested. Not when an address is given up.</summary>
    public Action<PortBlock, MacAddress>? BlockEnded { get; set; }

    /// <summary>When the next port has rested long enough; never if none rests.</summary>
    public Instant NextWake => _ports.NextWake;

    /// <summary>Whether all mappings of a client get one address of a family (RFC 4787 REQ-2).</summary>
    public bool IsPaired { get; }

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
            _ports.Clear(place);
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
        _ports.Blocks?.Forget(place);
        if (place < _own.Length)
        {
            return;
        }

        _ports.Clear(place);
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

    /// <summary>How many ports of a protocol are free over all addresses of a family, without those in clients' blocks.</summary>
    public int Free(TransportProtocol protocol, bool ipv6, Instant now)
    {
        _ports.Wake(now);
        var total = 0;
        for (var i = 0; i < _own.Length; i++)
        {
            total += _own[i].IsIPv4 == ipv6 || !_settled[i] ? 0 : _ports.Free(PortSpaces.Of(i, protocol));
        }

        return total;
    }

    /// <summary>How many ports of a protocol there are over all addresses of a family, free or not, without those in clients' blocks.</summary>
    public int Size(TransportProtocol protocol, bool ipv6)
    {
        var total = 0;
        for (var i = 0; i < _own.Length; i++)
        {
            total += _own[i].IsIPv4 == ipv6 || !_settled[i] ? 0 : _ports.Size(PortSpaces.Of(i, protocol));
        }

        return total;
    }

    /// <summary>
    /// Takes a free endpoint of a protocol and family: the preferred port if it is given and free, else a random one. Addresses take turns. False when none is left.
    /// </summary>
    public bool TryAllocate(TransportProtocol protocol, bool ipv6, ushort preferredPort, Instant now, out TransportEndpoint endpoint, MacAddress client = default)
    {
        _ports.Wake(now);

        // Each family takes turns of its own: addresses of the other one between them must not shift the work onto a neighbour.
        var family = _ofFamily[ipv6 ? 1 : 0];
        var turn = ++_turn[ipv6 ? 1 : 0];
        for (var i = 0; i < family.Length; i++)
        {
            var address = family[(int)(((uint)turn + (uint)i) % (uint)family.Length)];
            if (_settled[address] && _ports.TryTakeAny(PortSpaces.Of(address, protocol), preferredPort, client, out var port))
            {
                endpoint = new TransportEndpoint(_addresses[address], port);
                return true;
            }
        }

        endpoint = TransportEndpoint.None;
        return false;
    }

    /// <summary>The place of an own address, which it keeps; -1 for others' addresses, held here or not.</summary>
    public int OwnPlace(IpAddress address) => AddressIndex(address) is var place && place < _own.Length ? place : -1;

    /// <summary>Whether endpoints of the own address in a place are given out now.</summary>
    public bool GivesOutAt(int place) => (uint)place < (uint)_own.Length && _settled[place];

    /// <summary>
    /// The place of the own address that a client is paired with if nothing else has paired it: of those with a free port, the one with the highest hash of client and address
    /// (rendezvous hashing). So it is the same in every life of the node, without a table; and of the clients only those of an address that comes or goes get another one. The hash has no
    /// secret: whoever makes up MAC addresses can fill one address before the others, and with as many more of them all.
    /// </summary>
    /// <param name="client">The client.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="ipv6">The family.</param>
    /// <param name="now">The time.</param>
    /// <param name="mayShare">Whether a port that is shared will do as well.</param>
    /// <returns>-1 if no address of the family has a free port for the client.</returns>
    public int Choose(MacAddress client, TransportProtocol protocol, bool ipv6, Instant now, bool mayShare = false)
    {
        _ports.Wake(now);
        var (best, highest) = (-1, 0u);
        var seed = FlowHash.Of(client, 0);
        foreach (var place in _ofFamily[ipv6 ? 1 : 0])
        {
            var space = PortSpaces.Of(place, protocol);
            if (!_settled[place] || !(_ports.CanTakeAny(space, client) || (mayShare && _ports.Shared.HasAny(space))))
            {
                continue;
            }

            var weight = FlowHash.Of(TransportProtocol.Tcp, new TransportEndpoint(_own[place], 0), seed);
            if (best < 0 || weight > highest)
            {
                (best, highest) = (place, weight);
            }
        }

        return best;
    }

    /// <summary>Takes a free endpoint of the own address in a place: the preferred port if it is given and free, else a random one. False when none is left there.</summary>
    public bool TryAllocateAt(int place, TransportProtocol protocol, ushort preferredPort, Instant now, out TransportEndpoint endpoint, MacAddress client = default)
    {
        _ports.Wake(now);
        endpoint = TransportEndpoint.None;
        if (!GivesOutAt(place) || !_ports.TryTakeAny(PortSpaces.Of(place, protocol), preferredPort, client, out var port))
        {
            return false;
        }

        endpoint = new TransportEndpoint(_own[place], port);
        return true;
    }

    /// <summary>Takes one specific endpoint; false if it is not this node's, out of range, not free, or in another client's block.</summary>
    public bool TryTake(TransportProtocol protocol, TransportEndpoint endpoint, Instant now, MacAddress client = default)
    {
        _ports.Wake(now);
        var address = AddressIndex(endpoint.Address);
        return address >= 0 && address < _own.Length && _settled[address] && _ports.TryTake(PortSpaces.Of(address, protocol), endpoint.Port, client);
    }

    /// <summary>
    /// Takes an endpoint that is known to be in use although this pool has not lent it: this node lost its tables and is given them back, or has taken an address over. It may be
    /// out of the range that is given out. The block that it is in is the client's from now on if it is nobody's. False if the node does not hold the address, or the endpoint is lent,
    /// or rests: then it has ended since.
    /// </summary>
    public bool TryReclaim(TransportProtocol protocol, TransportEndpoint endpoint, Instant now, MacAddress client = default)
    {
        _ports.Wake(now);
        var address = AddressIndex(endpoint.Address);
        return address >= 0 && _held[address] && _ports.TryReclaim(PortSpaces.Of(address, protocol), endpoint.Port, client);
    }

    /// <summary>An endpoint of an own address is somebody's for good: it is never given out, and may be taken by <see cref="TryReclaim(TransportProtocol, TransportEndpoint, Instant, MacAddress)"/> alone. Others are ignored.</summary>
    public void Reserve(TransportProtocol protocol, TransportEndpoint endpoint)
    {
        var address = OwnPlace(endpoint.Address);
        if (address >= 0)
        {
            _ports.Keep(PortSpaces.Of(address, protocol), endpoint.Port);
        }
    }

    /// <summary>Gives an endpoint back that was in use: it rests before it is given out again. What is not lent is ignored.</summary>
    public void Release(TransportProtocol protocol, TransportEndpoint endpoint, Instant now)
    {
        var address = AddressIndex(endpoint.Address);
        if (address >= 0)
        {
            _ports.Rest(PortSpaces.Of(address, protocol), endpoint.Port, now);
        }
    }

    /// <summary>Gives an endpoint back that never was on the wire, or that another node goes on with: it is free here at once. What is not lent is ignored.</summary>
    public void ReleaseUnused(TransportProtocol protocol, TransportEndpoint endpoint)
    {
        var address = AddressIndex(endpoint.Address);
        if (address >= 0)
        {
            _ports.Return(PortSpaces.Of(address, protocol), endpoint.Port);
        }
    }

    /// <summary>Frees what has rested long enough, and blocks with it. Every other call does so as well.</summary>
    public void Wake(Instant now) => _ports.Wake(now);

    /// <summary>A client has a mapping at an endpoint. True for the first one in a block of its own: from now on the block's end is told.</summary>
    public bool TryBeginBlock(TransportEndpoint masquerade, MacAddress client, out PortBlock block)
    {
        block = default;
        var address = _ports.Blocks is null ? -1 : AddressIndex(masquerade.Address);
        if (address < 0 || !_ports.Blocks!.TryBegin(address, masquerade.Port, client, out var range))
        {
            return false;
        }

        block = new PortBlock(masquerade.Address, range.First, range.Last);
        return true;
    }

    /// <summary>The blocks at an address are nobody's from now on, and nobody is told: whatever is in use there is another node's affair.</summary>
    public void ForgetBlocks(IpAddress address)
    {
        if (AddressIndex(address) is var place and >= 0)
        {
            _ports.Blocks?.Forget(place);
        }
    }

    /// <summary>How the blocks of the own addresses that are given out are used.</summary>
    public PortBlockUse DescribeBlocks()
    {
        var use = new PortBlockUse(BlockSize, 0, 0, 0);
        for (var place = 0; place < _own.Length && _ports.Blocks is not null; place++)
        {
            if (_settled[place])
            {
                var (clients, shared, free) = _ports.Blocks.Use(place);
                use = use with { Clients = use.Clients + clients, Shared = use.Shared + shared, Free = use.Free + free };
            }
        }

        return use;
    }
}
