using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>Address-and-port-dependent mapping (decision 27): an address has room for more connections than it has ports, at the HAM and at the FAM.</summary>
[Trait("Req", "N-01")]
[Trait("Rfc", "7857 section 3")]
public sealed class DensityTests(ITestOutputHelper output)
{
    private const int Ports = 8;
    private const int Servers = 40;

    [Fact]
    public void More_connections_than_there_are_ports_live_through_a_walk()
    {
        using var site = new LabSite(_ => new DemoOptions
        {
            Ports = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["first"] = "40000", ["last"] = $"{40_000 + Ports - 1}", ["mapping"] = "\"addressAndPortDependent\"",
            },
        });
        site.Move(0, 0);
        site.Move(1, 0);
        var watched = site.Open("watched", 0, ipv6: false);
        var endpoints = Enumerable.Range(0, Servers).Select(_ => site.Server(ipv6: false)).ToList();
        var sockets = endpoints.ConvertAll(e => TcpSessionTests.In(site.Topology.Server, () => PolicyTests.Datagrams(e)));
        try
        {
            var clients = Enumerable.Range(0, 2).Select(c => TcpSessionTests.In(site.Topology.Clients[c], () => PolicyTests.Datagrams(new IPEndPoint(LabTopology.ClientAddress(c), 5_000)))).ToList();
            sockets.AddRange(clients);
            var seen = Everybody();
            var each = seen.GroupBy(s => s.Client).Select(c => c.Select(s => s.Seen).Distinct().Count()).ToList();
            output.WriteLine($"{Servers} connections each by {string.Join(" and ", each)} ports");
            Assert.All(each, ports => Assert.InRange(ports, 1, Ports));

            // To the next one, where FAM endpoints are as few, and home again.
            foreach (var at in new[] { 1, 2, 0 })
            {
                site.Move(0, at);
                Assert.Equal(seen, Everybody());
                site.Progress($"at access point {at + 1}", TimeSpan.FromSeconds(15), watched);
            }

            List<(int Client, int Server, EndPoint Seen)> Everybody() =>
                [.. from c in Enumerable.Range(0, 2) from s in Enumerable.Range(0, Servers) select (c, s, Speak(clients[c], sockets[s], endpoints[s], [(byte)c, (byte)s]))];
        }
        finally
        {
            sockets.ForEach(s => s.Dispose());
        }
    }

    /// <summary>There and back, however often one of the two gets lost; tells where the server has seen the client.</summary>
    private static EndPoint Speak(Socket client, Socket server, IPEndPoint to, byte[] what)
    {
        var got = new byte[9];
        for (var begun = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(15);)
        {
            client.SendTo(what, to);
            EndPoint seen = new IPEndPoint(IPAddress.Any, 0);
            while (server.Poll(TimeSpan.FromMilliseconds(500), SelectMode.SelectRead))
            {
                var length = server.ReceiveFrom(got, ref seen);
                if (!got.AsSpan(0, length).SequenceEqual(what))
                {
                    continue;
                }

                server.SendTo(what, seen);
                while (client.Poll(TimeSpan.FromMilliseconds(500), SelectMode.SelectRead))
                {
                    if (got.AsSpan(0, client.Receive(got)).SequenceEqual(what))
                    {
                        return seen;
                    }
                }
            }
        }

        throw new TimeoutException($"nothing comes back from {to}");
    }
}
