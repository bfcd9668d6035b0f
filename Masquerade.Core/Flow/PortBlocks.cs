namespace Masquerade.Core.Flow;

/// <summary>
/// Which blocks of ports are whose (RFC 6888 REQ-13 to REQ-15): aligned, of whole words of the port spaces' bitmaps, all protocols together. A block is free; or a client's; or shared: single
/// ports of it are given out, for the node's own use and to clients for whom no block is left. It is a client's, or shared, for as long as a port of it is lent or rests that was given out as
/// part of it; so it rests as a whole before anybody else gets it, and stays with a client that comes back meanwhile. Ports that are somebody else's in the midst of it do not keep it.
/// <para>What it is told of ports must be true: it counts, and <see cref="PortSpaces"/> knows.</para>
/// </summary>
internal sealed class PortBlocks
{
    /// <summary>One block of so many at an address is not given to clients: somebody may come for whom no whole one is left, and FAM endpoints are needed.</summary>
    private const int SharedOneIn = 8;

    private readonly EndpointPoolOptions _options;
    private readonly int _size;
    private readonly int _firstBlock;
    private readonly int _blocks;
    private readonly int _leftToShare;
    private readonly SeededRandom _random;

    /// <summary>How many ports a block has that can be given out, per block and protocol.</summary>
    private readonly ushort[] _capacity;

    private readonly Place?[] _places;

    /// <summary>The first of the blocks that a client has at a place; the others are threaded behind it.</summary>
    private readonly Dictionary<(MacAddress Client, int Place), int> _firstOf = [];

    /// <summary>Blocks that are all free.</summary>
    /// <param name="options">What is given out.</param>
    /// <param name="places">How many addresses there may be.</param>
    /// <param name="random">Where blocks and ports are drawn from.</param>
    public PortBlocks(EndpointPoolOptions options, int places, SeededRandom random)
    {
        (_options, _size, _random) = (options, options.BlockSize, random);
        _firstBlock = options.FirstPort / _size;
        _blocks = (options.LastPort / _size) - _firstBlock + 1;
        _leftToShare = Math.Max(1, _blocks / SharedOneIn);
        _places = new Place[places];
        _capacity = new ushort[_blocks * PortSpaces.Protocols];
        for (var block = 0; block < _blocks; block++)
        {
            _capacity.AsSpan(block * PortSpaces.Protocols, PortSpaces.Protocols).Fill((ushort)(LastOf(block) - FirstOf(block) + 1));
        }

        foreach (var (protocol, port) in options.Reserved.Distinct())
        {
            if (port >= options.FirstPort && port <= options.LastPort)
            {
                _capacity[(BlockOf(port) * PortSpaces.Protocols) + PortSpaces.Index(protocol)]--;
            }
        }
    }

    private enum State : byte
    {
        Free = 0,
        Shared,
        Clients,
    }

    /// <summary>Is told when a client's block of which a mapping was announced is free again: the place, the block's first and last port, and the client.</summary>
    public Action<int, (ushort First, ushort Last), MacAddress>? Ended { get; set; }

    /// <summary>The first port of a block's words, which may be under the first that is given out.</summary>
    public int WordsFrom(int block) => (_firstBlock + block) * _size;

    /// <summary>How many ports of a space are free outside of clients' blocks.</summary>
    public int Open(int space) => At(space / PortSpaces.Protocols).Open[space % PortSpaces.Protocols];

    /// <summary>How many blocks clients have at a place, how many are shared, and how many are free.</summary>
    public (int Clients, int Shared, int Free) Use(int place) => _places[place] is { } at ? (at.Clients, at.Shared.Count, at.Free.Count) : (0, 0, _blocks);

    /// <summary>Whether a client may have a free port of a space on its own: not if it is in another client's block. The node itself has the client "none".</summary>
    public bool MayHave(int space, int port, MacAddress client)
    {
        ref var block = ref At(space / PortSpaces.Protocols).Blocks[BlockOf(port)];
        return block.State != State.Clients || block.Owner == client;
    }

    /// <summary>Whether <see cref="TryChoose"/> would find a port.</summary>
    public bool CanChoose(int space, MacAddress client)
    {
        var place = space / PortSpaces.Protocols;
        var at = At(place);
        return FreeOf(at, place, space % PortSpaces.Protocols, client, out var held) > 0 || (held < _options.BlocksPerClient && at.Open[space % PortSpaces.Protocols] > 0);
    }

    /// <summary>
    /// Chooses a free port for a client: any of those in its blocks; else in a block that it gets now; and if there is none to be had, in a shared one. For the node itself: in a shared one.
    /// </summary>
    /// <param name="space">The space.</param>
    /// <param name="client">The client; none for the node itself.</param>
    /// <param name="block">The block.</param>
    /// <param name="rank">Which of its free ports, from 0.</param>
    /// <returns>False if there is none, or the client has as many blocks as it may.</returns>
    public bool TryChoose(int space, MacAddress client, out int block, out int rank)
    {
        var (place, protocol) = (space / PortSpaces.Protocols, space % PortSpaces.Protocols);
        var at = At(place);
        (block, rank) = (-1, 0);
        if (!client.IsNone)
        {
            var free = FreeOf(at, place, protocol, client, out var held);
            if (free > 0)
            {
                rank = _random.NextInt(free);
                for (block = _firstOf[(client, place)]; rank >= at.FreeIn(block, protocol); block = at.Blocks[block].Next)
                {
                    rank -= at.FreeIn(block, protocol);
                }

                return true;
            }

            if (held >= _options.BlocksPerClient)
            {
                return false;
            }

            if (at.Free.Count > Math.Max(0, _leftToShare - at.Shared.Count) && TryFind(at, at.Free, protocol, out block))
            {
                Give(at, place, block, client);
            }
        }

        if (block < 0 && !TryFind(at, at.Shared, protocol, out block))
        {
            if (!TryFind(at, at.Free, protocol, out block))
            {
                return false;
            }

            at.Remove(at.Free, block);
            at.Add(at.Shared, block);
            at.Blocks[block].State = State.Shared;
        }

        rank = _random.NextInt(at.FreeIn(block, protocol));
        return true;
    }

    /// <summary>A port is known to be a client's already: if its block is free, and the client may have one more, that is the client's.</summary>
    public void Claim(int space, int port, MacAddress client)
    {
        var place = space / PortSpaces.Protocols;
        var at = At(place);
        if (!client.IsNone && at.Blocks[BlockOf(port)].State == State.Free)
        {
            FreeOf(at, place, 0, client, out var held);
            if (held < _options.BlocksPerClient)
            {
                Give(at, place, BlockOf(port), client);
            }
        }
    }

    /// <summary>A client has a mapping at a port: the first one in a block that is the client's begins it. False for all others.</summary>
    public bool TryBegin(int place, int port, MacAddress client, out (ushort First, ushort Last) range)
    {
        range = default;
        if (port < _options.FirstPort || port > _options.LastPort)
        {
            return false;
        }

        ref var block = ref At(place).Blocks[BlockOf(port)];
        if (block.State != State.Clients || block.Owner != client || block.HasBegun)
        {
            return false;
        }

        block.HasBegun = true;
        range = Range(BlockOf(port));
        return true;
    }

    /// <summary>A free port has been taken for a client, or for the node itself.</summary>
    public void OnTaken(int space, int port, MacAddress client)
    {
        var at = At(space / PortSpaces.Protocols);
        var number = BlockOf(port);
        OnUnfree(at, number, space % PortSpaces.Protocols);
        ref var block = ref at.Blocks[number];
        if (block.State == State.Shared || (block.State == State.Clients && block.Owner == client))
        {
            at.Counted(space % PortSpaces.Protocols)[port >> 6] |= 1UL << (port & 63);
            block.Count++;
        }
    }

    /// <summary>A free port is not given out any more.</summary>
    public void OnKept(int space, int port) => OnUnfree(At(space / PortSpaces.Protocols), BlockOf(port), space % PortSpaces.Protocols);

    /// <summary>A port that was taken has come back.</summary>
    /// <param name="space">The space.</param>
    /// <param name="port">The port.</param>
    /// <param name="isFree">Whether it is free now; else it is not given out any more.</param>
    public void OnReturned(int space, int port, bool isFree)
    {
        var (place, protocol) = (space / PortSpaces.Protocols, space % PortSpaces.Protocols);
        var at = At(place);
        var number = BlockOf(port);
        ref var block = ref at.Blocks[number];
        if (isFree)
        {
            at.FreeIn(number, protocol)++;
            at.Open[protocol] += block.State == State.Clients ? 0 : 1;
        }

        ref var counted = ref at.Counted(protocol)[port >> 6];
        if ((counted & (1UL << (port & 63))) == 0)
        {
            return;
        }

        counted &= ~(1UL << (port & 63));
        if (--block.Count == 0)
        {
            Free(at, place, number);
        }
    }

    /// <summary>All blocks of a place are nobody's from now on, and nobody is told; ports that are in use or rest keep none.</summary>
    public void Forget(int place)
    {
        if (_places[place] is not { } at)
        {
            return;
        }

        at.ClearCounted();
        for (var block = 0; block < _blocks; block++)
        {
            at.Blocks[block].Count = 0;
            at.Blocks[block].HasBegun = false;
            if (at.Blocks[block].State != State.Free)
            {
                Free(at, place, block);
            }
        }
    }

    /// <summary>All ports of a place are free.</summary>
    public void Clear(int place)
    {
        Forget(place);
        _places[place] = null;
    }

    private static void OnUnfree(Place at, int block, int protocol)
    {
        at.FreeIn(block, protocol)--;
        at.Open[protocol] -= at.Blocks[block].State == State.Clients ? 0 : 1;
    }

    private int BlockOf(int port) => (port / _size) - _firstBlock;

    private int FirstOf(int block) => Math.Max(WordsFrom(block), _options.FirstPort);

    private int LastOf(int block) => Math.Min(WordsFrom(block) + _size - 1, _options.LastPort);

    private (ushort First, ushort Last) Range(int block) => ((ushort)FirstOf(block), (ushort)LastOf(block));

    private Place At(int place) => _places[place] ??= new Place(_blocks, _capacity);

    /// <summary>How many free ports of a protocol a client's blocks at a place have, and how many blocks those are.</summary>
    private int FreeOf(Place at, int place, int protocol, MacAddress client, out int held)
    {
        var free = held = 0;
        if (_firstOf.TryGetValue((client, place), out var block))
        {
            for (; block >= 0; block = at.Blocks[block].Next)
            {
                free += at.FreeIn(block, protocol);
                held++;
            }
        }

        return free;
    }

    /// <summary>A block of a list with a free port of a protocol, from a random place of the list on.</summary>
    private bool TryFind(Place at, BlockList list, int protocol, out int block)
    {
        var start = list.Count == 0 ? 0 : _random.NextInt(list.Count);
        for (var i = 0; i < list.Count; i++)
        {
            block = list[start + i < list.Count ? start + i : start + i - list.Count];
            if (at.FreeIn(block, protocol) > 0)
            {
                return true;
            }
        }

        block = -1;
        return false;
    }

    private void Give(Place at, int place, int number, MacAddress client)
    {
        at.Remove(at.Free, number);
        at.Clients++;
        ref var block = ref at.Blocks[number];
        (block.State, block.Owner, block.HasBegun, block.Previous) = (State.Clients, client, false, -1);
        block.Next = _firstOf.TryGetValue((client, place), out var first) ? first : -1;
        if (block.Next >= 0)
        {
            at.Blocks[block.Next].Previous = number;
        }

        _firstOf[(client, place)] = number;
        for (var protocol = 0; protocol < PortSpaces.Protocols; protocol++)
        {
            at.Open[protocol] -= at.FreeIn(number, protocol);
        }
    }

    private void Free(Place at, int place, int number)
    {
        ref var block = ref at.Blocks[number];
        if (block.State == State.Shared)
        {
            at.Remove(at.Shared, number);
            at.Add(at.Free, number);
            block.State = State.Free;
            return;
        }

        var (client, hasBegun) = (block.Owner, block.HasBegun);
        if (block.Next >= 0)
        {
            at.Blocks[block.Next].Previous = block.Previous;
        }

        if (block.Previous >= 0)
        {
            at.Blocks[block.Previous].Next = block.Next;
        }
        else if (block.Next >= 0)
        {
            _firstOf[(client, place)] = block.Next;
        }
        else
        {
            _firstOf.Remove((client, place));
        }

        (block.State, block.Owner, block.HasBegun) = (State.Free, MacAddress.None, false);
        at.Clients--;
        at.Add(at.Free, number);
        for (var protocol = 0; protocol < PortSpaces.Protocols; protocol++)
        {
            at.Open[protocol] += at.FreeIn(number, protocol);
        }

        if (hasBegun)
        {
            Ended?.Invoke(place, Range(number), client);
        }
    }

    private struct Block
    {
        public MacAddress Owner;

        /// <summary>Ports that were given out as part of it, lent or resting.</summary>
        public int Count;

        /// <summary>Where it stands in the list of free or of shared blocks.</summary>
        public int Position;

        /// <summary>Its neighbours among its client's blocks.</summary>
        public int Next;
        public int Previous;
        public State State;

        /// <summary>Whether its client has had a mapping in it.</summary>
        public bool HasBegun;
    }

    /// <summary>Blocks in no order.</summary>
    private sealed class BlockList(int most)
    {
        private readonly int[] _blocks = new int[most];

        public int Count { get; set; }

        public ref int this[int position] => ref _blocks[position];
    }

    /// <summary>The blocks of one address.</summary>
    private sealed class Place
    {
        private readonly ushort[] _free;
        private readonly ulong[]?[] _counted = new ulong[PortSpaces.Protocols][];

        public Place(int blocks, ushort[] capacity)
        {
            Blocks = new Block[blocks];
            (Free, Shared) = (new BlockList(blocks), new BlockList(blocks));
            _free = [.. capacity];
            for (var block = 0; block < blocks; block++)
            {
                Add(Free, block);
            }

            for (var i = 0; i < capacity.Length; i++)
            {
                Open[i % PortSpaces.Protocols] += capacity[i];
            }
        }

        public Block[] Blocks { get; }

        public BlockList Free { get; }

        public BlockList Shared { get; }

        /// <summary>Blocks that clients have.</summary>
        public int Clients { get; set; }

        /// <summary>Free ports outside of clients' blocks, per protocol.</summary>
        public int[] Open { get; } = new int[PortSpaces.Protocols];

        public ref ushort FreeIn(int block, int protocol) => ref _free[(block * PortSpaces.Protocols) + protocol];

        /// <summary>A protocol's ports that were given out as part of their block and have not come back.</summary>
        public ulong[] Counted(int protocol) => _counted[protocol] ??= new ulong[PortSpaces.Words];

        public void ClearCounted() => Array.Clear(_counted);

        public void Add(BlockList list, int block)
        {
            Blocks[block].Position = list.Count;
            list[list.Count++] = block;
        }

        public void Remove(BlockList list, int block)
        {
            var (position, last) = (Blocks[block].Position, list[--list.Count]);
            list[position] = last;
            Blocks[last].Position = position;
        }
    }
}
