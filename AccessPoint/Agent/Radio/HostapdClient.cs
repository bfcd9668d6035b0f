using System.Net.Sockets;
using System.Text;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Radio;

/// <summary>
/// Listens to hostapd's control interface: a Unix datagram socket to which a program attaches itself and that tells it of stations that come and go. hostapd forgets
/// its listeners when it restarts, so a ping that stays unanswered means: attach again, and ask which stations are there.
/// </summary>
internal sealed class HostapdClient(string serverPath, string ownPath, Func<AgentInput, CancellationToken, ValueTask> post, TextWriter log)
{
    private const int LongestDatagram = 4_096;

    private readonly HashSet<MacAddress> _stations = [];

    /// <summary>How long an answer may take, and the time between two attempts to attach.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The time between two pings.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        var complained = false;
        try
        {
            while (true)
            {
                try
                {
                    await ListenAsync(cancel).ConfigureAwait(false);
                }
                catch (Exception e) when (e is SocketException or IOException or TimeoutException && !cancel.IsCancellationRequested)
                {
                    if (!complained)
                    {
                        await log.WriteLineAsync($"hostapd at {serverPath}: {e.Message}; trying again").ConfigureAwait(false);
                        complained = true;
                    }
                }

                await Task.Delay(AnswerTimeout, cancel).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
        finally
        {
            File.Delete(ownPath);
        }
    }

    private async Task ListenAsync(CancellationToken cancel)
    {
        File.Delete(ownPath);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(ownPath));
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(serverPath), cancel).ConfigureAwait(false);
        var buffer = new byte[LongestDatagram];
        if (!string.Equals(await AskAsync(socket, "ATTACH", buffer, cancel).ConfigureAwait(false), "OK", StringComparison.Ordinal))
        {
            throw new IOException("ATTACH was refused");
        }

        await log.WriteLineAsync($"hostapd at {serverPath}: attached").ConfigureAwait(false);
        await CompareStationsAsync(socket, buffer, cancel).ConfigureAwait(false);
        while (true)
        {
            var text = await ReceiveAsync(socket, buffer, PingInterval, cancel).ConfigureAwait(false);
            if (text is null)
            {
                if (!string.Equals(await AskAsync(socket, "PING", buffer, cancel).ConfigureAwait(false), "PONG", StringComparison.Ordinal))
                {
                    throw new IOException("PING was not answered");
                }
            }
            else
            {
                await OnEventAsync(text, cancel).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Stations may have come and gone while nobody listened.</summary>
    private async Task CompareStationsAsync(Socket socket, byte[] buffer, CancellationToken cancel)
    {
        const int MostStations = 4_096;
        var present = new HashSet<MacAddress>();
        var answer = await AskAsync(socket, "STA-FIRST", buffer, cancel).ConfigureAwait(false);
        while (answer.Length >= 17 && MacAddress.TryParse(answer[..17], out var mac) && present.Add(mac) && present.Count < MostStations)
        {
            answer = await AskAsync(socket, $"STA-NEXT {mac}", buffer, cancel).ConfigureAwait(false);
        }

        foreach (var gone in _stations.Except(present).ToArray())
        {
            await ChangeAsync(gone, isConnected: false, cancel).ConfigureAwait(false);
        }

        foreach (var come in present.Except(_stations).ToArray())
        {
            await ChangeAsync(come, isConnected: true, cancel).ConfigureAwait(false);
        }
    }

    private async Task<string> AskAsync(Socket socket, string request, byte[] buffer, CancellationToken cancel)
    {
        await socket.SendAsync(Encoding.ASCII.GetBytes(request), cancel).ConfigureAwait(false);
        while (true)
        {
            var text = await ReceiveAsync(socket, buffer, AnswerTimeout, cancel).ConfigureAwait(false)
                ?? throw new TimeoutException($"{request} was not answered");
            if (!text.StartsWith('<'))
            {
                return text.TrimEnd();
            }

            // Events come between a request and its answer.
            await OnEventAsync(text, cancel).ConfigureAwait(false);
        }
    }

    private static async Task<string?> ReceiveAsync(Socket socket, byte[] buffer, TimeSpan patience, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(patience);
        try
        {
            var length = await socket.ReceiveAsync(buffer, limit.Token).ConfigureAwait(false);
            return Encoding.ASCII.GetString(buffer, 0, length);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Events look like <c>&lt;3&gt;AP-STA-CONNECTED 02:00:00:00:00:01</c>, perhaps with more words behind; the number is a log level.</summary>
    private async ValueTask OnEventAsync(string text, CancellationToken cancel)
    {
        var end = text.IndexOf('>', StringComparison.Ordinal);
        var words = (end < 0 ? text : text[(end + 1)..]).Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (words.Length >= 2 && words[0] is "AP-STA-CONNECTED" or "AP-STA-DISCONNECTED" && MacAddress.TryParse(words[1], out var mac))
        {
            await ChangeAsync(mac, words[0] is "AP-STA-CONNECTED", cancel).ConfigureAwait(false);
        }
    }

    private async ValueTask ChangeAsync(MacAddress mac, bool isConnected, CancellationToken cancel)
    {
        _ = isConnected ? _stations.Add(mac) : _stations.Remove(mac);
        await post(new StationChanged(mac, isConnected), cancel).ConfigureAwait(false);
    }
}
