using System.Text.Json;
using Masquerade.AccessPoint.Agent.Control;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.AccessPoint.Agent.FastPath;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.AccessPoint.Agent.Observing;
using Masquerade.AccessPoint.Agent.Radio;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>Brings the node's effects to devices, coordinator and event log.</summary>
internal sealed class DeviceOutput(IPacketDevice uplink, IPacketDevice clients, CoordinatorClient? coordinator, EventLog events) : INodeOutput
{
    /// <summary>The node's counters; set once it exists.</summary>
    public DropCounters? Drops { get; set; }

    /// <summary>What has routes changed; null if nothing has.</summary>
    public AddressCommand? Addresses { get; init; }

    /// <summary>What has hostapd end links; null if there is no hostapd.</summary>
    public HostapdCommands? Radio { get; init; }

    /// <summary>The kernel's fast path; null if there is none.</summary>
    public KernelFastPath? FastPath { get; init; }

    /// <summary>The log of mappings; null if there is none.</summary>
    public MappingLog? Mappings { get; init; }

    /// <summary>The link to hostapd; null if there is none.</summary>
    public KeySocket? Keys { get; init; }

    /// <summary>The time that events are reported with.</summary>
    public Instant Now { get; set; }

    /// <summary>The time of day at an instant, milliseconds since 1970.</summary>
    public Func<Instant, long> WallClock { get; init; } = static _ => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Messages to the coordinator that could not be sent as they were.</summary>
    public long MessagesUnsent => coordinator?.Unsent ?? 0;

    /// <summary>Writes how the connection to coordinators is secured, and how the log of mappings is.</summary>
    public void Describe(Utf8JsonWriter json)
    {
        Mappings?.Describe(json);
        FastPath?.Describe(json);
        json.WriteStartObject("security");
        json.WriteString("transport", coordinator is null ? "none" : coordinator.Security is null ? "plain text" : "TLS 1.3");
        coordinator?.Security?.Describe(json);
        json.WriteEndObject();
    }

    /// <inheritdoc/>
    public void SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload) => Send(uplink, frame, offload);

    /// <inheritdoc/>
    public void SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload) => Send(clients, frame, offload);

    /// <inheritdoc/>
    public void SendControl(ControlMessage message) => coordinator?.Send(message);

    /// <inheritdoc/>
    public void SendKeyFrame(ReadOnlySpan<byte> frame) => Keys?.Send(frame);

    /// <inheritdoc/>
    public void Report(EngineEvent engineEvent)
    {
        Addresses?.Note(engineEvent);
        Radio?.Note(engineEvent);
        events.Report(engineEvent, Now);
        Mappings?.Report(engineEvent, WallClock(Now));
    }

    private void Send(IPacketDevice device, ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        if (device.Transmit(frame, offload))
        {
            return;
        }

        // The ring is full of frames that the kernel has not been told of: tell it, then try once more.
        device.Flush();
        if (!device.Transmit(frame, offload))
        {
            Drops?.Count(DropReason.DeviceFull);
        }
    }
}
