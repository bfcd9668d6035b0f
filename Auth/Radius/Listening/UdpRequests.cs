using System.Net;
using System.Net.Sockets;

namespace Masquerade.Auth.Radius;

/// <summary>A UDP socket on which requests are answered. So many are worked on at once; while there is no room, further datagrams wait in the socket, and the kernel drops what does not fit there.</summary>
public sealed class UdpRequests : IAsyncDisposable
{
    private readonly Func<ReadOnlyMemory<byte>, IPEndPoint, UdpTaken> _take;
    private readonly int _most;
    private readonly Socket _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _room;
    private readonly Action<string>? _trouble;
    private readonly TimeProvider _time;
    private readonly Lock _telling = new();
    private readonly Task _loop;
    private long _faults;
    private long _toldFaults;
    private long? _toldAt;

    /// <summary>Listens.</summary>
    /// <param name="listen">Where; port 0 takes a free one.</param>
    /// <param name="most">How many requests are worked on at once; at least 1.</param>
    /// <param name="receiveBuffer">Octets that may wait in the socket; 0: as the system has it.</param>
    /// <param name="take">Looks at a datagram, which it may keep. Called by one thread at a time; may be called before the constructor returns.</param>
    /// <param name="trouble">Is told of what nobody has foreseen, at most once a second: it goes on after that. May be called by any thread.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <exception cref="SocketException">The port is not to be had.</exception>
    public UdpRequests(
        IPEndPoint listen, int most, int receiveBuffer, Func<ReadOnlyMemory<byte>, IPEndPoint, UdpTaken> take, Action<string>? trouble = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(listen);
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        (_take, _most, _room, _trouble, _time) = (take, most, new SemaphoreSlim(most), trouble, time ?? TimeProvider.System);
        _socket = new Socket(listen.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (receiveBuffer > 0)
            {
                _socket.ReceiveBufferSize = receiveBuffer;
            }

            _socket.Bind(listen);
        }
        catch (SocketException)
        {
            _socket.Dispose();
            throw;
        }

        _loop = Task.Run(RunAsync);
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>How often something has happened that nobody has foreseen: a datagram is lost with it, and nothing else.</summary>
    public long Faults => Interlocked.Read(ref _faults);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        for (var i = 0; i < _most; i++)
        {
            // Whoever is at it gives back its place first.
            await _room.WaitAsync();
        }

        _socket.Dispose();
        _room.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var buffer = new byte[RadiusPacket.MaximumLength + 1];
        var any = new IPEndPoint(_socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        while (true)
        {
            try
            {
                await _room.WaitAsync(_stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            var handed = false;
            try
            {
                var received = await _socket.ReceiveFromAsync(buffer, SocketFlags.None, any, _stop.Token);
                var from = (IPEndPoint)received.RemoteEndPoint;
                var taken = _take(buffer.AsMemory(0, received.ReceivedBytes).ToArray(), from);
                if (taken.Work is { } work)
                {
                    handed = true;
                    _ = Task.Run(() => WorkAsync(work, from));
                }
                else if (taken.Answer is { } answer)
                {
                    await _socket.SendToAsync(answer, SocketFlags.None, from, _stop.Token);
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException)
            {
                // The answer's way is blocked just now; whoever asked asks again.
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                Note(e);
            }
            finally
            {
                if (!handed)
                {
                    _room.Release();
                }
            }
        }
    }

    private async Task WorkAsync(Func<CancellationToken, Task<byte[]?>> work, IPEndPoint to)
    {
        try
        {
            if (await work(_stop.Token) is { } answer)
            {
                await _socket.SendToAsync(answer, SocketFlags.None, to, _stop.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // Stopped, or the answer is lost; who worked remembers it, and whoever asked asks again.
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            Note(e);
        }
        finally
        {
            _room.Release();
        }
    }

    private void Note(Exception fault)
    {
        long since;
        lock (_telling)
        {
            var faults = Interlocked.Increment(ref _faults);
            var now = _time.GetTimestamp();
            if (_toldAt is { } told && _time.GetElapsedTime(told, now) < TimeSpan.FromSeconds(1))
            {
                return;
            }

            since = faults - _toldFaults;
            (_toldAt, _toldFaults) = (now, faults);
        }

        _trouble?.Invoke($"{since} datagram{(since == 1 ? " was" : "s were")} lost: {fault.GetType().Name}: {fault.Message}");
    }
}
