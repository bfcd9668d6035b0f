using System.Net.Sockets;
using System.Text;

namespace Masquerade.AccessPoint.Agent.Radio;

/// <summary>A connection to hostapd's control interface: a Unix datagram socket, with a name of its own that answers come to.</summary>
internal sealed class HostapdConnection : IDisposable
{
    /// <summary>hostapd's answers have 4,096 octets at most.</summary>
    private const int LongestDatagram = 8_192;

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly byte[] _buffer = new byte[LongestDatagram];
    private readonly string _ownPath;

    private HostapdConnection(string ownPath)
    {
        File.Delete(ownPath);
        _ownPath = ownPath;
        _socket.Bind(new UnixDomainSocketEndPoint(ownPath));
    }

    public static async Task<HostapdConnection> OpenAsync(string serverPath, string ownPath, CancellationToken cancel)
    {
        var connection = new HostapdConnection(ownPath);
        try
        {
            await connection._socket.ConnectAsync(new UnixDomainSocketEndPoint(serverPath), cancel).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>The answer to a request. What comes between that nobody has asked for goes to <paramref name="happened"/>. The answer is valid until the next call.</summary>
    public async Task<ReadOnlyMemory<byte>> AskAsync(string request, TimeSpan patience, Action<ReadOnlySpan<byte>>? happened, CancellationToken cancel)
    {
        await _socket.SendAsync(Encoding.ASCII.GetBytes(request), cancel).ConfigureAwait(false);
        while (true)
        {
            var said = await ReceiveAsync(patience, cancel).ConfigureAwait(false) ?? throw new TimeoutException($"{request} was not answered");
            if (!HostapdWords.IsEvent(said.Span))
            {
                return said;
            }

            happened?.Invoke(said.Span);
        }
    }

    /// <summary>The same, where one word is the right answer.</summary>
    public async Task<bool> AskForAsync(string request, string word, TimeSpan patience, Action<ReadOnlySpan<byte>>? happened, CancellationToken cancel) =>
        Encoding.ASCII.GetString((await AskAsync(request, patience, happened, cancel).ConfigureAwait(false)).Span).TrimEnd() is var said && string.Equals(said, word, StringComparison.Ordinal);

    /// <summary>What comes next; null: nothing does.</summary>
    public async Task<ReadOnlyMemory<byte>?> ReceiveAsync(TimeSpan patience, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(patience);
        try
        {
            return _buffer.AsMemory(0, await _socket.ReceiveAsync(_buffer, limit.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return null;
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        File.Delete(_ownPath);
    }
}
