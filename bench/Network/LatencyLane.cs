using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Network;

/// <summary>How long a datagram takes there and back through the agent and through the kernel, beside a tenth of the load that the kernel takes (row 7d).</summary>
internal static class LatencyLane
{
    private const int Port = 7_200;
    private const int Background = 50_000;
    private const int BackgroundFlows = 1_000;

    public static IEnumerable<Result> Run(NetworkOptions options, RouterSite agent, RouterSite kernel)
    {
        var samples = options.IsQuick ? 2_000 : 5_000;
        List<double>[] middles = [[], []], tails = [[], []];
        for (var pair = -1; pair < options.Pairs; pair++)
        {
            foreach (var site in (RouterSite[])[agent, kernel])
            {
                options.Cancel.ThrowIfCancellationRequested();
                var times = Measure(site, samples);
                if (pair >= 0)
                {
                    middles[site == agent ? 0 : 1].Add(Statistics.Median(times));
                    tails[site == agent ? 0 : 1].Add(Statistics.Quantile(times, 0.999));
                }
            }
        }

        var note = string.Create(CultureInfo.InvariantCulture, $"{samples:#,0} round trips each, {Background:#,0} other datagrams a second");
        var middle = new Result("network", "datagram there and back, median" + agent.How, "µs", [.. middles[0]], kernel.Name, [.. middles[1]]) { Row = "7d", Note = note };
        yield return middle with { Goal = "row 7d: at most 1.3 times the kernel's", IsMet = middle.Ratio <= 1.3 };
        var tail = new Result("network", "datagram there and back, 99.9th percentile" + agent.How, "µs", [.. tails[0]], kernel.Name, [.. tails[1]]) { Row = "7d", Note = note };
        yield return tail with { Goal = "row 7d: at most 1.5 times the kernel's", IsMet = tail.Ratio <= 1.5 };
    }

    private static double[] Measure(RouterSite site, int samples)
    {
        var times = new double[samples];
        using var enough = new CancellationTokenSource();
        using var load = new FrameLoad(site, BackgroundFlows, new SeededRandom(1));
        load.Pace(BackgroundFlows, 4_000, CancellationToken.None);
        using var server = site.Server.Invoke(() => RouterSite.Bound(new IPEndPoint(IPAddress.Parse(RouterSite.ServerAddress), Port)));
        using var client = site.Clients.Invoke(() => RouterSite.Bound(new IPEndPoint(IPAddress.Any, 0)));
        client.Connect(new IPEndPoint(IPAddress.Parse(RouterSite.ServerAddress), Port));
        client.ReceiveTimeout = 2_000;
        var echo = new Thread(() => Echo(server)) { IsBackground = true };
        var others = new Thread(() => load.Pace(long.MaxValue, Background, enough.Token)) { IsBackground = true };
        echo.Start();
        others.Start();
        var buffer = new byte[64];
        try
        {
            for (var i = -100; i < samples; i++)
            {
                var began = Stopwatch.GetTimestamp();
                client.Send(buffer);
                if (client.Receive(buffer) != buffer.Length)
                {
                    throw new BenchException($"{site.Name}: another answer than was sent");
                }

                if (i >= 0)
                {
                    times[i] = Stopwatch.GetElapsedTime(began).TotalMicroseconds;
                }
            }
        }
        catch (SocketException e)
        {
            throw new BenchException($"{site.Name}: no answer to a datagram: {e.Message}", e);
        }
        finally
        {
            enough.Cancel();
            others.Join();
            server.Close();
        }

        return times;
    }

    private static void Echo(Socket server)
    {
        Span<byte> buffer = stackalloc byte[64];
        var from = new SocketAddress(AddressFamily.InterNetwork);
        try
        {
            while (true)
            {
                var length = server.ReceiveFrom(buffer, SocketFlags.None, from);
                server.SendTo(buffer[..length], SocketFlags.None, from);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed: enough.
        }
    }
}
