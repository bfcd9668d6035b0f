using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>A real masq-coordinator process over a Redis, ended by its process id.</summary>
internal sealed class CoordinatorProcess : IDisposable
{
    private readonly string _config = Path.GetTempFileName();
    private readonly SharedText _log = new();
    private Process? _process;

    public CoordinatorProcess(string name, IEnumerable<IPEndPoint> redis, string extra = "")
    {
        EndPoint = new IPEndPoint(IPAddress.Loopback, RedisProcess.FreePort());
        var servers = string.Join(", ", redis.Select(r => $"\"{r}\""));
        File.WriteAllText(_config, $$"""{ "name": "{{name}}", "listen": "{{EndPoint}}", "store": { "redis": { "servers": [{{servers}}]{{extra}} } } }""");
        Start();
    }

    public IPEndPoint EndPoint { get; }

    public string Log => _log.ToString();

    public void Start()
    {
        var info = new ProcessStartInfo("dotnet") { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true };
        info.ArgumentList.Add(SourceTree.Program("RoamingCoordinator/Server", "masq-coordinator"));
        info.ArgumentList.Add("--config");
        info.ArgumentList.Add(_config);
        _process = Process.Start(info)!;
        _process.ErrorDataReceived += (_, line) => _log.WriteLine(line.Data);
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
    }

    public async Task WaitAsync()
    {
        for (var i = 0; i < 600; i++)
        {
            try
            {
                using var probe = new TcpClient();
                await probe.ConnectAsync(EndPoint);
                return;
            }
            catch (SocketException)
            {
                Assert.False(_process!.HasExited, $"masq-coordinator does not start: {Log}");
                await Task.Delay(50);
            }
        }

        Assert.Fail($"masq-coordinator does not listen: {Log}");
    }

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process?.Dispose();
        _process = null;
    }

    public void Dispose()
    {
        Kill();
        File.Delete(_config);
    }
}
