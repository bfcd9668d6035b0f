using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>A real redis-server in a directory of its own, without persistence; ended by its process id. For the demonstration and for tests.</summary>
public sealed class RedisServer : IDisposable
{
    private const int AnswerPatienceMilliseconds = 10_000;
    private readonly string _directory;
    private readonly NetNamespace? _namespace;
    private readonly string[] _arguments;
    private Process? _process;

    /// <summary>Starts it and waits until it answers.</summary>
    /// <param name="networkNamespace">Where it runs; null: on this machine's own network.</param>
    /// <param name="endpoint">Where it listens.</param>
    /// <param name="arguments">More of redis-server's arguments.</param>
    /// <param name="directory">Its directory, deleted at the end; null: one of its own.</param>
    /// <exception cref="LabException">It does not start.</exception>
    public RedisServer(NetNamespace? networkNamespace, IPEndPoint endpoint, IEnumerable<string> arguments, string? directory = null)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        _directory = directory ?? Directory.CreateTempSubdirectory("masq-redis-").FullName;
        Directory.CreateDirectory(_directory);
        _namespace = networkNamespace;
        EndPoint = endpoint;
        _arguments =
        [
            "--port", endpoint.Port.ToString(CultureInfo.InvariantCulture), "--bind", endpoint.Address.ToString(), "--dir", _directory,
            "--save", string.Empty, "--appendonly", "no", "--logfile", "redis.log", .. arguments,
        ];
        try
        {
            Start();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>A sentence if it has ended by itself, or null.</summary>
    public string? Failure => _process is { HasExited: true } ? $"redis-server ended by itself: {Log()}" : null;

    /// <summary>Starts it anew, empty, at the same place, and waits until it answers.</summary>
    /// <exception cref="LabException">It does not start.</exception>
    public void Start()
    {
        // In the laboratory every roam waits for it: it has the same priority as the programs of the product.
        var info = new ProcessStartInfo(_namespace is null ? "redis-server" : "nice") { UseShellExecute = false, RedirectStandardOutput = true };
        foreach (var argument in _namespace is null ? _arguments : (string[])["-n", "-10", "ip", "netns", "exec", _namespace.Name, "redis-server", .. _arguments])
        {
            info.ArgumentList.Add(argument);
        }

        try
        {
            _process = Process.Start(info) ?? throw new LabException("redis-server did not start");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new LabException($"redis-server could not be started: {e.Message}", e);
        }

        for (var i = 0; i < 500; i++)
        {
            try
            {
                var answer = Command("PING");
                if (answer.Contains("PONG", StringComparison.Ordinal) || answer.Contains("NOAUTH", StringComparison.Ordinal))
                {
                    return;
                }
            }
            catch (Exception e) when (e is SocketException or IOException)
            {
                if (_process.HasExited)
                {
                    throw new LabException($"redis-server does not start: {Log()}", e);
                }
            }

            Thread.Sleep(20);
        }

        throw new LabException($"redis-server does not answer: {Log()}");
    }

    /// <summary>Ends it where it stands (SIGKILL).</summary>
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
        ArgumentNullException.ThrowIfNull(words);
        using var client = Connect();
        client.ReceiveTimeout = AnswerPatienceMilliseconds;
        using var stream = new NetworkStream(client);
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
        if (Directory.Exists(_directory))
        {
            Directory.Delete(_directory, recursive: true);
        }
    }

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

    private Socket Connect()
    {
        Socket Make() => new(EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        var socket = _namespace is null ? Make() : _namespace.Invoke(Make);
        try
        {
            socket.Connect(EndPoint);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private string Log() => File.Exists(Path.Combine(_directory, "redis.log")) ? File.ReadAllText(Path.Combine(_directory, "redis.log")) : "no log";
}
