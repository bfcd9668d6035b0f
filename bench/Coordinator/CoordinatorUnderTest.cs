using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Masquerade.Lab.FreeRadius;
using Masquerade.Lab.Scenario;

namespace Masquerade.Bench.Coordinator;

/// <summary>A real masq-coordinator process, over a real redis-server if that is its store. Both are ended by their process ids.</summary>
internal sealed class CoordinatorUnderTest : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("masq-bench-").FullName;
    private readonly Process _process;

    /// <summary>Starts them and waits until the coordinator takes connections.</summary>
    /// <param name="machine">Which core is whose.</param>
    /// <param name="overRedis">Whether the store is a Redis, or the coordinator's memory.</param>
    /// <param name="radius">The server that knows the users; null: there are none.</param>
    /// <param name="core">The coordinator's core; null: that of the servers.</param>
    public CoordinatorUnderTest(Machine machine, bool overRedis, FreeRadiusProcess? radius = null, int? core = null)
    {
        try
        {
            Redis = overRedis ? new RedisServer(networkNamespace: null, new IPEndPoint(IPAddress.Loopback, Machine.FreePort()), []) : null;
            RedisProcess = overRedis ? int.Parse(RedisInfo("server", "process_id"), CultureInfo.InvariantCulture) : 0;
            if (overRedis)
            {
                Machine.Pin(RedisProcess, machine.ServerCore);
            }

            EndPoint = new IPEndPoint(IPAddress.Loopback, Machine.FreePort());
            var config = Path.Combine(_directory, "coordinator.json");
            File.WriteAllText(config, Config(radius));

            // The shell gives its process id on to the program; the log goes where a service manager would put it, to a file.
            _process = Machine.Start(["sh", "-c", "exec \"$@\" 2>\"$0\"", LogFile, .. Machine.On(core ?? machine.ServerCore, "dotnet", Program(), "--config", config)]);
            Wait();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public IPEndPoint EndPoint { get; } = new(IPAddress.Loopback, 0);

    /// <summary>The store; null if it is in memory.</summary>
    public RedisServer? Redis { get; }

    public int ProcessId => _process.Id;

    /// <summary>The redis-server's process id; 0 without one.</summary>
    public int RedisProcess { get; }

    private string LogFile => Path.Combine(_directory, "log");

    /// <summary>A figure of Redis's INFO.</summary>
    public string RedisInfo(string section, string key)
    {
        var line = Redis!.Command("INFO", section).Split('\n', StringSplitOptions.TrimEntries).FirstOrDefault(l => l.StartsWith(key + ":", StringComparison.Ordinal));
        return line?[(key.Length + 1)..] ?? throw new BenchException($"Redis does not tell its {key}");
    }

    public long RedisUsedBytes() => long.Parse(RedisInfo("memory", "used_memory"), CultureInfo.InvariantCulture);

    public void Dispose()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process?.Dispose();
        Redis?.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private static string Program()
    {
        // bench/bin/<configuration>/<framework>: the same below the program's folder.
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
        var root = own.Parent!.Parent!.Parent!.Parent!.FullName;
        var path = Path.Combine(root, "RoamingCoordinator", "Server", "bin", own.Parent.Name, own.Name, "masq-coordinator.dll");
        return File.Exists(path) ? path : throw new BenchException($"{path} is missing: it is built with the benchmarks");
    }

    /// <summary>
    /// As operators run it, its API included. Heartbeats are made so rare that the load, which plays only what is measured, can leave them out.
    /// </summary>
    private string Config(FreeRadiusProcess? radius)
    {
        var store = Redis is null ? "\"memory\"" : $$"""{ "redis": { "servers": ["{{Redis.EndPoint}}"] } }""";
        return $$"""
            {
              "name": "bench", "listen": "{{EndPoint}}", "store": {{store}}, "api": { "listen": "127.0.0.1:{{Machine.FreePort()}}" },
              "roaming": { "heartbeatMilliseconds": 60000, "sessionTimeoutMilliseconds": 600000, "maxMappingsPerClient": 65536 }{{(radius is null ? string.Empty : Users(radius))}}
            }
            """;
    }

    private string Users(FreeRadiusProcess radius)
    {
        var (secret, siteKeys) = (Path.Combine(_directory, "radius.secret"), Path.Combine(_directory, "site.keys"));
        File.WriteAllText(secret, radius.Secret);
        File.WriteAllText(siteKeys, $"1 {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32))}\n");
        return $$""", "users": { "radius": [{ "server": "{{radius.AuthEndPoint}}", "secretFile": "{{secret}}" }], "siteKeyFile": "{{siteKeys}}" }""";
    }

    private void Wait()
    {
        for (var i = 0; i < 600; i++)
        {
            try
            {
                using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                probe.Connect(EndPoint);
                return;
            }
            catch (SocketException)
            {
                if (_process.HasExited)
                {
                    break;
                }

                Thread.Sleep(50);
            }
        }

        throw new BenchException($"masq-coordinator does not start: {File.ReadAllText(LogFile)}");
    }
}
