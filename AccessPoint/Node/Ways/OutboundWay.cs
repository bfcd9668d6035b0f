using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint;

/// <summary>How packets with another node's address as their source leave (N-09).</summary>
public enum OutboundWay
{
    /// <summary>As they are, unless probes have shown that the network drops them.</summary>
    Probe,

    /// <summary>As they are, always: the network is known to let them through.</summary>
    Direct,

    /// <summary>By the HAM, always, from the moment that it has answered: the network is known to drop them, or routers are known to be silent.</summary>
    ByHam,
}

/// <summary>What is known of a way to another node, or by its address.</summary>
public enum WayState
{
    /// <summary>Nothing; packets go as they are.</summary>
    Unknown,

    /// <summary>Packets get through as they are.</summary>
    Direct,

    /// <summary>They do not, and go from this node's own address, to the other node.</summary>
    Rewritten,
}

/// <summary>A way as a node shows it to operators.</summary>
/// <param name="Peer">The other node's address.</param>
/// <param name="ToServers">Clients' packets to servers with that address as their source; else servers' packets to that address.</param>
/// <param name="State">What is known of it.</param>
public sealed record WayView(IpAddress Peer, bool ToServers, WayState State);
