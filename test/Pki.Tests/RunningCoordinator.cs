using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;
using Masquerade.Pki.Channel;
using Masquerade.RoamingCoordinator.Server;

namespace Masquerade.Pki.Tests;

/// <summary>The coordinator's server on a free loopback port.</summary>
internal sealed class RunningCoordinator : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly SharedText _log = new();
    private readonly string _status = Path.Combine(Path.GetTempPath(), $"masq-pki-{Environment.ProcessId}-{Guid.NewGuid().ToString("N")[..8]}.sock");
    private Task<int> _running = Task.FromResult(0);

    public IPEndPoint Address { get; } = Loopback.FreeEndPoint();

    public string Log => _log.ToString();

    /// <summary>Starts it; without files it speaks plain text.</summary>
    public static async Task<RunningCoordinator> StartAsync(
        CredentialFiles? files, string certified = "c1", string? called = null, Func<TlsSettings, TlsSettings>? adjust = null, SiteRole role = SiteRole.Coordinator)
    {
        var coordinator = new RunningCoordinator();
        var tls = files is null ? null : new TlsSettings
        {
            Files = new TlsFiles(files.Authorities, files.Certificate, files.Key, files.Lists),
            ReloadInterval = TimeSpan.FromMilliseconds(100),
        };
        tls = tls is null || adjust is null ? tls : adjust(tls);
        CredentialStore? store = null;
        if (files is not null)
        {
            store = CredentialStore.Open(files, new SiteIdentity(role, new NodeId(certified)), TimeSpan.FromDays(30), TimeProvider.System, out var problems);
            Assert.Empty(problems);
        }

        var text = $$"""{ "name": "{{called ?? certified}}", "listen": "{{coordinator.Address}}", "statusSocket": "{{coordinator._status}}", "maxSessions": 100 }""";
        var config = ServerConfig.Read(Encoding.UTF8.GetBytes(text), out var mistakes);
        Assert.Empty(mistakes);
        config = config! with { Tls = tls, Credentials = store };
        coordinator._running = Task.Run(() => CoordinatorServer.RunAsync(config, new LineLog(coordinator._log), coordinator._stop.Token));
        await coordinator.LoggedAsync("listens on");
        return coordinator;
    }

    /// <summary>Waits until a text stands in the log.</summary>
    public Task LoggedAsync(string text) => Wait.ForAsync(() => Log.Contains(text, StringComparison.Ordinal), () => $"the coordinator's log has no \"{text}\":\n{Log}");

    /// <summary>The state document's part about security.</summary>
    public async Task<JsonElement> SecurityAsync()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await Wait.ForAsync(() => File.Exists(_status), () => "no status socket");
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(_status));
        using var document = await JsonDocument.ParseAsync(new NetworkStream(socket));
        return document.RootElement.GetProperty("security").Clone();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Assert.Equal(0, await _running.WaitAsync(TimeSpan.FromSeconds(20)));
        _stop.Dispose();
    }
}
