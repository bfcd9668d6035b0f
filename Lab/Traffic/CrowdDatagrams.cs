using System.Net;
using System.Net.Sockets;

namespace Masquerade.Lab.Traffic;

/// <summary>A slow flow of numbered datagrams, one of very many: the client sends at a steady interval, the server answers each at once. It has no thread of its own.</summary>
public sealed class CrowdDatagrams : DatagramFlow
{
    private readonly Socket _client;
    private readonly Socket _server;
    private readonly TimeSpan _interval;
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Wraps sockets that <see cref="Crowd"/> made; the client's is connected.</summary>
    internal CrowdDatagrams(int client, IPEndPoint server, Socket serverSocket, Socket clientSocket, TimeSpan interval, TimeSpan longest)
        : base("datagrams", client, server, (int)(longest / interval) + 1)
    {
        (_server, _client, _interval) = (serverSocket, clientSocket, interval);
        ClientEndpoint = (IPEndPoint?)clientSocket.LocalEndPoint;
    }

    /// <inheritdoc/>
    public override bool IsInCrowd => true;

    /// <inheritdoc/>
    public override void Start()
    {
        _ = RunEndAsync("server", AnswerAsync);
        _ = RunEndAsync("client receives", ListenAsync);
        _ = RunEndAsync("client sends", SpeakAsync);
    }

    /// <inheritdoc/>
    public override void Stop()
    {
        base.Stop();
        _stop.Cancel();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _stop.Cancel();
        _client.Dispose();
        _server.Dispose();
    }

    private async Task SpeakAsync()
    {
        var payload = new byte[DatagramPayload.Size];
        while (!Stopping && Up.HasRoom)
        {
            DatagramPayload.Write(payload, Flow, DatagramPayload.Up, Up.NextSequence);
            Up.RecordSent(LabClock.Now);
            try
            {
                await _client.SendAsync(payload).ConfigureAwait(false);
            }
            catch (SocketException) when (!Stopping)
            {
                // An ICMP error about an earlier datagram is reported here once; the datagram counts as lost.
            }

            await Task.Delay(_interval, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task AnswerAsync()
    {
        var buffer = new byte[2048];
        var payload = new byte[DatagramPayload.Size];
        var from = new SocketAddress(Server.AddressFamily);
        while (true)
        {
            int length;
            try
            {
                length = await _server.ReceiveFromAsync(buffer, SocketFlags.None, from).ConfigureAwait(false);
            }
            catch (SocketException) when (!Stopping)
            {
                continue;
            }

            if (TakeAtServer(buffer.AsSpan(0, length), from) && Down.HasRoom)
            {
                DatagramPayload.Write(payload, Flow, DatagramPayload.Down, Down.NextSequence);
                Down.RecordSent(LabClock.Now);
                try
                {
                    await _server.SendToAsync(payload, SocketFlags.None, Peer!).ConfigureAwait(false);
                }
                catch (SocketException) when (!Stopping)
                {
                    // As above.
                }
            }
        }
    }

    private async Task ListenAsync()
    {
        var buffer = new byte[2048];
        while (true)
        {
            int length;
            try
            {
                length = await _client.ReceiveAsync(buffer).ConfigureAwait(false);
            }
            catch (SocketException) when (!Stopping)
            {
                continue;
            }

            TakeAtClient(buffer.AsSpan(0, length));
        }
    }
}
