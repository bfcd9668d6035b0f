using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Namespaces.Tests;

/// <summary>A server that sees a client's own address (RFC 6888 REQ-6), with a real router that finds the client by ARP and neighbour discovery.</summary>
public sealed class UntranslatedTests
{
    /// <summary>All access points are on one link, and so are the clients' subnets, as far as the router knows. A TCP connection and a datagram socket go on over walks.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Trait("Rfc", "6888 REQ-6")]
    public void The_server_sees_the_client_s_own_address_wherever_it_walks(bool ipv6)
    {
        using var site = new LabSite(_ => new DemoOptions { Untranslated = ["10.1.100.0/24", "fd00:10:1:100::/64"] }, sharedLink: true);
        Tool.IpBatch(site.Topology.Router.Name, "route replace 192.168.77.0/24 dev ubr", "route replace fd00:77::/64 dev ubr");
        site.Move(0, 0);
        var own = ipv6 ? LabTopology.ClientAddress6(0) : LabTopology.ClientAddress(0);
        var talk = site.Open("untranslated", 0, ipv6);
        var server = site.Server(ipv6);
        using var echo = TcpSessionTests.In(site.Topology.Server, () => PolicyTests.Datagrams(server));
        using var client = TcpSessionTests.In(site.Topology.Clients[0], () => PolicyTests.Datagrams(new IPEndPoint(own, 0)));
        (client.ReceiveTimeout, echo.ReceiveTimeout) = (300, 300);
        foreach (var at in new[] { 0, 1, 2, 0 })
        {
            if (site.Radio!.Where(0) != at)
            {
                site.Move(0, at);
            }

            site.Progress($"at AP{at + 1}", TimeSpan.FromSeconds(15), talk);
            EndPoint seen = new IPEndPoint(ipv6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
            var got = new byte[9];
            site.WaitFor(
                () => client.SendTo("?"u8, server) > 0 && TryReceive(() => echo.ReceiveFrom(got, ref seen)) && echo.SendTo("!"u8, seen) > 0 && TryReceive(() => client.Receive(got)),
                $"no answer comes at AP{at + 1}");
            Assert.Equal(own, ((IPEndPoint)seen).Address);
            Assert.True(site.Status(at).GetProperty("untranslatedEndpoints").GetInt32() >= 2);
        }

        site.Finish();
    }

    private static bool TryReceive(Func<int> receive)
    {
        try
        {
            return receive() > 0;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
        {
            return false;
        }
    }
}
