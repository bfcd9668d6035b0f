using System.Text;
using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;
using Masquerade.Fam;

namespace Masquerade.AccessPoint.Agent.Configuration;

/// <summary>Writes a configuration with every default filled in, in the form in which it is read.</summary>
internal static class EffectiveConfig
{
    public static string Write(AgentConfig config)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            var model = config.Model;
            writer.WriteStartObject();
            writer.WriteString("node", model.Node.Name);
            WriteList(writer, "coordinator", model.Standalone ? ["none"] : config.Coordinators.Select(c => c.ToString()));
            config.Tls?.Write(writer);
            if (config.Insecure)
            {
                writer.WriteBoolean("insecure", true);
            }

            writer.WriteStartObject("uplink");
            WriteDevice(writer, config.UplinkDevice);
            WriteText(writer, "mac", model.Uplink.Mac.IsNone ? string.Empty : model.Uplink.Mac.ToString());
            WriteList(writer, "addresses", model.Uplink.Addresses.Select(a => a.ToString()));
            WriteList(writer, "onLink", model.Uplink.OnLink.Select(p => p.ToString()));
            WriteList(writer, "untranslated", model.Uplink.Untranslated.Select(p => p.ToString()));
            IpAddress[] gateways = [model.Uplink.GatewayV4, model.Uplink.GatewayV6];
            WriteList(writer, "gateways", gateways.Where(g => !g.IsNone).Select(g => g.ToString()));
            WriteText(writer, "addressCommand", config.AddressCommand);
            writer.WriteNumber("addressPatienceMilliseconds", model.AddressPatience.TotalMilliseconds);
            writer.WriteStartObject("staticNeighbours");
            foreach (var (address, mac) in model.Uplink.StaticNeighbours)
            {
                writer.WriteString(address.ToString(), mac.ToString());
            }

            writer.WriteEndObject();
            WriteMtu(writer, model.Uplink.Mtu);
            OptionGroup.Write(writer, "neighbours", model.Uplink.Neighbours);
            writer.WriteEndObject();
            writer.WriteStartObject("client");
            WriteDevice(writer, config.ClientDevice);
            writer.WriteString("gatewayMac", model.Clients.GatewayMac.ToString());
            WriteList(writer, "gatewayAddresses", model.Clients.GatewayAddresses.Select(a => a.ToString()));
            WriteList(writer, "prefixes", model.Clients.Prefixes.Select(p => p.ToString()));
            WriteMtu(writer, model.Clients.Mtu);
            writer.WriteString("addressing", model.Clients.Addressing switch { ClientAddressing.Relay => "relay", ClientAddressing.Pool => "pool", _ => "none" });
            if (model.Clients.DhcpServers.Count > 0)
            {
                WriteList(writer, "dhcpServers", model.Clients.DhcpServers.Select(s => s.ToString()));
            }

            writer.WriteEndObject();
            writer.WriteStartObject("ports");
            writer.WriteNumber("first", model.FirstPort);
            writer.WriteNumber("last", model.LastPort);
            writer.WriteNumber("restMilliseconds", model.PortRest.TotalMilliseconds);
            writer.WriteString("pooling", model.Pooling == AddressPooling.Paired ? "paired" : "arbitrary");
            writer.WriteNumber("blockSize", model.PortBlockSize);
            writer.WriteNumber("blocksPerClient", model.PortBlocksPerClient);
            writer.WriteString("mapping", model.Mapping switch
            {
                MappingPolicy.AddressAndPortDependent => "addressAndPortDependent",
                MappingPolicy.TcpAddressAndPortDependent => "tcpAddressAndPortDependent",
                _ => "endpointIndependent",
            });
            writer.WriteEndObject();
            writer.WriteString("outboundWay", model.OutboundWay switch { OutboundWay.Direct => "direct", OutboundWay.ByHam => "byHam", _ => "probe" });
            writer.WriteNumber("peerPort", model.PeerPort);
            WriteText(writer, "hostapd", config.Hostapd);
            WriteText(writer, "eventsFile", config.EventsFile);
            WriteText(writer, "eventsSocket", config.EventsSocket);
            WriteText(writer, "controlSocket", config.ControlSocket);
            config.MappingLog.Write(writer);
            if (config.Seed is { } seed)
            {
                writer.WriteNumber("seed", seed);
            }

            OptionGroup.Write(writer, "fastPath", config.FastPath);
            OptionGroup.Write(writer, "ham", model.Ham);
            OptionGroup.Write(writer, "fam", model.Fam, nameof(FamConfig.Standalone));
            OptionGroup.Write(writer, "icmp", model.Icmp);
            OptionGroup.Write(writer, "fragments", model.Fragments);
            OptionGroup.Write(writer, "neighbours", model.Neighbourhood);
            writer.WriteStartObject("users");
            OptionGroup.WriteMembers(writer, model.Users);
            if (config.RadioKeys is { } keys)
            {
                writer.WriteStartObject("radio");
                keys.Write(writer);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
            OptionGroup.Write(writer, "pcp", model.Pcp);
            writer.WriteStartObject("helpers");
            writer.WriteBoolean("ftp", model.Helpers.Ftp);
            writer.WriteStartArray("ftpPorts");
            foreach (var port in model.Helpers.FtpPorts)
            {
                writer.WriteNumberValue(port);
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static void WriteDevice(Utf8JsonWriter writer, DeviceConfig device)
    {
        writer.WriteString("kind", device.Kind switch { DeviceKind.AfPacket => "afpacket", DeviceKind.Pcap => "pcap", _ => "file" });
        WriteText(writer, "interface", device.Interface);
        WriteText(writer, "in", device.InputPath);
        WriteText(writer, "out", device.OutputPath);
    }

    private static void WriteText(Utf8JsonWriter writer, string key, string value)
    {
        if (value.Length > 0)
        {
            writer.WriteString(key, value);
        }
    }

    private static void WriteMtu(Utf8JsonWriter writer, int mtu)
    {
        if (mtu > 0)
        {
            writer.WriteNumber("mtu", mtu);
        }
    }

    private static void WriteList(Utf8JsonWriter writer, string key, IEnumerable<string> values)
    {
        writer.WriteStartArray(key);
        foreach (var value in values)
        {
            writer.WriteStringValue(value);
        }

        writer.WriteEndArray();
    }
}
