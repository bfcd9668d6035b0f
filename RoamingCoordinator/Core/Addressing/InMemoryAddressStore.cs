using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Addressing;

/// <summary>The embedded default. After a restart it knows nothing: clients ask for what they had, and get it if it is free.</summary>
public sealed class InMemoryAddressStore : IAddressStore
{
    private readonly Dictionary<IpAddress, (MacAddress Client, Instant Until)> _leases = [];
    private readonly Dictionary<MacAddress, IpAddress> _addresses = [];

    /// <summary>Addresses of which something is known.</summary>
    public int Count => _leases.Count;

    /// <inheritdoc/>
    public void Find(MacAddress client, Instant now, Action<LeaseResult> done) => done(new LeaseResult(_addresses.GetValueOrDefault(client)));

    /// <inheritdoc/>
    public void Claim(MacAddress client, IReadOnlyList<IpAddress> candidates, TimeSpan atLeast, Instant now, Action<LeaseResult> done)
    {
        foreach (var address in candidates)
        {
            var known = _leases.TryGetValue(address, out var lease);
            if (known && lease.Client != client && lease.Until > now)
            {
                continue;
            }

            if (known && lease.Client != client)
            {
                _addresses.Remove(lease.Client);
            }

            if (_addresses.TryGetValue(client, out var before) && before != address)
            {
                _leases.Remove(before);
            }

            _addresses[client] = address;
            _leases[address] = (client, known && lease.Client == client ? Instant.Max(lease.Until, now + atLeast) : now + atLeast);
            done(new LeaseResult(address));
            return;
        }

        done(default);
    }

    /// <inheritdoc/>
    public void Release(MacAddress client, IpAddress address, TimeSpan quarantine, Instant now, Action<LeaseResult> done)
    {
        if (!_leases.TryGetValue(address, out var lease) || lease.Client != client)
        {
            done(default);
            return;
        }

        _addresses.Remove(client);
        if (quarantine > TimeSpan.Zero)
        {
            // No client's: none has this MAC address.
            _leases[address] = (MacAddress.None, now + quarantine);
        }
        else
        {
            _leases.Remove(address);
        }

        done(new LeaseResult(address));
    }
}
