using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// How clients of one site reach each other at their own addresses (N-13). The FAM engine knows which clients are here and whether they may speak; who is where else, and how packets get
/// there, is the node's affair.
/// </summary>
public interface INeighbourhood
{
    /// <summary>Whether a packet goes from a client to another one, neither of them a gateway.</summary>
    bool Covers(IpAddress source, IpAddress destination);

    /// <summary>Whether an address is no host's: the network's own or its broadcast address in a subnet of the clients. A router forwards nothing there from within (RFC 2644).</summary>
    bool IsNobodys(IpAddress destination);

    /// <summary>Whether clients are kept apart.</summary>
    bool IsIsolated { get; }

    /// <summary>Sends a packet of a client that has waited here on to another client; as after <see cref="VerdictKind.ForwardNeighbour"/>.</summary>
    void Forward(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload, MacAddress from);

    /// <summary>Takes a packet that has waited here for a client, as it was when it was given to <see cref="FamEngine.HoldForNeighbour"/>. False: it is none of those.</summary>
    bool TryDeliver(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload, out Verdict verdict);

    /// <summary>A client has been silent for nearly as long as makes it be taken for gone, and neighbours may want it (a printer that only listens): it is asked whether it is there.</summary>
    void Ask(MacAddress client, IReadOnlyList<IpAddress> addresses);
}

/// <summary>How it stands with a client here.</summary>
public enum NeighbourPlace
{
    /// <summary>Nobody here has the address.</summary>
    Unknown,

    /// <summary>It is here.</summary>
    Here,

    /// <summary>Its link went a moment ago, or it is on its way in: packets for it wait.</summary>
    Waiting,

    /// <summary>It was here and is elsewhere, or nobody knows where.</summary>
    Elsewhere,
}
