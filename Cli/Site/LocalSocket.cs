using System.Net.Sockets;
using System.Text.Json;

namespace Masquerade.Cli.Site;

/// <summary>Asks the agent on this machine by its control socket.</summary>
internal static class LocalSocket
{
    private const string Folder = "/run/masq";
    private const int MaxBytes = 64 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>The agent's state document.</summary>
    /// <param name="path">The socket; empty for the only one under /run/masq.</param>
    /// <param name="cancel">Ends it.</param>
    public static async Task<JsonElement> ReadAsync(string path, CancellationToken cancel)
    {
        path = path.Length > 0 ? path : TheOnlyOne();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Patience);
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), limit.Token).ConfigureAwait(false);
            using var answer = new MemoryStream();
            var buffer = new byte[64 * 1024];
            int read;
            while ((read = await socket.ReceiveAsync(buffer, limit.Token).ConfigureAwait(false)) > 0)
            {
                answer.Write(buffer, 0, read);
                if (answer.Length > MaxBytes)
                {
                    throw new CliException($"{path}: over {MaxBytes} octets");
                }
            }

            using var document = JsonDocument.Parse(answer.ToArray());
            return document.RootElement.TryGetProperty("node", out _) && document.RootElement.TryGetProperty("devices", out _)
                ? document.RootElement.Clone()
                : throw new CliException($"{path} is not the control socket of an agent");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new CliException($"{path}: no answer in {Patience.TotalSeconds:0} seconds");
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            throw new CliException($"{path}: {e.Message}; the agent's controlSocket says where it is");
        }
        catch (JsonException e)
        {
            throw new CliException($"{path} is not the control socket of an agent: {e.Message}");
        }
    }

    private static string TheOnlyOne()
    {
        string[] found = Directory.Exists(Folder) ? Directory.GetFiles(Folder, "*.sock") : [];
        return found.Length == 1 ? found[0] : throw new CliException(found.Length == 0
            ? $"there is no socket under {Folder}; --local takes the path that the agent's controlSocket names"
            : $"there are several sockets under {Folder}; --local takes one of {string.Join(", ", found.Order(StringComparer.Ordinal))}");
    }
}
