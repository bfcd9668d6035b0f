using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Masquerade.Auth.Radius;

namespace Masquerade.Radius.Tests;

/// <summary>A RADIUS server on a loopback port that does what a test says, right or wrong.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    public static readonly RadiusSecret Secret = new("what both of the test share");

    private readonly Socket _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;

    /// <param name="script">What to send for a request: any number of datagrams. Called on the server's own thread, in order.</param>
    /// <param name="address">Where it listens.</param>
    public ScriptedServer(Func<RadiusPacket, IEnumerable<byte[]>> script, IPAddress? address = null)
    {
        address ??= IPAddress.Loopback;
        _socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        _socket.Bind(new IPEndPoint(address, 0));
        _loop = Task.Run(() => RunAsync(script));
    }

    public IPEndPoint EndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>What has come, as it was sent, with its source port.</summary>
    public ConcurrentQueue<(byte[] Octets, int Port)> Requests { get; } = new();

    public RadiusServerSettings Settings(string name = "one", bool status = true, int lanes = 16) =>
        new() { Name = name, EndPoint = EndPoint, Secret = Secret, KnowsStatusServer = status, MaximumLanes = lanes };

    public static byte[] Answer(in RadiusPacket request, RadiusCode code, RadiusAttributeWriter? attributes = null, bool sign = true) =>
        RadiusEncoder.Response(code, request.Identifier, request.Authenticator, attributes ?? new RadiusAttributeWriter(), Secret, sign);

    /// <summary>Sends from another port of this machine: not the server's word.</summary>
    public static async Task SendFromElsewhereAsync(byte[] datagram, int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await socket.SendToAsync(datagram, SocketFlags.None, new IPEndPoint(IPAddress.Loopback, port));
    }

    public async Task SendAsync(byte[] datagram, int port) => await _socket.SendToAsync(datagram, SocketFlags.None, new IPEndPoint(EndPoint.Address, port));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _socket.Dispose();
        await _loop;
        _stop.Dispose();
    }

    private async Task RunAsync(Func<RadiusPacket, IEnumerable<byte[]>> script)
    {
        var buffer = new byte[5_000];
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                var received = await _socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(EndPoint.Address, 0), _stop.Token);
                var octets = buffer.AsSpan(0, received.ReceivedBytes).ToArray();
                Requests.Enqueue((octets, ((IPEndPoint)received.RemoteEndPoint).Port));
                if (RadiusPacket.TryParse(octets, out var packet, out _))
                {
                    foreach (var answer in script(packet))
                    {
                        await _socket.SendToAsync(answer, SocketFlags.None, received.RemoteEndPoint);
                    }
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The test is over.
        }
    }
}
