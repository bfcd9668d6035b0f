using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>Chooses the HAM of a new connection .</summary>
public interface IHamPlacement
{
    /// <summary>The node to anchor the connection at. Answering the asker, or a node that is not connected, means: at the asker.</summary>
    NodeId Choose(NodeId asker, MacAddress client, TransportProtocol protocol, TransportEndpoint server);
}

/// <summary>Every connection is anchored where it was opened.</summary>
public sealed class ThisAccessPoint : IHamPlacement
{
    /// <inheritdoc/>
    public NodeId Choose(NodeId asker, MacAddress client, TransportProtocol protocol, TransportEndpoint server) => asker;
}

/// <summary>Every connection is anchored at one node: the central deployment.</summary>
/// <param name="node">That node.</param>
public sealed class FixedNode(NodeId node) : IHamPlacement
{
    /// <inheritdoc/>
    public NodeId Choose(NodeId asker, MacAddress client, TransportProtocol protocol, TransportEndpoint server) => node;
}

/// <summary>Long-lived services, known by their port, are anchored at one node, everything else where it was opened.</summary>
/// <param name="protocol">The services' protocol.</param>
/// <param name="ports">Their ports.</param>
/// <param name="node">That node.</param>
public sealed class ByDestinationPort(TransportProtocol protocol, IReadOnlySet<ushort> ports, NodeId node) : IHamPlacement
{
    private readonly TransportProtocol _protocol = protocol;

    /// <inheritdoc/>
    public NodeId Choose(NodeId asker, MacAddress client, TransportProtocol protocol, TransportEndpoint server) =>
        protocol == _protocol && ports.Contains(server.Port) ? node : asker;
}
