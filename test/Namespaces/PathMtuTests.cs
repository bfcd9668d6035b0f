using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// Path MTU discovery and traceroute through the product, with real kernels at both ends and a small link wherever one can be: towards the server, between HAM and FAM, and towards the
/// client. The judges are <c>ping</c> and the kernels' own TCP and UDP.
/// </summary>
[Trait("Req", "N-04")]
[Trait("Req", "N-07")]
public sealed class PathMtuTests(ITestOutputHelper output)
{
    private const int Small = 1_340;

    /// <summary>Where the small link is.</summary>
    public enum Place
    {
        /// <summary>At the server, behind every access point.</summary>
        Server,

        /// <summary>At the FAM's uplink: between HAM and FAM, and between FAM and server.</summary>
        FamUplink,

        /// <summary>Between FAM and client.</summary>
        Client,
    }

    [Theory, Trait("Rfc", "4787 REQ-13"), Trait("Rfc", "5382 REQ-9"), Trait("Rfc", "5508 REQ-4")]
    [InlineData(Place.Server, false)]
    [InlineData(Place.Server, true)]
    [InlineData(Place.FamUplink, false)]
    [InlineData(Place.FamUplink, true)]
    [InlineData(Place.Client, false)]
    [InlineData(Place.Client, true)]
    public void Both_ends_find_out_what_the_path_carries_and_nothing_is_lost(Place place, bool ipv6)
    {
        using var site = new LabSite(_ => new DemoOptions(), topology => Shrink(topology, place));
        site.Move(0, 0);
        site.Move(1, 2);
        var server = ipv6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress;

        // At rest at the access point that is HAM and FAM: large packets in both directions.
        var up = site.Add(new BulkTransfer(site.Topology, 0, site.Server(ipv6), download: false, 8));
        var down = site.Add(new BulkTransfer(site.Topology, 0, site.Server(ipv6), download: true, 8));
        var flow = site.Open("conversation", 0, ipv6);
        using var datagrams = new Datagrams(site.Topology, site.Server(ipv6));
        WaitForBoth("at AP1", place == Place.Client ? Small : 1_500);

        // In a roam: HAM and FAM are two nodes from now on, with a small link between them in one of the cases.
        site.Move(0, 1);
        WaitForBoth("at AP2, with the HAM at AP1", place == Place.Server ? 1_500 : Small);
        Assert.Equal(0, LabTopology.AccessPointOf(flow.SeenByServer!.Address));

        // One octet more than the way to the server carries does not go, or goes in fragments of the way back that both HAM and FAM pass on.
        var header = ipv6 ? 48 : 28;
        Assert.Equal(0, Ping(site, server, Small - header).Code);
        var (code, said) = Ping(site, server, Small - header + 1);
        output.WriteLine(said);
        Assert.Equal(place == Place.FamUplink, code == 0);
        site.Move(0, 0);

        // The server's kernel remembers for ten minutes what it has been told (RFC 1191 section 6.3).
        WaitForBoth("back at AP1", place == Place.Server ? 1_500 : Small);
        Assert.True(up.Bytes > 0);
        site.Finish();

        void WaitForBoth(string where, int downwards)
        {
            var (before, sent) = (down.Bytes, up.Bytes);
            site.WaitFor(() => down.Bytes > before + 200_000 && up.Bytes > sent + 200_000, $"{where} large packets do not pass");
            site.Progress(where, TimeSpan.FromSeconds(10));
            var (toServer, toClient) = datagrams.Discover();
            output.WriteLine($"{where}: the largest datagrams that pass are {toServer} octets to the server and {toClient} to the client");
            Assert.Equal((place == Place.FamUplink ? 1_500 : Small, downwards), (toServer, toClient));
        }
    }

    /// <summary>Every router shows itself once, the access point as the gateway, and the server is where it is.</summary>
    [Theory, Trait("Rfc", "5508 REQ-10")]
    [InlineData(false)]
    [InlineData(true)]
    public void Traceroute_shows_every_router_once(bool ipv6)
    {
        using var site = new LabSite(_ => new DemoOptions());
        site.Move(0, 0);
        var server = ipv6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress;
        var flow = site.Open("conversation", 0, ipv6);
        foreach (var at in new[] { 0, 1 })
        {
            site.Move(0, at);
            site.Progress($"at AP{at + 1}", TimeSpan.FromSeconds(5));
            string[] wanted =
            [
                ipv6 ? OwnAddress(site, at, ipv6) : LabTopology.GatewayAddress.ToString(),
                ipv6 ? $"fd00:10:1:{at + 1}::1" : $"10.1.{at + 1}.1",
                server.ToString(),
            ];
            for (var hop = 1; hop <= wanted.Length; hop++)
            {
                var (_, said) = Run(site.Topology.Clients[0], "ping", ipv6 ? "-6" : "-4", "-c", "1", "-W", "2", "-t", hop.ToString(CultureInfo.InvariantCulture), server.ToString());
                output.WriteLine($"AP{at + 1}, hop {hop}: {said.Split('\n').FirstOrDefault(l => l.Contains("rom ", StringComparison.Ordinal))}");
                Assert.Matches($@"[Ff]rom {Regex.Escape(wanted[hop - 1])}[ :]", said);
                Assert.Equal(hop < wanted.Length, said.Contains(ipv6 ? "Hop limit" : "Time to live exceeded", StringComparison.Ordinal));
            }
        }

        site.Finish();
        Assert.Equal(0, LabTopology.AccessPointOf(flow.SeenByServer!.Address));
    }

    private static string OwnAddress(LabSite site, int at, bool ipv6) => string.Create(CultureInfo.InvariantCulture, $"{(ipv6 ? $"fd00:10:1:{at + 1}::10" : $"10.1.{at + 1}.10")}");

    private static (int Code, string Said) Ping(LabSite site, IPAddress server, int payload) => Run(
        site.Topology.Clients[0], "ping", "-M", "do", "-c", "2", "-i", "0.3", "-W", "2", "-s", payload.ToString(CultureInfo.InvariantCulture), server.ToString());

    private static (int Code, string Said) Run(NetNamespace where, params string[] command)
    {
        var (code, said, error) = Tool.TryRun("ip", ["netns", "exec", where.Name, .. command]);
        return (code, said + error);
    }

    /// <summary>A router's route with a smaller MTU than its interface: it drops what is longer and says so, as at the entrance of a tunnel.</summary>
    private static Nothing Shrink(LabTopology topology, Place place)
    {
        switch (place)
        {
            case Place.Server:
                Narrow(topology, "s0", 100);
                break;
            case Place.FamUplink:
                Narrow(topology, "u2", 2);
                break;
            default:
                foreach (var ap in topology.AccessPoints)
                {
                    Tool.IpBatch(ap.Name, $"link set cl0 mtu {Small}");
                }

                Tool.IpBatch(topology.Clients[0].Name, $"link set eth0 mtu {Small}");
                Tool.IpBatch(topology.Clients[1].Name, $"link set eth0 mtu {Small}");
                break;
        }

        return new Nothing();
    }

    private static void Narrow(LabTopology topology, string port, int subnet) => Tool.IpBatch(
        topology.Router.Name,
        $"route replace 10.1.{subnet}.0/24 dev {port} proto kernel scope link src 10.1.{subnet}.1 mtu lock {Small}",
        $"route add fd00:10:1:{subnet}::/64 dev {port} metric 10 mtu lock {Small}");

    private sealed class Nothing : IDisposable
    {
        public void Dispose()
        {
            // The network is deleted as a whole.
        }
    }

    /// <summary>Datagrams that must not be cut, in both directions, as long as the kernels think that they may be.</summary>
    private sealed class Datagrams : IDisposable
    {
        private readonly Socket _client;
        private readonly Socket _server;
        private readonly byte[] _buffer = new byte[2_000];
        private readonly int _headers;

        public Datagrams(LabTopology topology, IPEndPoint server)
        {
            _headers = server.AddressFamily == AddressFamily.InterNetworkV6 ? 48 : 28;
            _server = topology.Server.Invoke(() => Open(server, bind: true));
            _client = topology.Clients[0].Invoke(() => Open(server, bind: false));
            _client.Send([1, 2, 3]);
            EndPoint from = new IPEndPoint(server.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
            _server.ReceiveFrom(_buffer, ref from);
            _server.Connect(from);
        }

        /// <summary>What passes in each direction, in octets of the IP packet: the link's size or the small one.</summary>
        public (int ToServer, int ToClient) Discover() => (Largest(_client, _server), Largest(_server, _client));

        public void Dispose()
        {
            _client.Dispose();
            _server.Dispose();
        }

        private int Largest(Socket from, Socket to)
        {
            // The kernel learns by errors that come back, and refuses from then on what is longer.
            foreach (var size in new[] { 1_500, Small })
            {
                for (var attempt = 0; attempt < 3; attempt++)
                {
                    if (Passes(from, to, size))
                    {
                        return size;
                    }
                }
            }

            return 0;
        }

        private bool Passes(Socket from, Socket to, int size)
        {
            try
            {
                from.Send(_buffer, size - _headers, SocketFlags.None);
                return to.Receive(_buffer) == size - _headers;
            }
            catch (SocketException)
            {
                return false;
            }
        }

        private static Socket Open(IPEndPoint server, bool bind)
        {
            var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 400 };

            // IP_MTU_DISCOVER and IPV6_MTU_DISCOVER := DO.
            var ipv6 = server.AddressFamily == AddressFamily.InterNetworkV6;
            socket.SetRawSocketOption(ipv6 ? 41 : 0, ipv6 ? 23 : 10, BitConverter.GetBytes(2));
            if (bind)
            {
                socket.Bind(server);
            }
            else
            {
                socket.Connect(server);
            }

            return socket;
        }
    }
}
