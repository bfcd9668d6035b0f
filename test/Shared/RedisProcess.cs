using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Scenario;

namespace Masquerade.Testing;

/// <summary>A real redis-server on a loopback port of its own, with the commands that tests break it by.</summary>
public sealed class RedisProcess : IDisposable
{
    private readonly RedisServer _server;

    /// <summary>Starts it and waits until it answers.</summary>
    /// <param name="arguments">More of them; <c>{port}</c> stands for the port.</param>
    public RedisProcess(params string[] arguments)
    {
        var port = FreePort();
        _server = new RedisServer(
            networkNamespace: null,
            new IPEndPoint(IPAddress.Loopback, port),
            ["--enable-debug-command", "yes", .. arguments.Select(a => a.Replace("{port}", port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))]);
    }

    /// <summary>The port it listens to.</summary>
    public int Port => EndPoint.Port;

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => _server.EndPoint;

    /// <summary>A port that is free now, and with it the one 10,000 above, which a cluster uses.</summary>
    public static int FreePort()
    {
        while (true)
        {
            using var low = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            low.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            var port = ((IPEndPoint)low.LocalEndPoint!).Port;
            try
            {
                using var high = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                high.Bind(new IPEndPoint(IPAddress.Loopback, port < 55_000 ? port + 10_000 : port - 10_000));
                if (port < 55_000)
                {
                    return port;
                }
            }
            catch (SocketException)
            {
                // Try another one.
            }
        }
    }

    /// <summary>Starts it anew on the same port, and waits until it answers.</summary>
    public void Start() => _server.Start();

    /// <summary>SIGKILL.</summary>
    public void Kill() => _server.Kill();

    /// <summary>Runs one command and gives back the answer as text; elements of arrays are separated by spaces.</summary>
    public string Command(params string[] words) => _server.Command(words);

    /// <summary>Ends it and removes its directory.</summary>
    public void Dispose() => _server.Dispose();
}
