using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Masquerade.Bench.Network;

/// <summary>One TCP stream as fast as it goes, through the agent and through the kernel in turn; octets are counted by who receives them (row 7c).</summary>
internal static class BulkLane
{
    private const int Port = 7_100;
    private const int Chunk = 256 * 1024;
    private static readonly TimeSpan s_start = TimeSpan.FromMilliseconds(300);

    public static IEnumerable<Result> Run(NetworkOptions options, RouterSite agent, RouterSite kernel)
    {
        foreach (var isDownload in (bool[])[false, true])
        {
            var (ours, theirs, plain, shares) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
            for (var pair = -1; pair < options.Pairs; pair++)
            {
                options.Cancel.ThrowIfCancellationRequested();
                var (seconds, began) = (agent.AgentSeconds, Stopwatch.GetTimestamp());
                Keep(ours, Measure(agent, isDownload, options.Window), pair);
                Keep(shares, (agent.AgentSeconds - seconds) / Stopwatch.GetElapsedTime(began).TotalSeconds, pair);
                Keep(theirs, Measure(kernel, isDownload, options.Window), pair);
                if (isDownload && pair < Math.Min(options.Pairs, 5))
                {
                    agent.SetOffload(false);
                    Keep(plain, Measure(agent, isDownload, options.Window), pair);
                    agent.SetOffload(true);
                }
            }

            var lane = (isDownload ? "one TCP stream, download" : "one TCP stream, upload") + agent.How;
            var result = new Result("network", lane, "Gbit/s", [.. ours], kernel.Name, [.. theirs]) 
            {
                Row = "7c",
                Cpu = string.Create(CultureInfo.InvariantCulture, $"CPU: agent {Statistics.Median(shares) * 100:0} %"),
                Note = "nothing kept on a core but the access point",
            };
            yield return result with { Goal = "row 7c: at least 0.8 of the kernel's", IsMet = result.Ratio >= 0.8 };
            if (plain.Count > 0)
            {
                var gain = new Result("network", lane, "Gbit/s", [.. ours.Take(plain.Count)], "agent without super-packets", [.. plain]) { Row = "7c" };
                yield return gain with { Goal = "row 7c: at least 5 times the rate without super-packets", IsMet = gain.Ratio >= 5 };
            }
        }
    }

    private static void Keep(List<double> values, double value, int pair)
    {
        if (pair >= 0)
        {
            values.Add(value);
        }
    }

    /// <summary>Gbit/s of payload in the window, after the stream has got going.</summary>
    private static double Measure(RouterSite site, bool isDownload, TimeSpan window)
    {
        using var listener = site.Server.Invoke(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(new IPEndPoint(IPAddress.Parse(RouterSite.ServerAddress), Port));
            socket.Listen(1);
            return socket;
        });
        using var client = site.Clients.Invoke(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { SendTimeout = 5_000 };
            socket.Connect(new IPEndPoint(IPAddress.Parse(RouterSite.ServerAddress), Port));
            return socket;
        });
        using var server = listener.Accept();
        server.SendTimeout = 5_000;
        var (from, to) = isDownload ? (server, client) : (client, server);
        to.ReceiveTimeout = 5_000;
        var sender = new Thread(() => Send(from)) { IsBackground = true };
        sender.Start();
        var buffer = new byte[Chunk];
        var (octets, began) = (0L, Stopwatch.GetTimestamp());
        while (Stopwatch.GetElapsedTime(began) < s_start)
        {
            Receive();
        }

        (octets, began) = (0L, Stopwatch.GetTimestamp());
        while (Stopwatch.GetElapsedTime(began) < window)
        {
            Receive();
        }

        var rate = octets * 8 / Stopwatch.GetElapsedTime(began).TotalSeconds / 1e9;
        to.Close(0);
        sender.Join();
        return rate;

        void Receive()
        {
            try
            {
                var got = to.Receive(buffer);
                octets += got > 0 ? got : throw new BenchException($"{site.Name}: the stream ended");
            }
            catch (SocketException e)
            {
                throw new BenchException($"{site.Name}: the stream broke: {e.Message}", e);
            }
        }
    }

    private static void Send(Socket socket)
    {
        var chunk = new byte[Chunk];
        try
        {
            while (socket.Send(chunk) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // The receiver has had enough.
        }
    }
}
