using Masquerade.AccessPoint.Agent.FastPath;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Configuration;

/// <summary>How frames get in and out of one side.</summary>
public enum DeviceKind
{
    /// <summary>AF_PACKET with mmap rings: the default.</summary>
    AfPacket,

    /// <summary>libpcap: portable, slower.</summary>
    Pcap,

    /// <summary>Capture files: one is read, the other written, on the files' own clock.</summary>
    File,
}

/// <summary>The device of one side.</summary>
/// <param name="Kind">How frames get in and out.</param>
/// <param name="Interface">The interface's name; empty for capture files.</param>
/// <param name="InputPath">The capture file to read; empty for interfaces.</param>
/// <param name="OutputPath">The capture file to write; empty for interfaces.</param>
public sealed record DeviceConfig(DeviceKind Kind, string Interface, string InputPath, string OutputPath);

/// <summary>The agent's configuration after validation: what the shell needs, and the model of the node without what only the opened devices know.</summary>
public sealed record AgentConfig
{
    /// <summary>The coordinators, in order of preference; empty for an access point on its own.</summary>
    public required IReadOnlyList<CoordinatorAddress> Coordinators { get; init; }

    /// <summary>The uplink device.</summary>
    public required DeviceConfig UplinkDevice { get; init; }

    /// <summary>The client device.</summary>
    public required DeviceConfig ClientDevice { get; init; }

    /// <summary>The node; its uplink MAC address is none and its MTUs are 0 where the device decides.</summary>
    public required AccessPointModel Model { get; init; }

    /// <summary>How coordinators are spoken to over TLS; null for plain text.</summary>
    public AgentTls? Tls { get; init; }

    /// <summary>Whether plain text is meant to be spoken where others can listen.</summary>
    public bool Insecure { get; init; }

    /// <summary>The command that has routes to an address changed when the node takes it or gives it up; empty if there is none.</summary>
    public string AddressCommand { get; init; } = string.Empty;

    /// <summary>hostapd's control socket, for association events; empty if there is none.</summary>
    public string Hostapd { get; init; } = string.Empty;

    /// <summary>Where hostapd is given keys for fast transitions; null: nowhere.</summary>
    public RadioKeysConfig? RadioKeys { get; init; }

    /// <summary>The file that events are appended to; empty if none.</summary>
    public string EventsFile { get; init; } = string.Empty;

    /// <summary>The Unix socket on which events are streamed; empty if none.</summary>
    public string EventsSocket { get; init; } = string.Empty;

    /// <summary>The Unix socket that answers with the agent's state; empty if none.</summary>
    public string ControlSocket { get; init; } = string.Empty;

    /// <summary>Whether packets of established connections pass in the kernel.</summary>
    internal FastPathConfig FastPath { get; init; } = new();

    /// <summary>The log of mappings.</summary>
    public MappingLogConfig MappingLog { get; init; } = new();

    /// <summary>The seed of everything left to chance; null: a fresh one for every start.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Whether the agent runs over capture files.</summary>
    public bool IsOffline => UplinkDevice.Kind == DeviceKind.File;

    /// <summary>The model with what the devices know filled in.</summary>
    public AccessPointModel Complete(ulong incarnation, MacAddress uplinkMac, int uplinkMtu, int clientMtu) => Model with
    {
        Incarnation = incarnation,
        Uplink = Model.Uplink with
        {
            Mac = Model.Uplink.Mac.IsNone ? uplinkMac : Model.Uplink.Mac,
            Mtu = Model.Uplink.Mtu == 0 ? uplinkMtu : Model.Uplink.Mtu,
        },
        Clients = Model.Clients with { Mtu = Model.Clients.Mtu == 0 ? clientMtu : Model.Clients.Mtu },
    };
}
