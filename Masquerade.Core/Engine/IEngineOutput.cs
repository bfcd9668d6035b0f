using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Core.Engine;

/// <summary>Where the effects of an engine go. Calls happen inside the engine call that causes them, in order; spans are valid only during the call.</summary>
public interface IEngineOutput
{
    /// <summary>Send a (held and now released, or generated) IP packet out of the uplink to its destination address.</summary>
    void TransmitUplink(ReadOnlySpan<byte> packet, in OffloadInfo offload);

    /// <summary>Send a (held and now released, or generated) IP packet to a client.</summary>
    void TransmitClient(MacAddress client, ReadOnlySpan<byte> packet, in OffloadInfo offload);

    /// <summary>HAM only: a packet that was held is now due to this node's own FAM engine, as after <see cref="VerdictKind.Local"/>. It may be rewritten in place.</summary>
    void DeliverLocally(Span<byte> packet, in OffloadInfo offload);

    /// <summary>
    /// Tell the sender of a packet that it cannot be passed on, if that is to be told (<see cref="IcmpError.MayAnswer"/>, the node's settings and rate limits). The packet is as its sender
    /// sent it: what was translated on its way here has been put back.
    /// </summary>
    /// <param name="error">What is wrong with it.</param>
    /// <param name="packet">The packet.</param>
    /// <param name="summary">What the parser found in it when it came; of its tuple only the source is used.</param>
    /// <param name="client">The client that sent it; none if it came from the uplink.</param>
    void SendError(in IcmpError error, ReadOnlySpan<byte> packet, in PacketSummary summary, MacAddress client);

    /// <summary>Send a message to the coordinator. It may get lost; the engine repeats what matters.</summary>
    void SendControl(ControlMessage message);

    /// <summary>Send a datagram to another node over the data path (UDP between the nodes' peer endpoints), in order with translated packets.</summary>
    void SendPeer(TransportEndpoint peer, PeerMessage message);

    /// <summary>Something an operator may want to know has happened.</summary>
    void Report(EngineEvent engineEvent);
}
