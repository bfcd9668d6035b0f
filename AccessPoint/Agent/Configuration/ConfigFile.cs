using System.Text.Json;
using Masquerade.AccessPoint.Agent.Logging;
using Masquerade.AccessPoint.Users;
using Masquerade.Configuration;
using Masquerade.Core.Flow;
using Masquerade.Fam;

namespace Masquerade.AccessPoint.Agent.Configuration;

/// <summary>Reads the agent's JSON configuration and finds every mistake in one go. The keys are listed in <c>docs/operations.md</c>.</summary>
public static class ConfigFile
{
    /// <summary>The most addresses of one kind.</summary>
    private const int MaxAddresses = EndpointPool.MaxAddresses;

    /// <summary>The most DHCP servers: every request goes to all of them.</summary>
    private const int MaxDhcpServers = 8;

    /// <summary>Reads a file's text. The result is null if there are mistakes.</summary>
    public static AgentConfig? Read(ReadOnlyMemory<byte> text, out IReadOnlyList<ConfigMistake> mistakes) => ConfigText.Read(text, ReadRoot, out mistakes);

    private static AgentConfig ReadRoot(ConfigObject root)
    {
        var node = root.Required("node", Values.Node, Values.NodeText, NodeId.None);
        var coordinators = root.List<CoordinatorAddress?>("coordinator", CoordinatorAddress.TryRead, CoordinatorAddress.Allowed, 1, 8);
        if (coordinators.Contains(null) && coordinators.Count > 1)
        {
            root.Mistake("coordinator", "\"none\" among others", CoordinatorAddress.Allowed);
        }

        var uplinkObject = root.Object("uplink");
        var clientObject = root.Object("client");
        var uplinkDevice = ReadDevice(uplinkObject);
        var clientDevice = ReadDevice(clientObject);
        if ((uplinkDevice.Kind == DeviceKind.File) != (clientDevice.Kind == DeviceKind.File))
        {
            clientObject.Mistake("kind", $"uplink is {uplinkDevice.Kind}, client is {clientDevice.Kind}", "\"file\" on both sides or on none: files have their own clock");
        }
        else if (uplinkDevice.Interface.Length > 0 && string.Equals(uplinkDevice.Interface, clientDevice.Interface, StringComparison.Ordinal))
        {
            clientObject.Mistake("interface", $"\"{clientDevice.Interface}\"", "another interface than uplink.interface");
        }

        var command = uplinkObject.Optional("addressCommand", Values.Text, Values.TextText, string.Empty);
        var patience = uplinkObject.Optional("addressPatienceMilliseconds", Values.Milliseconds(0, 600_000), "milliseconds from 0 to 600000", TimeSpan.FromSeconds(2));
        var uplink = ReadUplink(uplinkObject, uplinkDevice) with { AnnouncesRoutes = command.Length > 0 };
        var clients = ReadClients(clientObject);
        var ports = root.Object("ports");
        var first = ports.Optional<ushort>("first", Values.Port, "a port from 1 to 65535", 1024);
        var last = ports.Optional<ushort>("last", Values.Port, "a port from 1 to 65535", 65535);
        var rest = ports.Optional("restMilliseconds", Values.Milliseconds(0, 86_400_000), "milliseconds from 0 to 86400000", TimeSpan.FromSeconds(120));
        var pooling = ports.Optional(
            "pooling", Values.OneOf(("paired", AddressPooling.Paired), ("arbitrary", AddressPooling.Arbitrary)), "\"paired\" (the default) or \"arbitrary\"", AddressPooling.Paired);
        const string BlockText = "0 (no blocks), or a power of two from 64 to 4096";
        var blockSize = ports.Optional("blockSize", Values.Number(0, PortBlock.Most), BlockText, 0);
        var blocksPerClient = ports.Optional("blocksPerClient", Values.Number(1, PortBlock.MostPerClient), $"a whole number from 1 to {PortBlock.MostPerClient}", 8);
        var mapping = ports.Optional(
            "mapping",
            Values.OneOf(
                ("endpointIndependent", MappingPolicy.EndpointIndependent), ("addressAndPortDependent", MappingPolicy.AddressAndPortDependent),
                ("tcpAddressAndPortDependent", MappingPolicy.TcpAddressAndPortDependent)),
            "\"endpointIndependent\" (the default), \"addressAndPortDependent\" or \"tcpAddressAndPortDependent\"", MappingPolicy.EndpointIndependent);
        ports.Finish();
        if (first > last)
        {
            ports.Mistake("last", $"{last}", $"a port not under ports.first ({first})");
        }
        else if (blockSize != 0 && !PortBlock.IsSize(blockSize, first, last))
        {
            ports.Mistake("blockSize", $"{blockSize}", $"{BlockText}, and not more than half of the {last - first + 1} ports from ports.first to ports.last");
        }

        if (blockSize != 0 && mapping != MappingPolicy.EndpointIndependent)
        {
            ports.Mistake("mapping", $"\"{mapping}\" with ports.blockSize {blockSize}", "\"endpointIndependent\" where clients have blocks of ports to themselves, or ports.blockSize 0");
        }

        var standalone = coordinators is [null];
        CheckAddressing(clientObject, clients, uplink, standalone);
        CheckUntranslated(uplinkObject, clients, uplink);
        var (tls, insecure) = AgentTls.Read(root, uplinkDevice.Kind == DeviceKind.File ? [] : coordinators.OfType<CoordinatorAddress>());
        var config = new AgentConfig
        {
            Coordinators = [.. coordinators.OfType<CoordinatorAddress>()],
            UplinkDevice = uplinkDevice,
            ClientDevice = clientDevice,
            Model = new AccessPointModel
            {
                Node = node,
                Incarnation = 0,
                Uplink = uplink,
                Clients = clients,
                FirstPort = first,
                LastPort = last,
                PortRest = rest,
                Pooling = pooling,
                PortBlockSize = blockSize,
                PortBlocksPerClient = blocksPerClient,
                Mapping = mapping,
                AddressPatience = patience,
                OutboundWay = root.Optional(
                    "outboundWay", Values.OneOf(("probe", OutboundWay.Probe), ("direct", OutboundWay.Direct), ("byHam", OutboundWay.ByHam)), "\"probe\" (the default), \"direct\" or \"byHam\"",
                    OutboundWay.Probe),
                PeerPort = root.Optional("peerPort", Values.Port, "a port from 1 to 65535", AccessPointModel.DefaultPeerPort),
                Standalone = standalone,
                Fam = new FamConfig { Standalone = standalone },
                Neighbourhood = new NeighbourhoodConfig(),
                Users = new UsersConfig(),
            },
            Tls = tls,
            Insecure = insecure,
            AddressCommand = command,
            Hostapd = TextOf(root, "hostapd"),
            EventsFile = TextOf(root, "eventsFile"),
            EventsSocket = TextOf(root, "eventsSocket"),
            ControlSocket = TextOf(root, "controlSocket"),
            MappingLog = MappingLogConfig.Read(root.Object("mappingLog")),
            Seed = root.Optional<ulong?>("seed", Values.Seed, "a whole number from 0 to 18446744073709551615", null),
        };
        OptionGroup.Read(root.Object("fastPath"), config.FastPath);
        OptionGroup.Read(root.Object("ham"), config.Model.Ham);
        var fam = root.Object("fam");
        OptionGroup.Read(fam, config.Model.Fam, nameof(FamConfig.Standalone));
        if (standalone && config.Model.Fam.Links != ClientLinks.One)
        {
            fam.Mistake("links", $"{config.Model.Fam.Links}", "\"one\" without a coordinator: nobody else hears the clients");
        }

        OptionGroup.Read(root.Object("icmp"), config.Model.Icmp);
        OptionGroup.Read(root.Object("fragments"), config.Model.Fragments);
        var neighbours = root.Object("neighbours");
        OptionGroup.Read(neighbours, config.Model.Neighbourhood);
        if (config.Model.Neighbourhood is { Isolate: true } and ({ RelayMdns: true } or { RelaySsdp: true }))
        {
            neighbours.Mistake("isolate", "true", "false with neighbours.relayMdns or neighbours.relaySsdp: who is kept apart hears nothing of the others");
        }

        var users = root.Object("users");
        var radio = users.Object("radio");
        config = config with { RadioKeys = RadioKeysConfig.Read(radio) };
        radio.Finish();
        OptionGroup.Read(users, config.Model.Users);
        if (config.RadioKeys is not null && !config.Model.Users.Enabled)
        {
            users.Mistake("radio.keys", "{...}", "nothing, unless users.enabled is true: keys are of users' sessions");
        }

        if (config.Model.Users.Enabled && standalone)
        {
            users.Mistake("enabled", "true", "false without a coordinator: nobody knows users");
        }

        if (config.Model.Users is { AskLink: true, TrustLink: true })
        {
            users.Mistake("askLink", "true", "false with users.trustLink, which asks for nothing but a link");
        }
        else if (config.Model.Users.AskLink && config.Hostapd.Length == 0)
        {
            users.Mistake("askLink", "true", "false without hostapd's control socket (hostapd): nobody could be asked");
        }

        var pcp = root.Object("pcp");
        OptionGroup.Read(pcp, config.Model.Pcp);
        if (config.Model.Pcp.MinimumLifetime > config.Model.Pcp.MaximumLifetime)
        {
            pcp.Mistake("minimumLifetimeMilliseconds", $"{config.Model.Pcp.MinimumLifetime.TotalMilliseconds}", "not more than pcp.maximumLifetimeMilliseconds");
        }

        ReadHelpers(root.Object("helpers"), config.Model.Helpers);
        root.Finish();
        if (config.IsOffline && !standalone && coordinators.Count > 0)
        {
            root.Mistake("coordinator", $"\"{coordinators[0]}\"", "\"none\": a run over capture files has its own clock and talks to nobody");
        }

        return config;
    }

    private static void ReadHelpers(ConfigObject source, HelperConfig helpers)
    {
        if (source.Has("ftpPorts"))
        {
            helpers.FtpPorts = source.List<ushort>("ftpPorts", Values.Port, "ports from 1 to 65535", 1, HelperConfig.MaxPorts);
        }
        else
        {
            source.List<ushort>("ftpPorts", Values.Port, "ports from 1 to 65535", 0, HelperConfig.MaxPorts);
        }

        OptionGroup.Read(source, helpers);
    }

    private static DeviceConfig ReadDevice(ConfigObject source)
    {
        const string KindText = "\"afpacket\" (the default), \"pcap\" or \"file\"";
        var kind = source.Optional("kind", Values.OneOf(("afpacket", DeviceKind.AfPacket), ("pcap", DeviceKind.Pcap), ("file", DeviceKind.File)), KindText, DeviceKind.AfPacket);
        if (kind == DeviceKind.File)
        {
            return new DeviceConfig(kind, string.Empty,
                source.Required("in", Values.Text, "the path of a capture file to read", string.Empty),
                source.Required("out", Values.Text, "the path of a capture file to write", string.Empty));
        }

        var name = source.Required("interface", InterfaceName, "an interface name of 1 to 15 characters", string.Empty);
        return new DeviceConfig(kind, name, string.Empty, string.Empty);
    }

    private static UplinkModel ReadUplink(ConfigObject source, DeviceConfig device)
    {
        var mac = source.Optional("mac", Values.Mac, Values.MacText, MacAddress.None);
        if (device.Kind == DeviceKind.File && !source.Has("mac"))
        {
            source.Mistake("mac", string.Empty, Values.MacText + ": a capture file has none of its own");
        }

        var addresses = source.List<IpAddress>("addresses", Values.Address, Values.AddressText, 1, MaxAddresses);
        var onLink = source.List<IpPrefix>("onLink", Values.Prefix, Values.PrefixText, 0, MaxAddresses);
        var untranslated = source.List<IpPrefix>("untranslated", Values.Prefix, Values.PrefixText, 0, UntranslatedDestinations.MaxPrefixes);
        var gateways = source.List<IpAddress>("gateways", Values.Address, "one address per family", 0, 2);
        if (gateways.Count(g => g.IsIPv4) > 1 || gateways.Count(g => !g.IsIPv4) > 1)
        {
            source.Mistake("gateways", string.Join(", ", gateways), "one address per family");
        }

        foreach (var gateway in gateways)
        {
            if (!onLink.Exists(p => p.Contains(gateway)) && !(gateway.IsLinkLocal && !gateway.IsIPv4))
            {
                source.Mistake("gateways", $"\"{gateway}\"", "an address in one of uplink.onLink, or a link-local IPv6 address");
            }

            if (!addresses.Exists(a => a.IsIPv4 == gateway.IsIPv4))
            {
                source.Mistake("gateways", $"\"{gateway}\"", "a family that uplink.addresses has, too");
            }

            if (addresses.Contains(gateway))
            {
                source.Mistake("gateways", $"\"{gateway}\"", "another node's address, not one of uplink.addresses");
            }
        }

        if (onLink.Count == 0 && gateways.Count == 0)
        {
            source.Mistake("onLink", string.Empty, "at least one prefix in uplink.onLink or one gateway in uplink.gateways");
        }

        var neighbours = source.Object("staticNeighbours");
        var table = new Dictionary<IpAddress, MacAddress>();
        foreach (var (key, value) in neighbours.Members())
        {
            if (IpAddress.TryParse(key, out var address) && Values.Mac(value, out var neighbour))
            {
                table[address] = neighbour;
            }
            else
            {
                neighbours.Mistake(key, ConfigObject.Text(value), "\"address\": \"MAC address\"");
            }
        }

        var mtu = source.Optional("mtu", Values.Number(1280, 65535), "octets from 1280 to 65535", device.Kind == DeviceKind.File ? 1500 : 0);
        var resolution = new NeighbourConfig();
        OptionGroup.Read(source.Object("neighbours"), resolution);
        source.Finish();
        return new UplinkModel
        {
            Mac = mac,
            Addresses = addresses,
            OnLink = onLink,
            Untranslated = untranslated,
            GatewayV4 = gateways.Find(g => g.IsIPv4),
            GatewayV6 = gateways.Find(g => !g.IsIPv4),
            Mtu = mtu,
            StaticNeighbours = table,
            Neighbours = resolution,
        };
    }

    private static ClientSideModel ReadClients(ConfigObject source)
    {
        var mac = source.Optional("gatewayMac", Values.Mac, Values.MacText, AccessPointModel.DefaultGatewayMac);
        var gateways = source.List<IpAddress>("gatewayAddresses", Values.Address, Values.AddressText, 1, MaxAddresses);
        var prefixes = source.List<IpPrefix>("prefixes", Values.Prefix, Values.PrefixText, 1, 8);
        foreach (var gateway in gateways)
        {
            if (!prefixes.Exists(p => p.Contains(gateway)) && !(gateway.IsLinkLocal && !gateway.IsIPv4))
            {
                source.Mistake("gatewayAddresses", $"\"{gateway}\"", "an address in one of client.prefixes, or a link-local IPv6 address");
            }
        }

        var mtu = source.Optional("mtu", Values.Number(1280, 65535), "octets from 1280 to 65535", 0);
        var addressing = source.Optional(
            "addressing", Values.OneOf(("none", ClientAddressing.None), ("relay", ClientAddressing.Relay), ("pool", ClientAddressing.Pool)), "\"none\" (the default), \"relay\" or \"pool\"",
            ClientAddressing.None);
        var servers = source.List<IpAddress>("dhcpServers", Values.Address, "a unicast IPv4 address", addressing == ClientAddressing.Relay ? 1 : 0, MaxDhcpServers);
        source.Finish();
        return new ClientSideModel { GatewayMac = mac, GatewayAddresses = gateways, Prefixes = prefixes, Mtu = mtu, Addressing = addressing, DhcpServers = servers };
    }

    /// <summary>What only shows when both sides are looked at together.</summary>
    private static void CheckAddressing(ConfigObject source, ClientSideModel clients, UplinkModel uplink, bool standalone)
    {
        if (clients.Addressing != ClientAddressing.Relay && clients.DhcpServers.Count > 0)
        {
            source.Mistake("dhcpServers", string.Join(", ", clients.DhcpServers), "nothing, unless client.addressing is \"relay\"");
        }

        foreach (var server in clients.DhcpServers)
        {
            if (!server.IsIPv4 || uplink.Addresses.Contains(server) || clients.GatewayAddresses.Contains(server))
            {
                source.Mistake("dhcpServers", $"\"{server}\"", "IPv4 addresses of DHCP servers, none of them the access point's own");
            }
        }

        if (clients.Addressing == ClientAddressing.None)
        {
            return;
        }

        if (clients.DhcpGateway.IsNone)
        {
            source.Mistake("addressing", $"{clients.Addressing}", "an IPv4 address in client.gatewayAddresses that lies in one of client.prefixes: clients take it for their server's");
        }

        if (clients.Addressing == ClientAddressing.Relay && !uplink.Addresses.Any(a => a.IsIPv4))
        {
            source.Mistake("addressing", "relay", "an IPv4 address in uplink.addresses: it is where the servers' answers go");
        }

        if (clients.Addressing == ClientAddressing.Pool && standalone)
        {
            source.Mistake("addressing", "pool", "a coordinator: it has the pool");
        }
    }

    private static void CheckUntranslated(ConfigObject source, ClientSideModel clients, UplinkModel uplink)
    {
        foreach (var prefix in uplink.Untranslated)
        {
            if (!clients.Prefixes.Any(p => p.IsIPv4 == prefix.IsIPv4))
            {
                source.Mistake("untranslated", $"\"{prefix}\"", "prefixes of a family that client.prefixes has, too");
            }
        }

        var shared = uplink.Addresses.FirstOrDefault(a => clients.Prefixes.Any(p => p.Contains(a)));
        if (uplink.Untranslated.Count > 0 && !shared.IsNone)
        {
            source.Mistake("untranslated", $"{uplink.Untranslated.Count} prefixes, and {shared} in uplink.addresses", "nothing, while an address of the access point could be a client's own as well");
        }
    }

    private static string TextOf(ConfigObject source, string key) => source.Optional(key, Values.Text, Values.TextText, string.Empty);

    private static bool InterfaceName(JsonElement element, out string value)
    {
        value = Values.Text(element, out var text) ? text : string.Empty;
        return value.Length is > 0 and <= 15 && !value.Contains('/', StringComparison.Ordinal) && !value.Any(char.IsWhiteSpace);
    }
}
