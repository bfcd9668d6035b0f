using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Masquerade.Core.Control;

namespace Masquerade.Testing;

/// <summary>One end of a control connection, by hand: it sends what it is told to and reads what it is asked for.</summary>
/// <param name="stream">The connection; is closed with this end.</param>
/// <param name="patience">How long to wait for what is read, in seconds.</param>
public sealed class ControlEnd(Stream stream, int patience = 20) : IAsyncDisposable, IDisposable
{
    private readonly FrameDecoder _decoder = new();
    private readonly byte[] _buffer = new byte[64 * 1024];

    /// <summary>The connection.</summary>
    public Stream Stream { get; } = stream;

    /// <summary>Connects in plain text.</summary>
    /// <exception cref="SocketException">Nobody listens there.</exception>
    public static async Task<ControlEnd> ConnectAsync(IPEndPoint other, int patience = 20)
    {
        var socket = new Socket(other.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(other);
            return new ControlEnd(new NetworkStream(socket, ownsSocket: true), patience);
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A message as it goes over the connection, be it one that the other end must refuse.</summary>
    public static ReadOnlyMemory<byte> Frame(ControlMessage message)
    {
        var body = new ArrayBufferWriter<byte>();
        var frame = new ArrayBufferWriter<byte>();
        ControlCodec.Encode(message, body);
        Assert.True(FrameCodec.WriteFrame(body.WrittenSpan, frame));
        return frame.WrittenMemory;
    }

    /// <summary>Sends a message.</summary>
    public Task SendAsync(ControlMessage message) => SendAsync(Frame(message));

    /// <summary>Sends octets, whatever they are.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> octets) => await Stream.WriteAsync(octets);

    /// <summary>The next message; null if the connection ends before.</summary>
    public async Task<ControlMessage?> NextAsync(CancellationToken cancel)
    {
        ReadOnlyMemory<byte> body;
        while (!_decoder.TryRead(out body))
        {
            var read = await Stream.ReadAsync(_buffer, cancel);
            if (read == 0)
            {
                return null;
            }

            _decoder.Append(_buffer.AsSpan(0, read));
        }

        Assert.True(ControlCodec.TryDecode(body.Span, out var message, out var error), error);
        return message;
    }

    /// <summary>The next message of a kind; others are passed over.</summary>
    public async Task<T> ReadAsync<T>()
        where T : ControlMessage
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(patience));
        while (true)
        {
            var message = await NextAsync(limit.Token);
            Assert.True(message is not null, $"the connection ended before {typeof(T).Name} came");
            if (message is T wanted)
            {
                return wanted;
            }
        }
    }

    /// <summary>Whether the other end closes the connection; what it says before is passed over.</summary>
    public async Task<bool> IsClosedAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(patience));
        try
        {
            while (await Stream.ReadAsync(_buffer, limit.Token) > 0)
            {
            }

            return true;
        }
        catch (IOException)
        {
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Stream.Dispose();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Stream.DisposeAsync();
}
