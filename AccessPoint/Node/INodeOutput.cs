using Masquerade.Core.Control;
using Masquerade.Core.Engine;

namespace Masquerade.AccessPoint;

/// <summary>Where the effects of an <see cref="AccessPointNode"/> go. Calls happen inside the node's calls, in order; spans are valid only during the call.</summary>
public interface INodeOutput
{
    /// <summary>Send a whole Ethernet frame out of the uplink device.</summary>
    void SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload);

    /// <summary>Send a whole Ethernet frame out of the client device.</summary>
    void SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload);

    /// <summary>Send a message to the coordinator. It may get lost with the session; the node repeats what matters.</summary>
    void SendControl(ControlMessage message);

    /// <summary>Send a whole Ethernet frame on the link to hostapd, where there is one (<see cref="AccessPointModel.RadioKeys"/>).</summary>
    void SendKeyFrame(ReadOnlySpan<byte> frame)
    {
    }

    /// <summary>Something an operator may want to know has happened.</summary>
    void Report(EngineEvent engineEvent);
}
