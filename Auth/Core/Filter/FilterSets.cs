using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>Sets of addresses and ports that rules use by name, as in <c>@dns</c>.</summary>
public sealed class FilterSets
{
    /// <summary>No sets.</summary>
    public static readonly FilterSets None = new();

    private readonly SortedDictionary<string, IReadOnlyList<IpPrefix>> _addresses = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, IReadOnlyList<PortRange>> _ports = new(StringComparer.Ordinal);

    /// <summary>Address sets by name.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<IpPrefix>> Addresses => _addresses;

    /// <summary>Port sets by name.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<PortRange>> Ports => _ports;

    /// <summary>An address, or a prefix without bits behind its length.</summary>
    public static bool TryParsePrefix(string text, out IpPrefix prefix)
    {
        if (text.Contains('/', StringComparison.Ordinal))
        {
            return IpPrefix.TryParse(text, out prefix);
        }

        var isAddress = IpAddress.TryParse(text, out var address);
        prefix = isAddress ? new IpPrefix(address, address.IsIPv4 ? 32 : 128) : default;
        return isAddress;
    }

    internal bool TryAdd(string name, IReadOnlyList<IpPrefix> prefixes) => _addresses.TryAdd(name, prefixes);

    internal bool TryAdd(string name, IReadOnlyList<PortRange> ports) => _ports.TryAdd(name, ports);
}
