using System.Net;
using Masquerade.Core.Flow;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>Which access point had which masquerade address when. Where nothing is known, an address is at home: at the access point whose subnet it is in.</summary>
internal sealed class AddressOwners
{
    private readonly Dictionary<IpAddress, List<(long At, int Owner)>> _changes = [];

    /// <summary>An access point (0 is AP1) takes an address. Call it in the order of time.</summary>
    public void Take(IPAddress address, int accessPoint, long at)
    {
        var key = IpAddress.Parse(address.ToString());
        if (!_changes.TryGetValue(key, out var changes))
        {
            _changes[key] = changes = [];
        }

        if ((changes.Count == 0 ? Home(key) : changes[^1].Owner) != accessPoint)
        {
            changes.Add((at, accessPoint));
        }
    }

    /// <summary>The access point that had the address at that instant, 0 is AP1; -1 if it is no access point's.</summary>
    public int At(in IpAddress address, long at)
    {
        var owner = Home(address);
        if (_changes.TryGetValue(address, out var changes))
        {
            foreach (var change in changes)
            {
                if (change.At > at)
                {
                    break;
                }

                owner = change.Owner;
            }
        }

        return owner;
    }

    /// <inheritdoc cref="At(in IpAddress, long)"/>
    public int At(IPAddress address, long at) => At(IpAddress.Parse(address.ToString()), at);

    /// <summary>Whether the address changed its owner within <paramref name="distance"/> ns of that instant, before or after.</summary>
    public bool ChangesAround(in IpAddress address, long at, long distance) =>
        _changes.TryGetValue(address, out var changes) && changes.Exists(c => Math.Abs(c.At - at) <= distance);

    /// <summary>Whether all addresses that ever left this access point are back.</summary>
    public bool AllHome(int accessPoint) => _changes.All(c => Home(c.Key) != accessPoint || c.Value.Count == 0 || c.Value[^1].Owner == accessPoint);

    private static int Home(in IpAddress address) => LabTopology.AccessPointOf(IPAddress.Parse(address.ToString()));
}
