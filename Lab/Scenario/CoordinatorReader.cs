using System.Globalization;
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
    public int MappingsOf(int client) => Ask(PathOf(client)) is { } document ? document.GetProperty("mappingCount").GetInt32() : -1;

    /// <summary>Whose a client is, how that was proved, and at which access point (0 is AP1); null if nobody is known to be let in.</summary>
    public (string Name, string Proof, int At)? UserOf(int client) =>
        Ask(PathOf(client)) is { } document && document.TryGetProperty("user", out var user) && user.ValueKind == JsonValueKind.Object
            && user.GetProperty("ap").GetString() is { } at && int.TryParse(at.AsSpan(at.StartsWith("ap", StringComparison.Ordinal) ? 2 : 0), CultureInfo.InvariantCulture, out var number)
            ? (user.GetProperty("name").GetString() ?? string.Empty, user.GetProperty("proof").GetString() ?? string.Empty, number - 1)
            : null;

    /// <summary>Has the coordinator do something; false if it does not.</summary>
    public bool Order(string path) => Say(HttpMethod.Post, path) is not null;

    private static string PathOf(int client) => $"v1/clients/{LabTopology.ClientMac(client)}";

    private JsonElement? Ask(string path) => Say(HttpMethod.Get, path);

    private JsonElement? Say(HttpMethod method, string path)
    {
        try
        {
            using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
            using var response = _client.Send(request);
            if (!response.IsSuccessStatusCode)
            {
                return null;
            }

            using var document = JsonDocument.Parse(response.Content.ReadAsStream());
            return document.RootElement.Clone();
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or IOException or JsonException or SocketException)
        {
            return null;
        }
    }

    public void Dispose() => _client.Dispose();
}
