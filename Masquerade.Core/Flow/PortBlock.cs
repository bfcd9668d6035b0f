namespace Masquerade.Core.Flow;

/// <summary>Ports of one address, of all protocols, that one client has to itself (RFC 6888 REQ-14).</summary>
/// <param name="Address">The masquerade address.</param>
/// <param name="First">The first port.</param>
/// <param name="Last">The last one.</param>
public readonly record struct PortBlock(IpAddress Address, ushort First, ushort Last)
{
    /// <summary>The smallest block.</summary>
    public const int Least = 64;

    /// <summary>The largest block.</summary>
    public const int Most = 4_096;

    /// <summary>The most blocks that one client may be allowed at one address.</summary>
    public const int MostPerClient = 64;

    /// <inheritdoc/>
    public override string ToString() => $"{new TransportEndpoint(Address, First)}-{Last}";

    /// <summary>Whether blocks can have so many ports where ports from a first to a last one are given out: two at least must find room, for the node needs one itself.</summary>
    public static bool IsSize(int size, int firstPort, int lastPort) =>
        size is >= Least and <= Most && (size & (size - 1)) == 0 && lastPort - firstPort + 1 >= 2 * size;
}

/// <summary>How the blocks of a node's own addresses are used.</summary>
/// <param name="Size">Ports in a block; 0: there are no blocks.</param>
/// <param name="Clients">Blocks that clients have.</param>
/// <param name="Shared">Blocks of which single ports are given out: FAM endpoints, and mappings of clients for whom no block was left.</param>
/// <param name="Free">Blocks that are nobody's.</param>
public readonly record struct PortBlockUse(int Size, int Clients, int Shared, int Free);
