using System.Net;
using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>Reads <c>users.dynamicAuthorisation</c> and <c>users.proxy</c>: who may speak RADIUS to the key holder.</summary>
internal static class RadiusSections
{
    private const int MaxServers = 64;
    private const int MaxAccessPoints = 10_000;
    private const int MaxRadios = 64;
    private const string RadioText = "BSSIDs of the access point's radios (R1KH-IDs), each of one access point only";
    private const string AddressText = "an IP address";
    private static readonly IPEndPoint s_none = IPEndPoint.Parse("127.0.0.1:1812");

    /// <summary>Who may change sessions; null: nobody.</summary>
    public static ChangesEntry? ReadChanges(ConfigObject users)
    {
        if (!users.Has("dynamicAuthorisation"))
        {
            return null;
        }

        var section = users.Object("dynamicAuthorisation");
        var entry = new ChangesEntry(
            section.Required("listen", ServerConfig.EndPoint, "address:port, for example 10.0.0.2:3799", s_none),
            Clients(section, MaxServers, "a list of objects with address and secretFile", c => new RadiusPeerEntry(Address(c), Secret(c), NodeId.None)),
            section.Optional<IPAddress?>("nasAddress", (JsonElement element, out IPAddress? value) => TryAddress(element, out value), AddressText, null),
            section.Optional("requireTimestamp", Values.Flag, "true or false", true));
        section.Finish();
        return entry;
    }

    /// <summary>Which access points may ask; null: none.</summary>
    public static ProxyEntry? ReadProxy(ConfigObject users)
    {
        if (!users.Has("proxy"))
        {
            return null;
        }

        var section = users.Object("proxy");
        var radios = new Dictionary<MacAddress, NodeId>();
        var entry = new ProxyEntry(
            section.Required("listen", ServerConfig.EndPoint, "address:port, for example 10.0.0.2:1812", s_none),
            Clients(section, MaxAccessPoints, "a list of objects with address, secretFile and node", c => AccessPoint(c, radios)),
            section.Optional("requireKey", Values.Flag, "true or false", true),
            radios);
        section.Finish();
        return entry;
    }

    private static RadiusPeerEntry AccessPoint(ConfigObject source, Dictionary<MacAddress, NodeId> radios)
    {
        var node = source.Required("node", Values.Node, Values.NodeText, new NodeId("?"));
        foreach (var radio in source.Has("radios") ? source.List<MacAddress>("radios", Values.Mac, RadioText, 1, MaxRadios) : [])
        {
            if (radio.IsNone || radio.IsGroup || !radios.TryAdd(radio, node))
            {
                // With the key of a radio an access point is that radio to a client (RFC 5247 section 5.3).
                source.Mistake("radios", radio.ToString(), RadioText);
            }
        }

        return new RadiusPeerEntry(Address(source), Secret(source), node);
    }

    private static List<RadiusPeerEntry> Clients(ConfigObject section, int most, string allowed, Func<ConfigObject, RadiusPeerEntry> read)
    {
        var sources = section.Objects("clients", most);
        if (sources.Count == 0)
        {
            section.Mistake("clients", section.Has("clients") ? "[]" : string.Empty, allowed);
        }

        var clients = new List<RadiusPeerEntry>();
        foreach (var source in sources)
        {
            var client = read(source);
            source.Finish();
            if (clients.Exists(c => c.Address.Equals(client.Address)))
            {
                source.Mistake("address", client.Address.ToString(), "each address once");
                continue;
            }

            clients.Add(client);
        }

        return clients;
    }

    private static IPAddress Address(ConfigObject source) => source.Required("address", (JsonElement element, out IPAddress value) => TryAddress(element, out value!), AddressText, IPAddress.None);

    private static string Secret(ConfigObject source) => source.Required("secretFile", UsersSection.FirstLine, UsersSection.SecretText, "?");

    private static bool TryAddress(JsonElement element, out IPAddress? value)
    {
        value = null;
        if (!Values.Text(element, out var text) || !IPAddress.TryParse(text, out var address))
        {
            return false;
        }

        value = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return true;
    }
}
