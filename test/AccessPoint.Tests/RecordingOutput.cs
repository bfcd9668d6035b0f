using Masquerade.Core.Control;
using Masquerade.Core.Engine;

namespace Masquerade.AccessPoint.Tests;

/// <summary>Keeps everything that a node does.</summary>
internal sealed class RecordingOutput : INodeOutput
{
    public List<byte[]> Uplink { get; } = [];

    public List<byte[]> Client { get; } = [];

    public List<ControlMessage> Control { get; } = [];

    public List<EngineEvent> Events { get; } = [];

    /// <summary>Who gets frames instead.</summary>
    public INodeOutput? Forward { get; set; }

    public void SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        if (Forward is not null)
        {
            Forward.SendUplinkFrame(frame, offload);
            return;
        }

        Uplink.Add(frame.ToArray());
    }

    public void SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        if (Forward is not null)
        {
            Forward.SendClientFrame(frame, offload);
            return;
        }

        Client.Add(frame.ToArray());
    }

    /// <summary>Who gets frames for hostapd.</summary>
    public Action<byte[]>? Keys { get; set; }

    public void SendKeyFrame(ReadOnlySpan<byte> frame) => Keys?.Invoke(frame.ToArray());

    public void SendControl(ControlMessage message) => Control.Add(message);

    public void Report(EngineEvent engineEvent) => Events.Add(engineEvent);
}
