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
    private readonly Lock _gate = new();
    private readonly UdpRequests _requests;

    /// <summary>Listens.</summary>
    /// <param name="checker">Checks; is this server's alone.</param>
    /// <param name="listen">Where; port 0 takes a free one.</param>
    /// <param name="handler">Makes the changes.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <param name="trouble">Is told of what nobody has foreseen, at most once a second. May be called by any thread.</param>
    /// <exception cref="SocketException">The port is not to be had.</exception>
    public DynamicAuthorisationServer(DynamicAuthorisation checker, IPEndPoint listen, IDynamicAuthorisationHandler handler, TimeProvider? time = null, Action<string>? trouble = null)
    {
        (_checker, _handler, _time) = (checker, handler, time ?? TimeProvider.System);
        _requests = new UdpRequests(listen, MaximumUnderWay, receiveBuffer: 0, Take, trouble);
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => _requests.EndPoint;

    /// <summary>How often something has happened that nobody has foreseen.</summary>
    public long Faults => _requests.Faults;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _requests.DisposeAsync();

    private UdpTaken Take(ReadOnlyMemory<byte> datagram, IPEndPoint from)
    {
        DynamicVerdict verdict;
        lock (_gate)
        {
            verdict = _checker.Receive(datagram, from.Address, _time.GetUtcNow());
        }

        return verdict.Request is { } request ? new UdpTaken(null, cancel => MakeAsync(request, cancel)) : new UdpTaken(verdict.Answer);
    }

    private async Task<byte[]?> MakeAsync(DynamicRequest request, CancellationToken cancel)
    {
        var result = await AskAsync(request, cancel);
        lock (_gate)
        {
            return _checker.Complete(request, result);
        }
    }

    private async Task<ErrorCause> AskAsync(DynamicRequest request, CancellationToken cancel)
    {
        try
        {
            return request.Terms is { } terms
                ? await _handler.ChangeAsync(request.Selector, terms, cancel)
                : await _handler.DisconnectAsync(request.Selector, cancel);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Whatever went wrong there, the server must hear that nothing was done.
            return ErrorCause.ResourcesUnavailable;
        }
    }
}
