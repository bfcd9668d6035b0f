using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>Who may send to a client, and how much a client may have: the same before and after a walk.</summary>
public sealed class PolicyTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("addressAndPortDependent", false, false, false)]
    [InlineData("addressDependent", true, false, false)]
    [InlineData("endpointIndependent", true, true, false)]
    [InlineData("addressDependent", true, false, true)]
    [Trait("Req", "N-02")]
    [Trait("Rfc", "4787 REQ-8")]
    [Trait("Rfc", "4787 REQ-11")]
    public void The_filter_lets_the_same_servers_through_wherever_the_client_is(string policy, bool samePlace, bool anywhere, bool ipv6)
    {
        using var site = TcpSessionTests.Site(("udpFiltering", $"\"{policy}\""));
        var server = site.Server(ipv6);
        var elsewhere = IPAddress.Parse(ipv6 ? "fd00:10:1:100::3" : "10.1.100.3");
        Tool.Run("ip", ["-n", site.Topology.Server.Name, "addr", "add", ipv6 ? $"{elsewhere}/64" : $"{elsewhere}/24", "dev", "eth0", .. ipv6 ? (string[])["nodad"] : []]);
        Socket Bound(IPEndPoint local) => TcpSessionTests.In(site.Topology.Server, () => Datagrams(local));
        using var asked = Bound(server);
        using var otherPort = Bound(new IPEndPoint(server.Address, server.Port + 500));
        using var otherAddress = Bound(new IPEndPoint(elsewhere, server.Port));
        using var client = TcpSessionTests.In(site.Topology.Clients[0], () => Datagrams(new IPEndPoint(ipv6 ? LabTopology.ClientAddress6(0) : LabTopology.ClientAddress(0), 0)));
        client.SendTo("?"u8, server);
        EndPoint seen = new IPEndPoint(ipv6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
        asked.ReceiveFrom(new byte[9], ref seen);
        foreach (var at in new[] { 0, 1, 2, 0 })
        {
            if (site.Radio!.Where(0) != at)
            {
                // The client does not speak at its new place: what is let through there was handed over.
                site.Move(0, at);
            }

            Assert.Equal((true, samePlace, anywhere), (Arrives(asked), Arrives(otherPort), Arrives(otherAddress)));
        }

        bool Arrives(Socket from)
        {
            from.SendTo("!"u8, seen);

            // The one that is always let through comes behind it.
            asked.SendTo("mark"u8, seen);
            var got = new byte[9];
            var first = client.Receive(got);
            if (first == 1)
            {
                Assert.Equal(4, client.Receive(got));
            }

            return first == 1;
        }
    }

    /// <summary>The HAM is killed while the client is elsewhere: who takes the address over sends everything to the FAM, and that has not changed its mind.</summary>
    [Theory]
    [InlineData("addressAndPortDependent", false)]
    [InlineData("addressDependent", true)]
    [Trait("Req", "N-02")]
    [Trait("Req", "A-15")]
    [Trait("Rfc", "4787 REQ-11")]
    public void The_filter_lets_the_same_servers_through_after_a_takeover(string policy, bool samePlace)
    {
        using var site = LabSite.WithTakeover(sharedLink: true, new DemoOptions { Fam = new Dictionary<string, string>(StringComparer.Ordinal) { ["udpFiltering"] = $"\"{policy}\"" } });
        site.Move(0, 0);
        var server = site.Server(ipv6: false);
        using var asked = TcpSessionTests.In(site.Topology.Server, () => Datagrams(server));
        using var otherPort = TcpSessionTests.In(site.Topology.Server, () => Datagrams(new IPEndPoint(server.Address, server.Port + 500)));
        using var client = TcpSessionTests.In(site.Topology.Clients[0], () => Datagrams(new IPEndPoint(LabTopology.ClientAddress(0), 0)));
        client.SendTo("?"u8, server);
        EndPoint seen = new IPEndPoint(IPAddress.Any, 0);
        asked.ReceiveFrom(new byte[9], ref seen);
        site.Move(0, 1);
        site.Network!.Kill(0);
        client.ReceiveTimeout = 300;
        var got = new byte[9];

        // Nothing comes until the mapping has its new HAM.
        site.WaitFor(() => asked.SendTo("!"u8, seen) > 0 && TryReceive(client, got), "the mapping has not been taken over");
        Assert.True(site.OwnerOf(((IPEndPoint)seen).Address) > 0, "nobody has taken the address over");
        while (TryReceive(client, got))
        {
        }

        otherPort.SendTo("!"u8, seen);
        Assert.Equal(samePlace, TryReceive(client, got));
        asked.SendTo("!"u8, seen);
        Assert.True(TryReceive(client, got));
    }

    private static bool TryReceive(Socket socket, byte[] into)
    {
        try
        {
            return socket.Receive(into) > 0;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
        {
            return false;
        }
    }

    /// <summary>The client that takes too much is told so by ICMP, keeps what it has, and the other client notices nothing.</summary>
    [Fact]
    [Trait("Req", "N-10")]
    [Trait("Rfc", "6888 REQ-4")]
    [Trait("Rfc", "6888 REQ-11")]
    public void A_client_at_its_limit_is_told_and_keeps_what_it_has_wherever_it_is()
    {
        using var site = TcpSessionTests.Site(("udpMappingsPerClient", "20"));
        site.Move(1, 0);
        var neighbour = site.Open("of the neighbour", 1, ipv6: false);
        var server = site.Server(ipv6: false);
        using var echo = TcpSessionTests.In(site.Topology.Server, () => Datagrams(server));
        var sockets = new List<Socket>();
        try
        {
            Assert.Equal(20, Enumerable.Range(0, 30).Count(_ => Speaks(Add())));
            site.Progress("beside the greedy one", TimeSpan.FromSeconds(5), neighbour);
            site.Move(0, 1);
            Assert.All(sockets.Take(20), s => Assert.True(Speaks(s)));
            Assert.False(Speaks(Add()));
            var (here, there) = (site.Status(0), site.Status(1));
            output.WriteLine($"refused: {Refused(here)} at AP1, {Refused(there)} at AP2");
            Assert.True(Refused(here) >= 10 && Refused(there) >= 1);
            site.Progress("beside the greedy one", TimeSpan.FromSeconds(5), neighbour);
            site.Finish();
        }
        finally
        {
            sockets.ForEach(s => s.Dispose());
        }

        static long Refused(System.Text.Json.JsonElement status) => status.GetProperty("drops").GetProperty("ClientQuota").GetInt64();

        Socket Add()
        {
            sockets.Add(TcpSessionTests.In(site.Topology.Clients[0], () =>
            {
                var socket = Datagrams(new IPEndPoint(LabTopology.ClientAddress(0), 0));
                socket.Connect(server);

                // A host that cannot be reached is a soft error, which Linux tells only those that ask (IP_RECVERR, ip(7)).
                socket.SetRawSocketOption(optionLevel: 0, optionName: 11, BitConverter.GetBytes(1));
                return socket;
            }));
            return sockets[^1];
        }

        // True: there was an answer. False: the kernel was told that the host cannot be reached (ICMP code 1, RFC 6888 REQ-11).
        bool Speaks(Socket socket)
        {
            socket.Send("?"u8);
            if (echo.Poll(TimeSpan.FromMilliseconds(500), SelectMode.SelectRead))
            {
                EndPoint seen = new IPEndPoint(IPAddress.Any, 0);
                var length = echo.ReceiveFrom(new byte[9], ref seen);
                echo.SendTo(new byte[length], seen);
                socket.Receive(new byte[9]);
                return true;
            }

            Assert.Equal(SocketError.HostUnreachable, Assert.Throws<SocketException>(() => socket.Receive(new byte[9])).SocketErrorCode);
            return false;
        }
    }

    internal static Socket Datagrams(IPEndPoint local)
    {
        var socket = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 3_000 };
        socket.Bind(local);
        return socket;
    }
}
