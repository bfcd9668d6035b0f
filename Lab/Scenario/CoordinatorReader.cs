using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>Asks a coordinator's API, on the loopback of its namespace, as an operator there would.</summary>
internal sealed class CoordinatorReader : IDisposable
{
    private readonly HttpClient _client;

    /// <param name="where">The coordinator's namespace.</param>
    /// <param name="port">Its API's port.</param>
    /// <param name="patience">How long an answer is waited for; 2 s if nothing is said.</param>
    public CoordinatorReader(NetNamespace where, int port, TimeSpan? patience = null)
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
        _client = new HttpClient(handler) { BaseAddress = new Uri($"http://127.0.0.1:{port}/"), Timeout = patience ?? TimeSpan.FromSeconds(2) };
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
    public bool Order(string path)
    {
        try
        {
            return Say(HttpMethod.Post, path).Good;
        }
        catch (Exception e) when (IsFailure(e))
        {
            return false;
        }
    }

    /// <summary>What the API answers, good or not.</summary>
    /// <param name="method">The method.</param>
    /// <param name="path">The path below the API's root.</param>
    /// <param name="body">JSON, or empty for none.</param>
    /// <exception cref="HttpRequestException">There is no answer.</exception>
    public (bool Good, string Text) Say(HttpMethod method, string path, string body = "")
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
        if (body.Length > 0)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        using var response = _client.Send(request);
        using var reader = new StreamReader(response.Content.ReadAsStream());
        return (response.IsSuccessStatusCode, reader.ReadToEnd());
    }

    private static string PathOf(int client) => $"v1/clients/{LabTopology.ClientMac(client)}";

    private static bool IsFailure(Exception e) => e is HttpRequestException or TaskCanceledException or IOException or JsonException or SocketException;

    private JsonElement? Ask(string path)
    {
        try
        {
            return Say(HttpMethod.Get, path) is (true, var text) ? JsonElement.Parse(text) : null;
        }
        catch (Exception e) when (IsFailure(e))
        {
            return null;
        }
    }

    public void Dispose() => _client.Dispose();
}
