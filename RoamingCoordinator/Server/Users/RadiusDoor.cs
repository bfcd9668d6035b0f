using System.Net.Sockets;
using System.Threading.Channels;
using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Radius;
using Masquerade.RoamingCoordinator.Api.Metrics;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>Where others speak RADIUS to the key holder: servers that change sessions (RFC 5176), and access points that authenticate by themselves.</summary>
internal sealed class RadiusDoor : IAsyncDisposable
{
    private readonly DynamicAuthorisation? _checker;
    private DynamicAuthorisationServer? _changes;
    private RadiusProxy? _proxy;

    private RadiusDoor(DynamicAuthorisation? checker) => _checker = checker;

    /// <summary>Opens what is configured; null, and the mistake, if a port is not to be had.</summary>
    public static async Task<(RadiusDoor? Door, string Mistake)> OpenAsync(UsersSettings settings, string name, UserDirectory users, ChannelWriter<SessionInput> loop, Action<string, string> log)
    {
        var door = new RadiusDoor(settings.Changes is not { } changes ? null : new DynamicAuthorisation(new DynamicAuthorisationSettings
        {
            Servers = changes.Clients.ToDictionary(c => c.Address, c => new RadiusSecret(c.Secret)),
            NasIdentifier = name,
            NasAddress = changes.NasAddress,
            RequiresEventTimestamp = changes.RequireTimestamp,
        }));
        var listen = settings.Changes?.Listen;
        try
        {
            if (door._checker is not null)
            {
                door._changes = new DynamicAuthorisationServer(door._checker, listen!, new RadiusChanges(users, loop, log), trouble: text => log("error", $"RADIUS changes: {text}"));
                log("info", $"RADIUS servers may change sessions at {door._changes.EndPoint}");
            }

            listen = settings.Proxy?.Listen;
            if (settings.Proxy is { } proxy)
            {
                var served = new RadiusProxySettings
                {
                    Listen = proxy.Listen, Clients = proxy.Clients.ToDictionary(c => c.Address, c => new RadiusProxyClient(c.Node, new RadiusSecret(c.Secret))), IsKeyed = proxy.RequireKey,
                };
                door._proxy = new RadiusProxy(served, users.Radius, users.TakeAsync, trouble: text => log("error", $"RADIUS proxy: {text}"));
                log("info", $"access points may ask by RADIUS at {door._proxy.EndPoint}");
            }

            return (door, string.Empty);
        }
        catch (SocketException e)
        {
            await door.DisposeAsync().ConfigureAwait(false);
            return (null, $"cannot listen for RADIUS on {listen}: {e.Message}");
        }
    }

    /// <summary>What has come and what became of it.</summary>
    public void Measure(MetricsSnapshot metrics)
    {
        if (_changes is not null || _proxy is not null)
        {
            metrics.Counter("masq_radius_faults_total", "Datagrams of RADIUS that were lost to something that nobody had foreseen; the log says what.", (_changes?.Faults ?? 0) + (_proxy?.Faults ?? 0));
        }

        if (_checker is not null)
        {
            metrics.Counter("masq_radius_changes_total", "Disconnect- and CoA-Requests, by what became of them.", "result", Enum.GetValues<DynamicCount>().Select(c => (MetricsSnapshot.LabelOf(c), (double)_checker[c])));
        }

        if (_proxy is not null)
        {
            metrics.Counter("masq_radius_proxy_total", "What the RADIUS proxy has done and dropped.", "result", Enum.GetValues<RadiusProxyCount>().Select(c => (MetricsSnapshot.LabelOf(c), (double)_proxy[c])));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_changes is not null)
        {
            await _changes.DisposeAsync().ConfigureAwait(false);
        }

        if (_proxy is not null)
        {
            await _proxy.DisposeAsync().ConfigureAwait(false);
        }
    }
}
