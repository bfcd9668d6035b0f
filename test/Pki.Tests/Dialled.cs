using System.Net;
using System.Net.Sockets;
using Masquerade.Pki.Channel;

namespace Masquerade.Pki.Tests;

/// <summary>An agent's end of a connection over TLS, by hand.</summary>
internal static class Dialled
{
    public static async Task<ControlEnd> ConnectAsync(IPEndPoint coordinator, CredentialStore own)
    {
        var socket = new TcpClient();
        await socket.ConnectAsync(coordinator);
        var channel = await SecureChannel.ConnectAsync(socket.GetStream(), own, new PeerExpectation(SiteRole.Coordinator, [], string.Empty), CancellationToken.None);
        return new ControlEnd(channel.Stream);
    }
}
