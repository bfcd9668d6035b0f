using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>A program of the client asks for a port by PCP and serves strangers there; the kernels know nothing of it.</summary>
public sealed class PortControlTests(ITestOutputHelper output)
{
    private const ushort Port = 8_080;
    private const uint Lifetime = 600;

    [Theory, InlineData(false), InlineData(true)]
    [Trait("Rfc", "6888 REQ-9")]
    [Trait("Rfc", "6887 section 11")]
    public void Strangers_reach_a_port_that_a_client_asked_for_wherever_it_is(bool ipv6)
    {
        using var site = TcpSessionTests.Site();
        var client = ipv6 ? LabTopology.ClientAddress6(0) : LabTopology.ClientAddress(0);
        using var listener = TcpSessionTests.In(site.Topology.Clients[0], () =>
        {
            var socket = new Socket(client.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 10_000 };
            socket.Bind(new IPEndPoint(client, Port));
            socket.Listen();
            return socket;
        });
        var outside = Ask(site, client);
        output.WriteLine($"{client}:{Port} is {outside} outside");
        using var first = new Visit(site, listener, outside);
        first.Talk();
        foreach (var at in new[] { 1, 2 })
        {
            // The listener says nothing at its new place: all that is known there was handed over.
            site.Move(0, at);
            using var another = new Visit(site, listener, outside);
            another.Talk();
            first.Talk();
            Assert.Equal(outside, Ask(site, client));
        }
    }

    /// <summary>Asks for the listener's port, again and again as RFC 6887 section 8.1.1 has it, and says what it is outside.</summary>
    private static IPEndPoint Ask(LabSite site, IPAddress client)
    {
        var isV6 = client.AddressFamily == AddressFamily.InterNetworkV6;
        using var socket = TcpSessionTests.In(site.Topology.Clients[0], () =>
        {
            var asking = new Socket(client.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 3_000 };
            asking.Bind(new IPEndPoint(client, 0));
            asking.Connect(new IPEndPoint(isV6 ? IPAddress.Parse("fe80::1%eth0") : LabTopology.GatewayAddress, PcpMessages.Port));
            return asking;
        });
        var request = PcpMessages.Request(PcpMessages.Map, Lifetime, client.ToString(), PcpMessages.MapBody(7, PcpMessages.Tcp, Port));
        var answer = new byte[1_100];
        for (var attempt = 0; attempt < 4; attempt++)
        {
            socket.Send(request);
            try
            {
                var read = PcpMessages.Read(answer.AsSpan(0, socket.Receive(answer)));
                Assert.Equal((0, Lifetime, Port), (read.Result, read.Lifetime, read.InternalPort));
                return new IPEndPoint(IPAddress.Parse(read.ExternalAddress), read.ExternalPort);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
            {
                // Asked again.
            }
        }

        throw new InvalidOperationException("the gateway does not answer");
    }

    /// <summary>A connection that somebody at the server's host opens to the client.</summary>
    private sealed class Visit : IDisposable
    {
        private readonly Socket _stranger;
        private readonly Socket _served;

        public Visit(LabSite site, Socket listener, IPEndPoint outside)
        {
            _stranger = TcpSessionTests.In(site.Topology.Server, () => new Socket(outside.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 10_000 });
            _stranger.Connect(outside);
            _served = listener.Accept();
            _served.ReceiveTimeout = 10_000;
        }

        public void Talk()
        {
            Say(_stranger, _served);
            Say(_served, _stranger);
        }

        public void Dispose()
        {
            _stranger.Dispose();
            _served.Dispose();
        }

        private static void Say(Socket from, Socket to)
        {
            from.Send("!"u8);
            Assert.Equal(1, to.Receive(new byte[9]));
        }
    }
}
