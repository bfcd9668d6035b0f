using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Masquerade.Testing;

/// <summary>A real redis-server on a loopback port of its own, in a directory of its own; ended by its process id.</summary>
public sealed class RedisProcess : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("masq-redis-").FullName;
    private readonly List<string> _arguments;
    private Process? _process;

    /// <summary>Starts it and waits until it answers.</summary>
    /// <param name="arguments">More of them; <c>{port}</c> stands for the port.</param>
    public RedisProcess(params string[] arguments)
    {
        Port = FreePort();
        _arguments =
        [
            "--port", Text(Port), "--bind", "127.0.0.1", "--dir", _directory, "--save", string.Empty, "--appendonly", "no", "--logfile", "redis.log",
            "--enable-debug-command", "yes", .. arguments.Select(a => a.Replace("{port}", Text(Port), StringComparison.Ordinal)),
        ];
        Start();
    }

    /// <summary>The port it listens to.</summary>
    public int Port { get; }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => new(IPAddress.Loopback, Port);

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
    public void Start()
    {
        var info = new ProcessStartInfo("redis-server") { UseShellExecute = false, RedirectStandardOutput = true };
        foreach (var argument in _arguments)
        {
            info.ArgumentList.Add(argument);
        }

        _process = Process.Start(info)!;
        for (var i = 0; i < 500; i++)
        {
            try
            {
                if (Command("PING") is { } answer && (answer.Contains("PONG", StringComparison.Ordinal) || answer.Contains("NOAUTH", StringComparison.Ordinal)))
                {
                    return;
                }
            }
            catch (Exception e) when (e is SocketException or IOException)
            {
                Assert.False(_process.HasExited, $"redis-server does not start: {Log()}");
            }

            Thread.Sleep(20);
        }

        Assert.Fail($"redis-server does not answer: {Log()}");
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

    /// <summary>Runs one command and gives back the answer as text; elements of arrays are separated by spaces.</summary>
    public string Command(params string[] words)
    {
        using var client = new TcpClient();
        client.Connect(EndPoint);
        client.ReceiveTimeout = 10_000;
        var stream = client.GetStream();
        var request = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"*{words.Length}\r\n"));
        foreach (var word in words)
        {
            request.Append(CultureInfo.InvariantCulture, $"${Encoding.UTF8.GetByteCount(word)}\r\n{word}\r\n");
        }

        stream.Write(Encoding.UTF8.GetBytes(request.ToString()));
        using var reader = new StreamReader(stream, Encoding.Latin1);
        return ReadAnswer(reader);
    }

    /// <summary>Ends it and removes its directory.</summary>
    public void Dispose()
    {
        Kill();
        System.IO.Directory.Delete(_directory, recursive: true);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string ReadAnswer(StreamReader reader)
    {
        var line = reader.ReadLine() ?? throw new IOException("the connection is closed");
        if (line[0] == '$' && int.Parse(line.AsSpan(1), CultureInfo.InvariantCulture) is >= 0 and var length)
        {
            var buffer = new char[length + 2];
            reader.ReadBlock(buffer);
            return new string(buffer, 0, length);
        }

        if (line[0] == '*')
        {
            return string.Join(' ', Enumerable.Range(0, Math.Max(0, int.Parse(line.AsSpan(1), CultureInfo.InvariantCulture))).Select(_ => ReadAnswer(reader)));
        }

        return line[0] == '$' ? string.Empty : line[1..];
    }

    private string Log() => File.Exists(Path.Combine(_directory, "redis.log")) ? File.ReadAllText(Path.Combine(_directory, "redis.log")) : "no log";
}
