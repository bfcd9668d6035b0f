using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Traffic;

/// <summary>Ping: an ICMP echo request at a steady interval; the server's kernel answers.</summary>
public sealed class EchoFlow : DatagramConnection
{
    private const int IcmpHeader = 8;
    private readonly ushort _flow;
    private readonly long _period;
    private readonly Socket _socket;

    /// <summary>Makes the socket.</summary>
    /// <param name="topology">The network.</param>
    /// <param name="client">The client; 0 is c1.</param>
    /// <param name="server">The server's address; the port is the flow's identity in the payload.</param>
    /// <param name="interval">Time between requests.</param>
    /// <param name="longest">For how long the flow may run.</param>
    public EchoFlow(LabTopology topology, int client, IPEndPoint server, TimeSpan interval, TimeSpan longest)
        : base("ping", "ICMP", client, server)
    {
        ArgumentNullException.ThrowIfNull(topology);
        _flow = (ushort)Server.Port;
        _period = interval.Ticks * 100;
        Log = new DatagramLog((int)(longest / interval));
        var v6 = Server.AddressFamily == AddressFamily.InterNetworkV6;
        _socket = topology.Clients[client].Invoke(() =>
        {
            var socket = new Socket(server.AddressFamily, SocketType.Dgram, v6 ? ProtocolType.IcmpV6 : ProtocolType.Icmp);
            socket.Connect(new IPEndPoint(server.Address, 0));
            return socket;
        });
        ClientEndpoint = (IPEndPoint?)_socket.LocalEndPoint;
    }

    /// <summary>Requests sent and answers received.</summary>
    public DatagramLog Log { get; }

    /// <inheritdoc/>
    protected override bool IsWaiting => Log.Received < Log.Sent;

    /// <inheritdoc/>
    public override void Start()
    {
        RunEnd("receives", Receive);
        RunEnd("sends", Send);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _socket.Dispose();
    }

    private void Send()
    {
        Span<byte> packet = stackalloc byte[IcmpHeader + DatagramPayload.Size];
        packet.Clear();
        packet[0] = Server.AddressFamily == AddressFamily.InterNetworkV6 ? (byte)128 : (byte)8;
        var next = LabClock.Now;
        while (!Stopping && Log.HasRoom)
        {
            var sequence = Log.NextSequence;
            BinaryPrimitives.WriteUInt16BigEndian(packet[6..], (ushort)sequence);
            DatagramPayload.Write(packet[IcmpHeader..], _flow, DatagramPayload.Up, sequence);
            Log.RecordSent(LabClock.Now);
            try
            {
                _socket.Send(packet);
            }
            catch (SocketException) when (!Stopping)
            {
                // An unreachable network is reported once per error; the request counts as lost.
            }

            next = Math.Max(next + _period, LabClock.Now - _period);
            LabClock.SleepUntil(next);
        }
    }

    private void Receive()
    {
        Span<byte> buffer = stackalloc byte[2048];
        while (true)
        {
            int length;
            try
            {
                length = _socket.Receive(buffer);
            }
            catch (SocketException) when (!Stopping)
            {
                continue;
            }

            var now = LabClock.Now;
            if (length < IcmpHeader || !DatagramPayload.Verify(buffer[IcmpHeader..length], _flow, DatagramPayload.Up, out var sequence))
            {
                Log.RecordForeign();
                continue;
            }

            Log.RecordReceived(sequence, now);
            Transition(ConnectionHealth.Opening, ConnectionHealth.Running);
            Progress(length, down: true);
        }
    }
}
