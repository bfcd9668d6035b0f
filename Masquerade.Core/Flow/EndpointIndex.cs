using System.Runtime.CompilerServices;

namespace Masquerade.Core.Flow;

/// <summary>A direct index from a node's own endpoints to slot numbers: address, protocol and port select a cell, no hash. Tables of 65,536 cells appear when first written.</summary>
public sealed class EndpointIndex
{
    private readonly EndpointPool _pool;
    private readonly int[]?[] _cells;

    /// <summary>An empty index over the addresses of a pool.</summary>
    public EndpointIndex(EndpointPool pool)
    {
        _pool = pool;
        _cells = new int[EndpointPool.MaxKnown * 3][];
    }

    /// <summary>The slot at an endpoint, or -1; reading a foreign endpoint gives -1 and writing one is ignored.</summary>
    public int this[TransportProtocol protocol, TransportEndpoint endpoint]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            var address = _pool.AddressIndex(endpoint.Address);
            var cells = address < 0 ? null : _cells[(address * 3) + EndpointPool.Index(protocol)];
            return cells is null ? -1 : cells[endpoint.Port] - 1;
        }

        set
        {
            var address = _pool.AddressIndex(endpoint.Address);
            if (address < 0)
            {
                return;
            }

            ref var cells = ref _cells[(address * 3) + EndpointPool.Index(protocol)];
            if (cells is null && value < 0)
            {
                return;
            }

            cells ??= new int[65_536];
            cells[endpoint.Port] = value + 1;
        }
    }
}
