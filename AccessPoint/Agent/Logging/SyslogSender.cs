using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>
/// Sends lines to a syslog receiver. Lines wait in a bounded queue while the receiver is not there or does not keep up; what finds no room is counted, and the count is sent when there is room
/// again.
/// </summary>
internal sealed class SyslogSender : IAsyncDisposable
{
    /// <summary>Lines that wait for the receiver.</summary>
    public const int Capacity = 16_384;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly SyslogTarget _target;
    private readonly int _facility;
    private readonly Func<long, byte[]> _tellLost;
    private readonly TimeProvider _time;
    private readonly TimeSpan _again;
    private readonly Channel<byte[]> _waiting;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _sending;
    private Socket? _socket;
    private long _sent;
    private long _lost;
    private long _told;

    /// <summary>Begins to send.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="facility">The facility of the messages.</param>
    /// <param name="tellLost">Makes the line that says how many are missing.</param>
    /// <param name="time">The clock of the messages.</param>
    /// <param name="capacity">Lines that wait.</param>
    /// <param name="again">How long after a failure the next attempt comes.</param>
    public SyslogSender(SyslogTarget target, int facility, Func<long, byte[]> tellLost, TimeProvider time, int capacity = Capacity, TimeSpan? again = null)
    {
        (_target, _facility, _tellLost, _time, _again) = (target, facility, tellLost, time, again ?? TimeSpan.FromSeconds(1));
        _waiting = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(capacity) { SingleReader = true, SingleWriter = true });
        _sending = Task.Run(SendAllAsync);
    }

    /// <summary>Lines that were handed to the receiver, or to the network.</summary>
    public long Sent => Volatile.Read(ref _sent);

    /// <summary>Lines that were given up.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>Takes a line; never waits.</summary>
    public void Offer(byte[] line)
    {
        if (!_waiting.Writer.TryWrite(line))
        {
            Interlocked.Increment(ref _lost);
        }
    }

    /// <summary>Sends what waits, if the receiver takes it within two seconds.</summary>
    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        _stopping.CancelAfter(Patience);
        await _sending.ConfigureAwait(false);
        _socket?.Dispose();
        _stopping.Dispose();
    }

    private async Task SendAllAsync()
    {
        try
        {
            while (await _waiting.Reader.WaitToReadAsync(_stopping.Token).ConfigureAwait(false))
            {
                while (_waiting.Reader.TryPeek(out var line))
                {
                    await SendAsync(line).ConfigureAwait(false);
                    _waiting.Reader.TryRead(out _);
                    Interlocked.Increment(ref _sent);
                    if (Lost is var lost && lost > _told)
                    {
                        await SendAsync(_tellLost(lost - _told)).ConfigureAwait(false);
                        _told = lost;
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops, and the receiver is not there.
            while (_waiting.Reader.TryRead(out _))
            {
                Interlocked.Increment(ref _lost);
            }
        }
    }

    private async ValueTask SendAsync(byte[] line)
    {
        while (true)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            limit.CancelAfter(Patience);
            try
            {
                _socket ??= await ConnectAsync(limit.Token).ConfigureAwait(false);
                ReadOnlyMemory<byte> message = SyslogMessage.Of(_target.Transport, _facility, Environment.MachineName, Environment.ProcessId, _time.GetUtcNow(), line);
                while (message.Length > 0)
                {
                    message = message[await _socket.SendAsync(message, limit.Token).ConfigureAwait(false)..];
                }

                return;
            }
            catch (Exception e) when (e is SocketException || (e is OperationCanceledException && !_stopping.IsCancellationRequested))
            {
                // Not there, or it does not take anything: a new connection, a while later.
                _socket?.Dispose();
                _socket = null;
                await Task.Delay(_again, _time, _stopping.Token).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<Socket> ConnectAsync(CancellationToken cancel)
    {
        if (_target.Transport == SyslogTransport.Unix)
        {
            var local = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            return await ConnectAsync(local, new UnixDomainSocketEndPoint(_target.Place), cancel).ConfigureAwait(false);
        }

        var addresses = await Dns.GetHostAddressesAsync(_target.Place, cancel).ConfigureAwait(false);
        var address = addresses.Length > 0 ? addresses[0] : throw new SocketException((int)SocketError.HostNotFound);
        var socket = _target.Transport == SyslogTransport.Udp
            ? new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp)
            : new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        return await ConnectAsync(socket, new IPEndPoint(address, _target.Port), cancel).ConfigureAwait(false);
    }

    private static async ValueTask<Socket> ConnectAsync(Socket socket, EndPoint to, CancellationToken cancel)
    {
        try
        {
            await socket.ConnectAsync(to, cancel).ConfigureAwait(false);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
