using System.Net;
using System.Net.Sockets;
using Masquerade.Core.Control;
using Masquerade.Pki.Channel;

namespace Masquerade.Pki.Tests;

/// <summary>One end of a connection, by hand.</summary>
internal sealed class Dialled(Stream stream) : IAsyncDisposable
{
    private readonly FrameDecoder _decoder = new();

    public Dialled(SecureChannel channel)
        : this(channel.Stream)
    {
    }

    public Stream Stream { get; } = stream;

    public static async Task<Dialled> ConnectAsync(IPEndPoint coordinator, CredentialStore own)
    {
        var socket = new TcpClient();
        await socket.ConnectAsync(coordinator);
        return new Dialled(await SecureChannel.ConnectAsync(socket.GetStream(), own, new PeerExpectation(SiteRole.Coordinator, [], string.Empty), CancellationToken.None));
    }

    /// <summary>The next message of a kind; others are passed over.</summary>
    public async Task<T> ReadAsync<T>()
        where T : ControlMessage
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var buffer = new byte[4_096];
        while (true)
        {
            while (_decoder.TryRead(out var body))
            {
                Assert.True(ControlCodec.TryDecode(body.Span, out var message, out var error), error);
                if (message is T wanted)
                {
                    return wanted;
                }
            }

            var read = await Stream.ReadAsync(buffer, limit.Token);
            Assert.True(read > 0, $"the connection ended before {typeof(T).Name} came");
            _decoder.Append(buffer.AsSpan(0, read));
        }
    }

    public ValueTask DisposeAsync() => Stream.DisposeAsync();
}
