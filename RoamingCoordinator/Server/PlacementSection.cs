using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>Reads <c>placement</c>, the list of rules that say where new connections are anchored .</summary>
internal static class PlacementSection
{
    private const int MaxRules = 1_000;
    private const int MaxPorts = 65_535;
    private const int MaxClients = 100_000;
    private const string AtText = "the name of a node, or \"here\" for the access point where the connection is opened";

    public static IHamPlacement Read(ConfigObject root) => new PlacementRules([.. root.Objects("placement", MaxRules).Select(ReadRule)]);

    private static PlacementRule ReadRule(ConfigObject source)
    {
        var rule = new PlacementRule(source.Required("at", At, AtText, NodeId.None))
        {
            Protocol = source.Optional<TransportProtocol?>("protocol", Protocol, "\"tcp\", \"udp\" or \"icmp\"", null),
            Ports = source.List<ushort>("ports", Values.Port, "ports from 1 to 65535", 0, MaxPorts).ToHashSet(),
            Clients = source.List<MacAddress>("clients", Values.Mac, Values.MacText, 0, MaxClients).ToHashSet(),
        };
        source.Finish();
        return rule;
    }

    private static bool At(JsonElement element, out NodeId value)
    {
        var isNode = Values.Node(element, out value);
        if (isNode && string.Equals(value.Name, "here", StringComparison.Ordinal))
        {
            value = NodeId.None;
        }

        return isNode;
    }

    private static bool Protocol(JsonElement element, out TransportProtocol? value)
    {
        var isKnown = Values.OneOf(("tcp", TransportProtocol.Tcp), ("udp", TransportProtocol.Udp), ("icmp", TransportProtocol.Icmp))(element, out var protocol);
        value = protocol;
        return isKnown;
    }
}
