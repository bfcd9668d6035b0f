using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Users;

/// <summary>
/// Which addresses a client may speak under (decision 37): user, key, MAC address, and behind it one IPv4 address and those IPv6 addresses that the client has made itself of the site's prefix. Who
/// was there first has an address; nobody else gets it while it is used.
/// </summary>
internal sealed partial class UserSide
{
    /// <summary>How often operators hear of the same client that it claims others' addresses.</summary>
    private static readonly TimeSpan s_toldAgain = TimeSpan.FromMinutes(1);

    /// <summary>A DHCP server has given a client an address: it has that one from now on, and no other.</summary>
    public void OnLease(MacAddress mac, IpAddress address)
    {
        if (_clients.Find(mac) is { } client)
        {
            client.Lease = address;
        }
    }

    /// <summary>Whether a client may send from an address, or say that it has it. It is on the path of every packet.</summary>
    public bool MayUse(MacAddress mac, IpAddress source)
    {
        if (!_config.BindAddresses || _clients.Find(mac) is not { IsAdmitted: true } client)
        {
            return true;
        }

        if (source == client.Ipv4)
        {
            client.Ipv4Used = _now;
            return true;
        }

        if (!source.IsIPv4 ? source.IsLinkLocal || _host.IsClientAddress(source) : TryChange(client, source))
        {
            return true;
        }

        if (_now >= client.ToldSpoofedAt)
        {
            client.ToldSpoofedAt = _now + s_toldAgain;
            _host.Report(new AddressClaimRefused(mac, client.Session?.User ?? string.Empty, source));
        }

        return false;
    }

    /// <summary>Another IPv4 address than before: the one that it has leased, or one that nobody has, if it has been quiet under the old one.</summary>
    private bool TryChange(UserClient client, IpAddress source)
    {
        NotePassed(client);
        if (!_host.IsClientAddress(source) || (!client.Lease.IsNone && source != client.Lease)
            || (client.Lease.IsNone && !client.Ipv4.IsNone && _now - client.Ipv4Used < _config.AddressQuiet) || !_host.TryClaim(client.Mac, source))
        {
            return false;
        }

        if (!client.Ipv4.IsNone)
        {
            _host.LetGo(client.Mac, client.Ipv4);
        }

        (client.Ipv4, client.Ipv4Used) = (source, _now);
        return true;
    }
}
