using System.Runtime.CompilerServices;

namespace Masquerade.Core.Flow;

/// <summary>
/// Seeded hashes of flow keys. The seed is drawn per process, so that nobody outside can choose tuples that fall into one bucket; with the same seed
/// the hash is the same on every machine, so that runs replay. Each 64-bit word is mixed in by a 128-bit multiplication folded onto itself.
/// </summary>
public static class FlowHash
{
    private const ulong K0 = 0xA0761D6478BD642F;
    private const ulong K1 = 0xE7037ED1A0B428DB;

    /// <summary>The hash of a 5-tuple.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Of(in FlowTuple tuple, uint seed)
    {
        var ports = ((ulong)tuple.Source.Port << 32) | ((ulong)tuple.Destination.Port << 16) | (byte)tuple.Protocol;
        var h = Mix(tuple.Source.Address.Low ^ K0 ^ seed, tuple.Destination.Address.Low ^ K1 ^ ((ulong)seed << 32));
        h = Mix(h ^ ports, K1 ^ seed);
        if ((tuple.Source.Address.High | tuple.Destination.Address.High) != 0)
        {
            // A factor of zero would wipe out everything mixed so far. The seed keeps a client from choosing the prefix that makes it zero, and adding h
            // again keeps the ports in the hash even for a lucky guess.
            h ^= Mix(h ^ tuple.Source.Address.High, tuple.Destination.Address.High ^ K0 ^ (seed * K1));
        }

        return (uint)(h ^ (h >> 32));
    }

    /// <summary>The hash of an endpoint of one protocol.</summary>
    public static uint Of(TransportProtocol protocol, TransportEndpoint endpoint, uint seed)
    {
        var h = Mix(endpoint.Address.Low ^ K0 ^ seed, endpoint.Address.High ^ K1 ^ ((ulong)seed << 32));
        h = Mix(h ^ endpoint.Port ^ ((ulong)protocol << 16), K1 ^ seed);
        return (uint)(h ^ (h >> 32));
    }

    /// <summary>The hash of a MAC address.</summary>
    public static uint Of(MacAddress mac, uint seed)
    {
        var h = Mix(mac.Value ^ K0 ^ seed, K1 ^ ((ulong)seed << 32));
        return (uint)(h ^ (h >> 32));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong a, ulong b)
    {
        var high = Math.BigMul(a, b, out var low);
        return high ^ low;
    }
}
