using Masquerade.Core.FastPath;

namespace Masquerade.Bench.Forwarder;

/// <summary>Something that rewrites packets of known connections.</summary>
internal interface IForwarder
{
    string Name { get; }

    /// <summary>Whether it may allocate for a packet.</summary>
    bool MayAllocate => false;

    /// <summary>Rewrites a slab of packets; how many it has rewritten.</summary>
    int Run(Span<byte> memory, Span<FastPacket> packets, bool isInbound);
}
