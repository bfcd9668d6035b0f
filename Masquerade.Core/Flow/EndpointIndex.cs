using System.Runtime.CompilerServices;

namespace Masquerade.Core.Flow;

/// <summary>
/// A direct index from a node's own endpoints to slot numbers: address, protocol and port select a cell, no hash. Tables of 65,536 cells appear when first written. Of an endpoint that
/// several slots share it knows only how many: which of them is meant depends on the server, and whoever has the slots finds it by that.
/// </summary>
public sealed class EndpointIndex
{
    /// <summary>What is read where there is no slot. Everything below it says that the endpoint is shared.</summary>
    public const int Nothing = -1;

    // 0: nothing. Above: slot + 1. Below: minus the number of slots that share the endpoint.
    private readonly EndpointPool _pool;
    private readonly int[]?[] _cells;

    /// <summary>An empty index over the addresses of a pool.</summary>
    public EndpointIndex(EndpointPool pool)
    {
        _pool = pool;
        _cells = new int[EndpointPool.MaxKnown * 3][];
    }

    /// <summary>The slot at an endpoint, <see cref="Nothing"/>, or less if it is shared; reading a foreign endpoint gives <see cref="Nothing"/> and writing one is ignored.</summary>
    public int this[TransportProtocol protocol, TransportEndpoint endpoint]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            var address = _pool.AddressIndex(endpoint.Address);
            var cells = address < 0 ? null : _cells[PortSpaces.Of(address, protocol)];
            return cells is null ? -1 : cells[endpoint.Port] - 1;
        }

        set
        {
            var address = _pool.AddressIndex(endpoint.Address);
            if (address < 0)
            {
                return;
            }

            ref var cells = ref _cells[PortSpaces.Of(address, protocol)];
            if (cells is null && value < 0)
            {
                return;
            }

            cells ??= new int[65_536];
            cells[endpoint.Port] = value + 1;
        }
    }

    /// <summary>One slot more shares an endpoint, or one less. A foreign endpoint, and one that is a single slot's, is left as it is.</summary>
    public void Share(TransportProtocol protocol, TransportEndpoint endpoint, bool more)
    {
        var address = _pool.AddressIndex(endpoint.Address);
        if (address < 0)
        {
            return;
        }

        ref var cells = ref _cells[PortSpaces.Of(address, protocol)];
        cells ??= new int[65_536];
        ref var cell = ref cells[endpoint.Port];
        if (more ? cell <= 0 : cell < 0)
        {
            cell += more ? -1 : 1;
        }
    }
}
