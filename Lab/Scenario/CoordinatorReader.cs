using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>Asks a coordinator's API, on the loopback of its namespace, as an operator there would.</summary>
internal sealed class CoordinatorReader : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);
    private readonly HttpClient _client;

    public CoordinatorReader(NetNamespace where, int port)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancel) =>
            {
                var socket = where.Invoke(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
                await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), cancel).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        _client = new HttpClient(handler) { BaseAddress = new Uri($"http://127.0.0.1:{port}/"), Timeout = s_patience };
    }

    /// <summary>How many mappings the store has of a client; -1 if it cannot be told, or the client is not known.</summary>
    public int MappingsOf(int client)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"v1/clients/{LabTopology.ClientMac(client)}", UriKind.Relative));
            using var response = _client.Send(request);
            if (!response.IsSuccessStatusCode)
            {
                return -1;
            }

            using var document = JsonDocument.Parse(response.Content.ReadAsStream());
            return document.RootElement.GetProperty("mappingCount").GetInt32();
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or IOException or JsonException or SocketException)
        {
            return -1;
        }
    }

    public void Dispose() => _client.Dispose();
}
