using System.Net.Sockets;
using System.Text.Json;

namespace Masquerade.Lab.Scenario;

/// <summary>Reads an agent's status socket, as an operator at the access point would.</summary>
internal static class AgentReader
{
    private const int PatienceMs = 20_000;

    /// <summary>How the agent says it is doing.</summary>
    /// <exception cref="SocketException">It does not listen.</exception>
    /// <exception cref="IOException">It ended, or said nothing in time.</exception>
    public static JsonElement Status(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = PatienceMs };
        socket.Connect(new UnixDomainSocketEndPoint(path));
        using var stream = new NetworkStream(socket);
        using var document = JsonDocument.Parse(stream);
        return document.RootElement.Clone();
    }

    /// <summary>
    /// Whether the agent serves clients: a coordinator has welcomed it. One that is merely connected does not know yet whether its addresses are still its own, and drops what comes.
    /// </summary>
    public static bool Serves(string path)
    {
        try
        {
            return Status(path).GetProperty("session").GetString() is "Up";
        }
        catch (Exception e) when (e is SocketException or IOException or JsonException)
        {
            return false;
        }
    }
}
