using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;

namespace Masquerade.Namespaces.Tests;

/// <summary>Two hosts of one subnet at different access points talk at their own addresses while both walk; their kernels know nothing of it.</summary>
public sealed class NeighbourTests
{
    private const ushort Port = 7_000;

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Req", "N-13")]
    public void Two_clients_talk_at_their_own_addresses_while_both_walk(bool ipv6)
    {
        using var site = TcpSessionTests.Site();
        IPAddress[] own = [Own(0, ipv6), Own(1, ipv6)];
        site.Move(0, 0);
        site.Move(1, 1);

        // A host that has said nothing yet is known to nobody.
        site.WaitFor(() => Ping(site, 0, own[1]) & Ping(site, 1, own[0]), "the neighbours do not answer pings", TimeSpan.FromSeconds(30));
        using var listener = TcpSessionTests.In(site.Topology.Clients[1], () =>
        {
            var socket = new Socket(own[1].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 10_000 };
            socket.Bind(new IPEndPoint(own[1], Port));
            socket.Listen();
            return socket;
        });
        using var caller = TcpSessionTests.In(site.Topology.Clients[0], () =>
        {
            var socket = new Socket(own[0].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 10_000, NoDelay = true };
            socket.Bind(new IPEndPoint(own[0], 0));
            socket.Connect(new IPEndPoint(own[1], Port));
            return socket;
        });
        using var called = listener.Accept();
        (called.ReceiveTimeout, called.NoDelay) = (10_000, true);
        Assert.Equal((own[0], own[1]), (((IPEndPoint)called.RemoteEndPoint!).Address, ((IPEndPoint)caller.RemoteEndPoint!).Address));
        using var first = TcpSessionTests.In(site.Topology.Clients[0], () => PolicyTests.Datagrams(new IPEndPoint(own[0], Port)));
        using var second = TcpSessionTests.In(site.Topology.Clients[1], () => PolicyTests.Datagrams(new IPEndPoint(own[1], Port)));
        (first.ReceiveTimeout, second.ReceiveTimeout) = (300, 300);
        foreach (var (client, to) in new[] { (1, 1), (1, 2), (0, 2), (0, 1), (1, 0) })
        {
            if (site.Radio!.Where(client) != to)
            {
                site.Move(client, to);
            }

            for (var round = 0; round < 20; round++)
            {
                Talk(caller, called);
                Talk(called, caller);
            }

            site.WaitFor(() => Asks(first, second, own[0], own[1]) && Asks(second, first, own[1], own[0]), $"no datagram comes when client {client} is at AP{to + 1}");
            site.WaitFor(() => Ping(site, 0, own[1]) && Ping(site, 1, own[0]), $"no ping is answered when client {client} is at AP{to + 1}");
        }

        Assert.True(Enumerable.Range(0, LabTopology.AccessPointCount).Sum(k => site.Status(k).GetProperty("neighbourhood").GetProperty("received").GetInt64()) > 100);
    }

    private static IPAddress Own(int client, bool ipv6) => ipv6 ? LabTopology.ClientAddress6(client) : LabTopology.ClientAddress(client);

    /// <summary>A line each way; both ends' kernels repeat what gets lost.</summary>
    private static void Talk(Socket from, Socket to)
    {
        var line = new byte[2_000];
        Random.Shared.NextBytes(line);
        var got = new byte[line.Length];
        from.Send(line);
        for (var length = 0; length < got.Length;)
        {
            var more = to.Receive(got.AsSpan(length));
            Assert.True(more > 0);
            length += more;
        }

        Assert.Equal(line, got);
    }

    private static bool Asks(Socket from, Socket to, IPAddress own, IPAddress other)
    {
        EndPoint seen = new IPEndPoint(own.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
        var got = new byte[9];
        try
        {
            from.SendTo("?"u8, new IPEndPoint(other, Port));
            to.ReceiveFrom(got, ref seen);
            Assert.Equal(own, ((IPEndPoint)seen).Address);
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock or SocketError.HostUnreachable)
        {
            return false;
        }
    }

    private static bool Ping(LabSite site, int client, IPAddress address) =>
        Tool.TryRun("ip", ["netns", "exec", site.Topology.Clients[client].Name, "ping", "-c", "1", "-W", "1", address.ToString()]).Code == 0;
}
