using System.Net.Sockets;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>A Unix socket that answers every connection with one JSON document and closes it. Whoever may open the file may look.</summary>
internal static class StatusSocket
{
    public static async Task ServeAsync(string path, Func<Task<byte[]>> describe, LineLog log, CancellationToken cancel)
    {
        try
        {
            File.Delete(path);
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(path));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            listener.Listen(16);
            while (true)
            {
                using var client = await listener.AcceptAsync(cancel).ConfigureAwait(false);
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
                limit.CancelAfter(TimeSpan.FromSeconds(2));
                try
                {
                    ReadOnlyMemory<byte> document = await describe().WaitAsync(limit.Token).ConfigureAwait(false);
                    while (!document.IsEmpty)
                    {
                        document = document[await client.SendAsync(document, limit.Token).ConfigureAwait(false)..];
                    }
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException && !cancel.IsCancellationRequested)
                {
                    log.Write("info", $"{path}: {e.Message}");
                }
            }
        }
        catch (OperationCanceledException)
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            log.Write("error", $"status socket {path}: {e.Message}");
        }
    }
}
