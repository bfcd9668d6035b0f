using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>The log of mappings of agents that are processes of their own, one of which is killed (SIGKILL) in the midst of its work.</summary>
public sealed class MappingLogTests(ITestOutputHelper output)
{
    private const int Ports = 60;

    [Fact]
    [Trait("Req", "N-12")]
    public void An_agent_that_is_killed_and_started_again_has_every_mapping_in_its_log_once()
    {
        using var site = LabSite.WithTakeover(sharedLink: true, new DemoOptions { MappingLog = TimeSpan.FromMinutes(2) });
        using var seen = new Correspondent(site);
        site.Move(0, 0);
        site.Move(1, 0);
        seen.AskFrom(0, 30_000, site);
        seen.AskFrom(1, 30_000, site);

        // One client goes; the other is there when its access point dies.
        site.Move(0, 1);
        var known = seen.Endpoints;
        site.WaitFor(() => Entries(site, 0).Select(e => e.Endpoint).ToHashSet().IsSupersetOf(known), "mappings are missing in the journal", TimeSpan.FromSeconds(30));

        using var stop = new CancellationTokenSource();
        var asking = new Thread(() => seen.GoOn(1, 40_000, site, stop.Token)) { IsBackground = true };
        asking.Start();
        Thread.Sleep(200);
        site.Network!.Kill(0);
        stop.Cancel();
        asking.Join();
        site.WaitFor(() => Elsewhere().IsSupersetOf(known), "nobody has taken the mappings over", TimeSpan.FromSeconds(30));
        site.Network.Restart(0, CancellationToken.None);
        site.WaitFor(() => !Elsewhere().Overlaps(known), "the mappings are not given back", TimeSpan.FromSeconds(30));

        // They are in the log of the node that died again: still, not anew.
        var all = Enumerable.Range(0, LabTopology.AccessPointCount).SelectMany(k => Entries(site, k)).ToList();
        output.WriteLine($"{known.Count} mappings were seen before, {all.Count} are in the logs: {string.Join(", ", all.CountBy(e => e.State).Select(c => $"{c.Value} {c.Key}"))}");
        Assert.Equal(all.Count, all.DistinctBy(e => (e.Endpoint, e.Client, e.Start)).Count());
        Assert.True(all.Select(e => e.Endpoint).ToHashSet().IsSupersetOf(known), "a mapping is in no log");
        Assert.True(known.Count > Ports, $"only {known.Count} mappings were seen");

        HashSet<string> Elsewhere() => [.. Entries(site, 1).Concat(Entries(site, 2)).Select(e => e.Endpoint)];
    }

    /// <summary>The mappings that an access point's log says have ended, and those that its journal says live.</summary>
    private static List<(string Endpoint, string Client, string Start, string State)> Entries(LabSite site, int accessPoint)
    {
        var file = site.Network!.MappingLogOf(accessPoint);
        var live = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var line in Lines(file + ".live"))
        {
            switch (line.GetProperty("record").GetString())
            {
                case "live":
                    live[EndpointOf(line)] = line;
                    break;
                case "gone":
                    live.Remove(EndpointOf(line));
                    break;
            }
        }

        return [.. Lines(file).Where(l => l.GetProperty("record").GetString() is "mapping").Concat(live.Values)
            .Select(l => (EndpointOf(l), l.GetProperty("client").GetString()!, l.GetProperty("start").GetString()!, l.TryGetProperty("reason", out var reason) ? reason.GetString()! : "live"))];
    }

    private static string EndpointOf(JsonElement line) => $"{line.GetProperty("address").GetString()}:{line.GetProperty("port").GetInt32()}";

    /// <summary>Whole lines: the last one of an agent that died may not be, and one that lives may be writing.</summary>
    private static IEnumerable<JsonElement> Lines(string path)
    {
        if (!File.Exists(path))
        {
            yield break;
        }

        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(file, Encoding.UTF8);
        foreach (var line in reader.ReadToEnd().Split('\n'))
        {
            if (line.EndsWith('}'))
            {
                using var document = JsonDocument.Parse(line);
                yield return document.RootElement.Clone();
            }
        }
    }

    /// <summary>A server that notes who sends it datagrams.</summary>
    private sealed class Correspondent : IDisposable
    {
        private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
        private readonly Socket _socket;
        private readonly IPEndPoint _endpoint;
        private readonly Thread _thread;
        private volatile bool _isOver;

        public Correspondent(LabSite site)
        {
            _endpoint = site.Server(ipv6: false);
            _socket = TcpSessionTests.In(site.Topology.Server, () => PolicyTests.Datagrams(_endpoint));
            _socket.ReceiveTimeout = 100;
            _thread = new Thread(Receive) { IsBackground = true };
            _thread.Start();
        }

        public HashSet<string> Endpoints
        {
            get
            {
                lock (_seen)
                {
                    return [.. _seen];
                }
            }
        }

        /// <summary>A client opens so many mappings; datagrams that a kernel loses are sent again.</summary>
        public void AskFrom(int client, int firstPort, LabSite site)
        {
            var before = Endpoints.Count;
            for (var attempt = 0; attempt < 50 && Endpoints.Count < before + Ports; attempt++)
            {
                for (var i = 0; i < Ports; i++)
                {
                    Ask(client, firstPort + i, site);
                }

                Thread.Sleep(200);
            }
        }

        /// <summary>A client opens one mapping after the other.</summary>
        public void GoOn(int client, int firstPort, LabSite site, CancellationToken stop)
        {
            for (var port = firstPort; !stop.IsCancellationRequested && port < firstPort + 2_000; port++)
            {
                Ask(client, port, site);
                Thread.Sleep(1);
            }
        }

        public void Dispose()
        {
            _isOver = true;
            _thread.Join();
            _socket.Dispose();
        }

        private void Ask(int client, int port, LabSite site)
        {
            using var socket = TcpSessionTests.In(site.Topology.Clients[client], () => PolicyTests.Datagrams(new IPEndPoint(LabTopology.ClientAddress(client), port)));
            try
            {
                socket.SendTo("?"u8, _endpoint);
            }
            catch (SocketException)
            {
                // The link is down just now.
            }
        }

        private void Receive()
        {
            var buffer = new byte[9];
            while (!_isOver)
            {
                EndPoint from = new IPEndPoint(IPAddress.Any, 0);
                try
                {
                    _socket.ReceiveFrom(buffer, ref from);
                }
                catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock or SocketError.ConnectionRefused)
                {
                    continue;
                }

                lock (_seen)
                {
                    _seen.Add(from.ToString()!);
                }
            }
        }
    }
}
