using System.Net.Sockets;
using Masquerade.AccessPoint.Agent.Runtime;

namespace Masquerade.AccessPoint.Agent.Observing;

/// <summary>Answers every connection to the control socket with one JSON document and closes it: <c>socat - UNIX:/run/masq/ap1.sock</c>.</summary>
internal sealed class StatusServer(string path, InputQueue inputs)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Socket _listening = UnixSockets.Listen(path);

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                using var asker = await _listening.AcceptAsync(cancel).ConfigureAwait(false);
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
                limit.CancelAfter(Patience);
                try
                {
                    var answer = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
                    await inputs.PostAsync(new StatusAsked(answer), limit.Token).ConfigureAwait(false);
                    ReadOnlyMemory<byte> document = await answer.Task.WaitAsync(limit.Token).ConfigureAwait(false);
                    while (document.Length > 0)
                    {
                        document = document[await asker.SendAsync(document, limit.Token).ConfigureAwait(false)..];
                    }
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException && !cancel.IsCancellationRequested)
                {
                    // Whoever asked has gone, or reads too slowly.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The agent stops.
        }
        finally
        {
            _listening.Dispose();
            File.Delete(path);
        }
    }
}
