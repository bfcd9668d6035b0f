using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>Chooses the HAM of a new connection .</summary>
public interface IHamPlacement
{
    /// <summary>
    /// The node to anchor the connection at. Answering the asker, or a node that is not connected, means: at the asker. So does <see cref="NodeId.None"/>, which says besides that
    /// policy sends the connection round in a loop, so that it could not be followed.
    /// </summary>
    NodeId Choose(NodeId asker, MacAddress client, TransportProtocol protocol, TransportEndpoint server);
}

/// <summary>Every connection is anchored where it was opened.</summary>
public sealed class ThisAccessPoint : IHamPlacement
{
    /// <inheritdoc/>
    public NodeId Choose(NodeId asker, MacAddress client, TransportProtocol protocol, TransportEndpoint server) => asker;
}
