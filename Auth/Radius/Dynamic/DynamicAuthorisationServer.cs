using System.Net;
using System.Net.Sockets;

namespace Masquerade.Auth.Radius;

/// <summary>A UDP socket around <see cref="DynamicAuthorisation"/> (RFC 5176: port 3799). A change is handed on at once; while 256 are being made, further datagrams wait in the socket.</summary>
public sealed class DynamicAuthorisationServer : IAsyncDisposable
{
    private const int MaximumUnderWay = 256;
    private readonly DynamicAuthorisation _checker;
    private readonly IDynamicAuthorisationHandler _handler;
    private readonly TimeProvider _time;
    private readonly Socket _socket;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _room = new(MaximumUnderWay);
    private readonly Task _loop;

    /// <summary>Listens.</summary>
    /// <param name="checker">Checks; is this server's alone.</param>
    /// <param name="listen">Where; port 0 takes a free one.</param>
    /// <param name="handler">Makes the changes.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <exception cref="SocketException">The port is not to be had.</exception>
    public DynamicAuthorisationServer(DynamicAuthorisation checker, IPEndPoint listen, IDynamicAuthorisationHandler handler, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(listen);
        (_checker, _handler, _time) = (checker, handler, time ?? TimeProvider.System);
        _socket = new Socket(listen.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
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

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        for (var i = 0; i < MaximumUnderWay; i++)
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
                DynamicVerdict verdict;
                lock (_gate)
                {
                    verdict = _checker.Receive(buffer.AsMemory(0, received.ReceivedBytes).ToArray(), from.Address, _time.GetUtcNow());
                }

                if (verdict.Request is { } request)
                {
                    handed = true;
                    _ = Task.Run(() => MakeAsync(request, from));
                }
                else if (verdict.Answer is { } answer)
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
                // The answer's way is blocked just now; the server asks again.
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

    private async Task MakeAsync(DynamicRequest request, IPEndPoint from)
    {
        try
        {
            var result = await AskAsync(request);
            byte[] answer;
            lock (_gate)
            {
                answer = _checker.Complete(request, result);
            }

            await _socket.SendToAsync(answer, SocketFlags.None, from, _stop.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // Stopped, or the answer is lost; it is remembered, and the server asks again.
        }
        finally
        {
            _room.Release();
        }
    }

    private async Task<ErrorCause> AskAsync(DynamicRequest request)
    {
        try
        {
            return request.Terms is { } terms
                ? await _handler.ChangeAsync(request.Selector, terms, _stop.Token)
                : await _handler.DisconnectAsync(request.Selector, _stop.Token);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Whatever went wrong there, the server must hear that nothing was done.
            return ErrorCause.ResourcesUnavailable;
        }
    }
}
