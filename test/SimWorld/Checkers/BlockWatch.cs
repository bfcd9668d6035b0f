using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.Checkers;

/// <summary>What a node tells of blocks of ports, beside what it tells of mappings: a log of blocks must never name the wrong client.</summary>
internal sealed class BlockWatch
{
    private readonly Dictionary<PortBlock, MacAddress> _blocks = [];
    private readonly Dictionary<MappingId, MacAddress> _mappings = [];

    /// <summary>Blocks that clients have got, and those of them that have ended.</summary>
    public (int Begun, int Ended) Count { get; private set; }

    /// <summary>The node begins a new life.</summary>
    public void Clear()
    {
        _blocks.Clear();
        _mappings.Clear();
    }

    /// <summary>Looks at an event; what is wrong with it, or null.</summary>
    public string? Take(EngineEvent engineEvent)
    {
        switch (engineEvent)
        {
            case BlockTaken taken:
                Count = Count with { Begun = Count.Begun + 1 };
                return _blocks.TryAdd(taken.Block, taken.Client) ? null : $"{taken.Block} is given to {taken.Client} and is {_blocks[taken.Block]}'s";
            case BlockReleased released:
                Count = Count with { Ended = Count.Ended + 1 };
                return !_blocks.Remove(released.Block, out var had) || had != released.Client ? $"{released.Block} ends as {released.Client}'s and was {had}'s"
                    : _mappings.FirstOrDefault(m => m.Value == had && Holds(released.Block, m.Key.Masquerade)) is { Value.IsNone: false } left ? $"{released.Block} ends while {left} lives"
                    : null;
            case MappingAnchored anchored:
                _mappings[anchored.Mapping] = anchored.Client;
                return !anchored.Adopted && _blocks.FirstOrDefault(b => Holds(b.Key, anchored.Mapping.Masquerade)) is { Value.IsNone: false } other && other.Value != anchored.Client
                    ? $"{anchored.Mapping} of {anchored.Client} is in {other}" : null;
            case MappingReleased gone:
                _mappings.Remove(gone.Mapping);
                return null;
            case AddressYielded yielded:
                foreach (var block in _blocks.Keys.Where(b => b.Address == yielded.Address).ToList())
                {
                    _blocks.Remove(block);
                }

                foreach (var mapping in _mappings.Keys.Where(m => m.Masquerade.Address == yielded.Address).ToList())
                {
                    _mappings.Remove(mapping);
                }

                return null;
            case StartedOver:
                Clear();
                return null;
            default:
                return null;
        }
    }

    private static bool Holds(PortBlock block, TransportEndpoint endpoint) => endpoint.Address == block.Address && endpoint.Port >= block.First && endpoint.Port <= block.Last;
}
