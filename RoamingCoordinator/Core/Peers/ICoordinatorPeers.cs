using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>Where a node is connected, as all coordinators over one store know it.</summary>
public sealed record NodePresence
{
    /// <summary>The node.</summary>
    public required NodeId Node { get; init; }

    /// <summary>The life of its process.</summary>
    public required ulong Incarnation { get; init; }

    /// <summary>Where it takes peer datagrams.</summary>
    public required TransportEndpoint PeerEndpoint { get; init; }

    /// <summary>The addresses that it owns.</summary>
    public required IReadOnlyList<IpAddress> Addresses { get; init; }

    /// <summary>The life of the coordinator that has its session.</summary>
    public required ulong Life { get; init; }

    /// <summary>Counts up with every session of the node, wherever it is: the highest number is right.</summary>
    public ulong Number { get; init; }

    /// <summary>Other nodes' addresses that it can take over.</summary>
    public IReadOnlyList<IpPrefix> Takes { get; init; } = [];

    /// <summary>Whether it has a session.</summary>
    public bool IsConnected { get; init; }

    /// <summary>How many mappings it anchors; null if that is not said. It is told and not kept.</summary>
    public uint? Mappings { get; init; }
}

/// <summary>The answer to <see cref="ICoordinatorPeers.Register"/>.</summary>
/// <param name="Number">The session's number.</param>
/// <param name="MustForget">The node has a new life, and what it claimed in its last one has not been forgotten yet.</param>
/// <param name="Failure">Anything but none: it is not known to the others.</param>
public readonly record struct Registration(ulong Number, bool MustForget, StoreFailure Failure = StoreFailure.None);

/// <summary>
/// The other coordinators over the same store. Completions come as those of a store do; what the others say comes to <see cref="CoordinatorCore.OnPresence"/>,
/// <see cref="CoordinatorCore.OnCoordinatorGone"/>, <see cref="CoordinatorCore.OnRelayed"/> and <see cref="CoordinatorCore.OnAddressesChanged"/>. Anything may get lost: what matters is repeated.
/// </summary>
public interface ICoordinatorPeers
{
    /// <summary>A node is connected here now.</summary>
    void Register(NodePresence presence, Action<Registration> done);

    /// <summary>How a node that is connected here does now; nothing of it is kept.</summary>
    void Tell(NodePresence presence);

    /// <summary>What a node claimed in its last life is forgotten.</summary>
    void Forgotten(NodeId node, ulong number);

    /// <summary>A node is not connected here any more.</summary>
    void Unregister(NodePresence presence);

    /// <summary>What is known of a node, and what is claimed on its addresses, is to live on.</summary>
    void Renew(NodeId node, IReadOnlyList<IpAddress> addresses);

    /// <summary>A message for a node that another coordinator has the session of; or a node's answer to what another coordinator asked it.</summary>
    void Relay(ulong life, NodeId node, ControlMessage message);

    /// <summary>
    /// To be told by <see cref="CoordinatorCore.OnCoordinatorGone"/> when another coordinator is not there any more. False: it is known already that it is not.
    /// </summary>
    bool Watch(ulong life);

    /// <summary>Reads the book of addresses.</summary>
    void ReadAddresses(Action<AddressBook> done);

    /// <summary>Changes the book of addresses if it still says what is thought, and tells the others.</summary>
    /// <param name="changes">The changes.</param>
    /// <param name="asOf">The version that was read last: the next one is higher in any case, also after a loss.</param>
    /// <param name="done">The completion.</param>
    void WriteAddresses(IReadOnlyList<AddressChange> changes, ulong asOf, Action<AddressesWritten> done);

    /// <summary>Writes down whether a node is drained, and tells the others.</summary>
    void WriteDrained(NodeId node, bool isDrained, Action<StoreFailure> done);
}
