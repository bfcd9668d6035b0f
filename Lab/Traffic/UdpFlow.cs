using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Traffic;

/// <summary>
/// Numbered datagrams at a steady rate in both directions between one client socket and one server port. The server sends to the endpoint from
/// which the first datagram came, and to that one for ever: what a voice call does.
/// </summary>
public sealed class UdpFlow : DatagramFlow
{
    private readonly long _period;
    private readonly Socket _client;
    private readonly Socket _server;
    private volatile int _sendErrors;

    /// <summary>Makes the sockets.</summary>
    /// <param name="topology">The network.</param>
    /// <param name="client">The client; 0 is c1.</param>
    /// <param name="server">The server's endpoint; its port is the flow's identity.</param>
    /// <param name="packetsPerSecond">The rate in each direction.</param>
    /// <param name="longest">For how long the flow may run.</param>
    public UdpFlow(LabTopology topology, int client, IPEndPoint server, int packetsPerSecond, TimeSpan longest)
        : base($"{packetsPerSecond}/s each way", client, server, (int)(packetsPerSecond * longest.TotalSeconds))
    {
        ArgumentNullException.ThrowIfNull(topology);
        _period = 1_000_000_000L / packetsPerSecond;
        _server = topology.Server.Invoke(() =>
        {
            var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 1 << 21 };
            socket.Bind(server);
            return socket;
        });
        _client = topology.Clients[client].Invoke(() =>
        {
            var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 1 << 21 };
            socket.Connect(server);
            return socket;
        });
        ClientEndpoint = (IPEndPoint?)_client.LocalEndPoint;
    }

    /// <summary>How often the kernel refused to send.</summary>
    public int SendErrors => _sendErrors;

    /// <inheritdoc/>
    public override void Start()
    {
        RunEnd("server receives", ReceiveAtServer);
        RunEnd("client receives", ReceiveAtClient);
        RunEnd("client sends", () => SendLoop(Up, DatagramPayload.Up));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _client.Dispose();
        _server.Dispose();
    }

    private void SendLoop(DatagramLog log, byte direction)
    {
        LabClock.MakeThreadPrompt();
        Span<byte> payload = stackalloc byte[DatagramPayload.Size];
        var next = LabClock.Now;
        while (!Stopping && log.HasRoom)
        {
            DatagramPayload.Write(payload, Flow, direction, log.NextSequence);
            try
            {
                // Recorded before the call: the other end may have the datagram before the call returns.
                log.RecordSent(LabClock.Now);
                if (direction == DatagramPayload.Up)
                {
                    _client.Send(payload);
                }
                else
                {
                    _server.SendTo(payload, SocketFlags.None, Peer!);
                }
            }
            catch (SocketException)
            {
                // An ICMP error about an earlier datagram is reported here once; the datagram counts as lost.
                _sendErrors++;
            }

            // One who was held up goes on from now instead of sending a burst.
            next += _period;
            var now = LabClock.Now;
            next = now - next > 5 * _period ? now : next;
            LabClock.SleepUntil(next);
        }
    }

    private void ReceiveAtServer()
    {
        LabClock.MakeThreadPrompt();
        Span<byte> buffer = stackalloc byte[2048];
        var from = new SocketAddress(Server.AddressFamily);
        while (true)
        {
            int length;
            try
            {
                length = _server.ReceiveFrom(buffer, SocketFlags.None, from);
            }
            catch (SocketException) when (!Stopping)
            {
                _sendErrors++;
                continue;
            }

            var isFirst = Peer is null;
            if (TakeAtServer(buffer[..length], from) && isFirst)
            {
                RunEnd("server sends", () => SendLoop(Down, DatagramPayload.Down));
            }
        }
    }

    private void ReceiveAtClient()
    {
        LabClock.MakeThreadPrompt();
        Span<byte> buffer = stackalloc byte[2048];
        while (true)
        {
            int length;
            try
            {
                length = _client.Receive(buffer);
            }
            catch (SocketException) when (!Stopping)
            {
                _sendErrors++;
                continue;
            }

            TakeAtClient(buffer[..length]);
        }
    }
}
