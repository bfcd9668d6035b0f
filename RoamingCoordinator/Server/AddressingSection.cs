using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Addressing;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>Reads <c>addressing</c>, the pool of addresses that clients are given where there is no DHCP server .</summary>
internal static class AddressingSection
{
    private const string SubnetText = "an IPv4 prefix of /8 to /30 such as 192.168.77.0/24";
    private static readonly string s_domainText = $"a DNS domain of at most {ControlLimits.MaxDomainLength} characters, such as example.net";

    /// <summary>The pool; null if there is none.</summary>
    public static AddressPool? Read(ConfigObject root)
    {
        var isThere = root.Has("addressing");
        var source = root.Object("addressing");
        if (!isThere)
        {
            return null;
        }

        var prefix = source.Required<IpPrefix>("prefix", Subnet, SubnetText, default);
        var inside = AddressIn(prefix);
        var first = source.Optional<IpAddress>("first", inside, $"an address in {prefix}", After(prefix.Address, 1));
        var last = source.Optional<IpAddress>("last", inside, $"an address in {prefix}", IpAddress.FromV4(prefix.Last.V4 - 1));
        var pool = new AddressPool
        {
            Prefix = prefix,
            First = first,
            Last = last,
            Excluded = source.List<IpAddress>("exclude", inside, $"addresses in {prefix}", 0, 4_096).ToHashSet(),
            DnsServers = source.List<IpAddress>("dnsServers", Dns, "a unicast IPv4 address", 0, 16),
            Domain = source.Optional("domain", Domain, s_domainText, string.Empty),
        };
        OptionGroup.Read(source, pool);
        if (prefix.Length == 0)
        {
            return pool;
        }

        if (first.V4 > last.V4)
        {
            source.Mistake("last", $"{last}", $"an address not under addressing.first ({first})");
        }
        else if (last.V4 - first.V4 >= AddressPool.MaxAddresses)
        {
            source.Mistake("last", $"{last}", $"at most {AddressPool.MaxAddresses} addresses from addressing.first ({first})");
        }

        return pool;
    }

    private static bool Subnet(JsonElement element, out IpPrefix value) =>
        Values.Prefix(element, out value) && value.IsIPv4 && value.Length is >= 8 and <= 30;

    private static ValueParser<IpAddress> AddressIn(IpPrefix prefix) => (JsonElement element, out IpAddress value) =>
        Values.Address(element, out value) && value.IsIPv4 && (prefix.Length == 0 || prefix.Contains(value));

    private static bool Dns(JsonElement element, out IpAddress value) => Values.Address(element, out value) && value.IsIPv4;

    private static bool Domain(JsonElement element, out string value) =>
        Values.Text(element, out value) && value.Length <= ControlLimits.MaxDomainLength && Uri.CheckHostName(value) == UriHostNameType.Dns;

    private static IpAddress After(IpAddress address, uint by) => IpAddress.FromV4(address.V4 + by);
}
