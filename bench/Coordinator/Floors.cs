using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Masquerade.Lab.Scenario;
using Masquerade.RoamingCoordinator.Redis;

namespace Masquerade.Bench.Coordinator;

/// <summary>
/// The floors: the same octets back and forth with nothing in between, and Redis with the same commands and nothing around it. They run from the core of the load to the core
/// of the servers, like what is measured.
/// </summary>
internal sealed class Floors : IDisposable
{
    /// <summary>Keys among which redis-benchmark draws.</summary>
    private const int Keys = 2_000;

    private const int FrameBytes = 128;

    private readonly Machine _machine;
    private readonly Process _echo;
    private readonly IPEndPoint _tcp;
    private readonly IPEndPoint _udp;

    public Floors(Machine machine)
    {
        _machine = machine;
        _echo = Machine.Start(Machine.On(machine.ServerCore, "dotnet", typeof(Floors).Assembly.Location, EchoCommand));
        var ports = (_echo.StandardOutput.ReadLine() ?? throw new BenchException("the echo server does not start")).Split(' ');
        _tcp = new IPEndPoint(IPAddress.Loopback, int.Parse(ports[0], CultureInfo.InvariantCulture));
        _udp = new IPEndPoint(IPAddress.Loopback, int.Parse(ports[1], CultureInfo.InvariantCulture));
    }

    /// <summary>The benchmark program's own argument for the echo server.</summary>
    public const string EchoCommand = "coordinator-echo";

    public void Dispose()
    {
        _echo.StandardInput.Close();
        if (!_echo.WaitForExit(5_000))
        {
            _echo.Kill();
        }

        _echo.Dispose();
    }

    /// <summary>A bare TCP round trip, median in microseconds.</summary>
    public double TcpRoundTrip(int count) => RoundTrip(_tcp, ProtocolType.Tcp, new byte[FrameBytes], FrameBytes, count);

    /// <summary>A bare UDP round trip, median in microseconds.</summary>
    public double UdpRoundTrip(int count) => RoundTrip(_udp, ProtocolType.Udp, new byte[FrameBytes], FrameBytes, count);

    /// <summary>Frames per second there and back on a number of connections, with so many under way on each.</summary>
    public double TcpFrames(int connections, int inFlightEach, int count)
    {
        var each = count / connections;
        var sockets = Enumerable.Range(0, connections).Select(_ => Connect(_tcp, ProtocolType.Tcp)).ToArray();
        var frames = new byte[FrameBytes * inFlightEach];
        var buffer = new byte[64 * 1024];
        var left = sockets.ToDictionary(s => s, _ => (Send: (each - inFlightEach) * FrameBytes, Receive: each * FrameBytes));
        var began = Stopwatch.GetTimestamp();
        foreach (var socket in sockets)
        {
            socket.Send(frames);
        }

        var readable = new List<Socket>();
        while (left.Count > 0)
        {
            readable.Clear();
            readable.AddRange(left.Keys);
            Socket.Select(readable, null, null, 5_000_000);
            foreach (var socket in readable)
            {
                var read = socket.Receive(buffer);
                var (toSend, toReceive) = left[socket];
                var more = Math.Min(read, toSend);
                if (more > 0)
                {
                    socket.Send(buffer.AsSpan(0, more));
                }

                left[socket] = (toSend - more, toReceive - read);
                if (read == 0 || toReceive <= read)
                {
                    left.Remove(socket);
                }
            }
        }

        var rate = each * connections / Stopwatch.GetElapsedTime(began).TotalSeconds;
        foreach (var socket in sockets)
        {
            socket.Dispose();
        }

        return rate;
    }

    /// <summary>One EVALSHA of the script that sets a record and nothing else under way, median in microseconds.</summary>
    public static double RedisRoundTrip(RedisServer redis, int recordBytes, int count)
    {
        var record = Record(recordBytes);
        Fill(redis, record);
        string[] words = ["EVALSHA", Load(redis, "set"), "1", KeyOf(7), Version, record, Lease];
        var request = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"*{words.Length}\r\n"));
        foreach (var word in words)
        {
            request.Append(CultureInfo.InvariantCulture, $"${word.Length}\r\n{word}\r\n");
        }

        const int AnswerBytes = 4; // ":1\r\n"
        return RoundTrip(redis.EndPoint, ProtocolType.Tcp, Encoding.ASCII.GetBytes(request.ToString()), AnswerBytes, count);
    }

    /// <summary>What Redis does per second of what one operation of the coordinator takes: so many reads, claims and sets of a record of this size.</summary>
    public RedisRates Redis(RedisServer redis, int recordBytes, int inFlight, int count)
    {
        var record = Record(recordBytes);
        Fill(redis, record);
        const string Any = "bench:c:{__rand_int__}";
        return new RedisRates(
            Rate(redis, inFlight, count, "GET", Any),
            Rate(redis, inFlight, count, "EVALSHA", Load(redis, "claim"), "1", "bench:e:{__rand_int__}", "clientTICK", Lease, "x"),
            Rate(redis, inFlight, count, "EVALSHA", Load(redis, "set"), "1", Any, Version, record, Lease));
    }

    /// <summary>Octets of one hash with two fields per connection, the plain way to keep them. Everything else in that Redis is removed.</summary>
    public static double HashBytes(RedisServer redis, int count)
    {
        long Used() => long.Parse(
            redis.Command("INFO", "memory").Split('\n', StringSplitOptions.TrimEntries).First(l => l.StartsWith("used_memory:", StringComparison.Ordinal))["used_memory:".Length..],
            CultureInfo.InvariantCulture);
        redis.Command("FLUSHALL");
        var before = Used();
        redis.Command(
            "EVAL", "for i = 1, tonumber(ARGV[1]) do redis.call('HSET', 'bench:h:' .. i, 'ham', 'ap' .. (i % 16), 'fam', '10.1.' .. (i % 250) .. '.1:' .. (i % 60000)) end return 1",
            "0", count.ToString(CultureInfo.InvariantCulture));
        return (Used() - before) / (double)count;
    }

    /// <summary>Removes what floors have left in Redis.</summary>
    public static void Clear(RedisServer redis) => redis.Command(
        "EVAL", "local keys = redis.call('KEYS', 'bench:*') for i = 1, #keys do redis.call('DEL', keys[i]) end return #keys", "0");

    private const string Lease = "3600000";

    /// <summary>Eight octets that can be written in a command line.</summary>
    private const string Version = "VERSION1";

    private static string Record(int bytes) => Version + new string('r', Math.Max(1, bytes - Version.Length));

    private static string KeyOf(int number) => string.Create(CultureInfo.InvariantCulture, $"bench:c:{{{number:d12}}}");

    private static void Fill(RedisServer redis, string record) => redis.Command(
        "EVAL", "for i = 0, tonumber(ARGV[1]) - 1 do redis.call('SET', string.format('bench:c:{%012d}', i), ARGV[2]) end return 1",
        "0", Keys.ToString(CultureInfo.InvariantCulture), record);

    /// <summary>A script of the product, loaded.</summary>
    private static string Load(RedisServer redis, string name)
    {
        using var stream = typeof(RedisClientStore).Assembly.GetManifestResourceStream($"{name}.lua") ?? throw new BenchException($"there is no script {name}");
        using var reader = new StreamReader(stream);
        return redis.Command("SCRIPT", "LOAD", reader.ReadToEnd());
    }

    private double Rate(RedisServer redis, int inFlight, int count, params string[] command)
    {
        const int Connections = 16;
        string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
        var text = Machine.Run(Machine.On(
            _machine.LoadCore,
            ["redis-benchmark", "-p", Text(redis.EndPoint.Port), "-c", Text(Connections), "-P", Text(inFlight / Connections), "-n", Text(count), "-r", Text(Keys), "--csv", .. command]));

        // A head line, then a line: the command (which may hold commas) and the rate, both quoted, and latencies.
        var line = text.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1];
        var fields = line.Split("\",\"");
        return double.TryParse(fields[1].Trim('"'), CultureInfo.InvariantCulture, out var rate) ? rate : throw new BenchException($"redis-benchmark says: {text}");
    }

    private static double RoundTrip(IPEndPoint to, ProtocolType protocol, byte[] request, int answer, int count)
    {
        using var socket = Connect(to, protocol);
        var buffer = new byte[Math.Max(answer, request.Length)];
        var times = new double[count];
        for (var i = -count / 10; i < count; i++)
        {
            var began = Stopwatch.GetTimestamp();
            socket.Send(request);
            for (var got = 0; got < answer;)
            {
                var read = socket.Receive(buffer);
                got += read > 0 ? read : throw new BenchException("the floor's server has gone");
            }

            if (i >= 0)
            {
                times[i] = Stopwatch.GetElapsedTime(began).TotalMicroseconds;
            }
        }

        return Statistics.Median(times);
    }

    private static Socket Connect(IPEndPoint to, ProtocolType protocol)
    {
        var socket = new Socket(to.AddressFamily, protocol == ProtocolType.Tcp ? SocketType.Stream : SocketType.Dgram, protocol) { ReceiveTimeout = 5_000 };
        if (protocol == ProtocolType.Tcp)
        {
            socket.NoDelay = true;
        }

        socket.Connect(to);
        return socket;
    }
}

/// <summary>Commands per second, each kind by itself.</summary>
internal readonly record struct RedisRates(double Get, double Claim, double Set)
{
    /// <summary>Operations per second that take so many of each.</summary>
    public double Mix(double gets, double claims, double sets) => 1 / ((gets / Get) + (claims / Claim) + (sets / Set));
}
