using System.Net;
using System.Net.Sockets;

namespace Masquerade.Auth.Radius;

/// <summary>A UDP source port of its own.</summary>
internal sealed class UdpLane : RadiusLane
{
    private readonly Socket _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _receiver;

    public UdpLane(RadiusServerSettings settings, RadiusServerCounters counters)
        : base(settings, counters)
    {
        var family = settings.EndPoint.AddressFamily;
        _socket = new Socket(family, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 1 << 20 };
        try
        {
            _socket.Bind(new IPEndPoint(settings.Source ?? (family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any), 0));
        }
        catch (SocketException)
        {
            _socket.Dispose();
            throw;
        }

        _receiver = Task.Run(ReceiveAsync);
    }

    public override bool Repeats => true;

    public override async Task<bool> SendAsync(ReadOnlyMemory<byte> packet, CancellationToken cancel)
    {
        try
        {
            await _socket.SendToAsync(packet, SocketFlags.None, Settings.EndPoint, cancel);
            return true;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // No route just now: as good as a lost packet, and cured by the repetition.
            return true;
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _socket.Dispose();
        await _receiver;
        _stop.Dispose();
    }

    private async Task ReceiveAsync()
    {
        var buffer = new byte[RadiusPacket.MaximumLength + 1];
        var from = new SocketAddress(_socket.AddressFamily);
        var server = Settings.EndPoint.Serialize();
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var length = await _socket.ReceiveFromAsync(buffer, SocketFlags.None, from, _stop.Token);
                if (!IsServer(from, server))
                {
                    Counters.Add(RadiusCount.WrongSource);
                }
                else
                {
                    Deliver(buffer.AsMemory(0, length).ToArray());
                }
            }
            catch (OperationCanceledException)
            {
                break;
            }
            catch (ObjectDisposedException)
            {
                break;
            }
            catch (SocketException)
            {
                // An ICMP error about an earlier datagram, which anybody can send: the timers decide.
            }
        }

        End();
    }

    /// <summary>Compares family, port and address; flow label and the rest of a socket address mean nothing here.</summary>
    private bool IsServer(SocketAddress from, SocketAddress server)
    {
        if (from.Family != server.Family)
        {
            return false;
        }

        var (start, length) = server.Family == AddressFamily.InterNetwork ? (4, 4) : (8, 16);
        var left = from.Buffer.Span;
        var right = server.Buffer.Span;
        return left.Slice(2, 2).SequenceEqual(right.Slice(2, 2)) && left.Slice(start, length).SequenceEqual(right.Slice(start, length));
    }
}
