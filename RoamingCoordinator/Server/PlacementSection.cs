using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>
/// Reads <c>placement</c>, the list of rules that say where new connections are anchored, and what they refer to: <c>coordinatorNode</c>, the node on this machine, and
/// <c>homes</c>, the file with the homes of clients.
/// </summary>
internal static class PlacementSection
{
    private const int MaxRules = 1_000;
    private const int MaxPorts = 65_535;
    private const int MaxClients = 100_000;
    private const int MaxNodes = 10_000;
    private const string Coordinator = "@coordinator";
    private const string Home = "@home";
    private const string AtText = "the name of a node, \"here\" for the access point where the connection is opened, \"" + Coordinator + "\" for coordinatorNode, or \"" + Home + "\" for what homes says";
    private const string NoLoopText = "rules that send no connection back to a node where it has been";

    public static PlacementRules Read(ConfigObject root, out HomesFile? homes)
    {
        homes = null;
        var own = root.Optional("coordinatorNode", Values.Node, Values.NodeText, NodeId.None);
        if (root.Optional("homes", Values.Text, Values.TextText, string.Empty) is { Length: > 0 } path && (homes = HomesFile.Open(path, out var mistake)) is null)
        {
            root.Mistake("homes", mistake, "a file that can be read, with a client's MAC address and the name of its home on each line");
        }

        var sources = root.Objects("placement", MaxRules);
        var rules = new PlacementRules([.. sources.Select(s => ReadRule(s, root, own))]) { Homes = (IHomes?)homes ?? HomeTable.Empty };
        if (PlacementCheck.FindLoop(rules, homes?.Table.OneOfEach ?? []) is { } loop)
        {
            sources[loop.Rule].Mistake("at", Way(loop), NoLoopText);
        }

        return rules;
    }

    /// <summary>The nodes of a loop, for people.</summary>
    public static string Way(PlacementLoop loop) => string.Join(" > ", loop.Way);

    private static PlacementRule ReadRule(ConfigObject source, ConfigObject root, NodeId own)
    {
        var at = source.Required("at", At, AtText, "here");
        if (at is Coordinator && own.IsNone)
        {
            source.Mistake("at", at, "another node, unless coordinatorNode names the node on the coordinator's machine");
        }
        else if (at is Home && !root.Has("homes"))
        {
            source.Mistake("at", at, "another node, unless homes names the file with the homes of clients");
        }

        var rule = new PlacementRule(at switch
        {
            "here" or Home => NodeId.None,
            Coordinator => own,
            _ => new NodeId(at),
        })
        {
            AtHome = at is Home,
            From = source.List<NodeId>("from", Values.Node, Values.NodeText, 0, MaxNodes).ToHashSet(),
            Protocol = source.Optional<TransportProtocol?>("protocol", Protocol, "\"tcp\", \"udp\" or \"icmp\"", null),
            Ports = source.List<ushort>("ports", Values.Port, "ports from 1 to 65535", 0, MaxPorts).ToHashSet(),
            Clients = source.List<MacAddress>("clients", Values.Mac, Values.MacText, 0, MaxClients).ToHashSet(),
        };
        source.Finish();
        return rule;
    }

    private static bool At(JsonElement element, out string value) => Values.Text(element, out value) && (value is Coordinator or Home || NodeId.IsValid(value));

    private static bool Protocol(JsonElement element, out TransportProtocol? value)
    {
        var isKnown = Values.OneOf(("tcp", TransportProtocol.Tcp), ("udp", TransportProtocol.Udp), ("icmp", TransportProtocol.Icmp))(element, out var protocol);
        value = protocol;
        return isKnown;
    }
}
