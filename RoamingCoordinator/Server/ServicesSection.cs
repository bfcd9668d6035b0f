using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Publishing;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>Reads <c>services</c>, the clients' services that are published .</summary>
internal static class ServicesSection
{
    private const int MaxServices = 1_000;
    private const string EndpointText = "a masquerade endpoint that no other service has, for example 198.51.100.10:443 or [2001:db8::10]:443";
    private const string ClientText = "a client's MAC address, or an address of the endpoint's family";

    public static PublishedServices Read(ConfigObject root)
    {
        var services = new List<PublishedService>();
        var inside = new HashSet<(TransportProtocol, string, IpAddress, ushort)>();
        foreach (var source in root.Objects("services", MaxServices))
        {
            var endpoint = source.Required<TransportEndpoint>("endpoint", Endpoint, EndpointText, default);
            var protocol = source.Optional("protocol", Values.OneOf(("tcp", TransportProtocol.Tcp), ("udp", TransportProtocol.Udp)), "\"tcp\" (the default) or \"udp\"", TransportProtocol.Tcp);
            var (mac, address) = source.Required<(MacAddress, IpAddress)>("client", Client, ClientText, default);
            var port = source.Optional("port", Values.Port, "a port from 1 to 65535", endpoint.Port);
            source.Finish();
            if (endpoint.IsNone)
            {
                continue;
            }

            if (!address.IsNone && address.IsIPv4 != endpoint.Address.IsIPv4)
            {
                source.Mistake("client", $"{address}", ClientText);
            }

            if (services.Exists(s => s.Mapping == new MappingId(protocol, endpoint)))
            {
                source.Mistake("endpoint", $"{endpoint}", EndpointText);
            }

            if (!inside.Add((protocol, mac.ToString(), mac.IsNone ? address : endpoint.Address.IsIPv4 ? IpAddress.FromV4(0) : IpAddress.None, port)))
            {
                // Its answers would come from one of the two.
                source.Mistake("port", $"{port}", "a port of the client that no other service has");
            }

            services.Add(new PublishedService(new MappingId(protocol, endpoint), mac, address, port));
        }

        return new PublishedServices(services);
    }

    private static bool Endpoint(JsonElement element, out TransportEndpoint value)
    {
        value = default;
        return Values.Text(element, out var text) && TransportEndpoint.TryParse(text, out value) && value.Port != 0 && !value.Address.IsMulticastOrBroadcast;
    }

    private static bool Client(JsonElement element, out (MacAddress Mac, IpAddress Address) value)
    {
        value = Values.Mac(element, out var mac) ? (mac, IpAddress.None) : (MacAddress.None, Values.Address(element, out var address) ? address : IpAddress.None);
        return value != default;
    }
}
