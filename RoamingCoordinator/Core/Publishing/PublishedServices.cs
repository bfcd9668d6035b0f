using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Publishing;

/// <summary>A service of a client that the operator publishes .</summary>
/// <param name="Mapping">Where servers' peers find it: protocol and masquerade endpoint, at an own address of a node.</param>
/// <param name="Client">Whose it is; none: whoever has <paramref name="Address"/>.</param>
/// <param name="Address">The client's address; none: the first of the family that it is known by.</param>
/// <param name="Port">The client's port.</param>
public sealed record PublishedService(MappingId Mapping, MacAddress Client, IpAddress Address, ushort Port);

/// <summary>All of them, found by client.</summary>
public sealed class PublishedServices
{
    private readonly ILookup<MacAddress, PublishedService> _byClient;
    private readonly ILookup<IpAddress, PublishedService> _byAddress;

    /// <summary>An index of services, of which no two have the same masquerade endpoint.</summary>
    public PublishedServices(IReadOnlyList<PublishedService> all)
    {
        All = all;
        _byClient = all.Where(s => !s.Client.IsNone).ToLookup(s => s.Client);
        _byAddress = all.Where(s => s.Client.IsNone).ToLookup(s => s.Address);
    }

    /// <summary>None.</summary>
    public static PublishedServices None { get; } = new([]);

    /// <summary>The services.</summary>
    public IReadOnlyList<PublishedService> All { get; }

    /// <summary>Those of a client, as far as it has an address for them: which of its endpoints each is.</summary>
    public IEnumerable<(PublishedService Service, TransportEndpoint ClientEndpoint)> Of(ClientRecord client)
    {
        foreach (var service in _byClient[client.Client])
        {
            var address = !service.Address.IsNone
                ? service.Address
                : client.Addresses.FirstOrDefault(a => a.IsIPv4 == service.Mapping.Masquerade.Address.IsIPv4 && !a.IsLinkLocal);
            if (!address.IsNone)
            {
                yield return (service, new TransportEndpoint(address, service.Port));
            }
        }

        if (_byAddress.Count == 0)
        {
            yield break;
        }

        foreach (var service in client.Addresses.SelectMany(a => _byAddress[a]))
        {
            yield return (service, new TransportEndpoint(service.Address, service.Port));
        }
    }

    /// <summary>The masquerade endpoints at some addresses.</summary>
    public IEnumerable<PublishedService> At(IReadOnlyList<IpAddress> addresses) => All.Where(s => addresses.Contains(s.Mapping.Masquerade.Address));
}
