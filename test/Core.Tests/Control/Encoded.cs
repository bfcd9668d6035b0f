using System.Buffers;
using Masquerade.Core.Control;

namespace Masquerade.Core.Tests.Control;

/// <summary>Short ways to write and read in tests.</summary>
internal static class Encoded
{
    public delegate void Writing(MessagePackWriter writer);

    public static byte[] Values(Writing write)
    {
        var output = new ArrayBufferWriter<byte>();
        write(new MessagePackWriter(output));
        return output.WrittenSpan.ToArray();
    }

    public static byte[] Body(ControlMessage message)
    {
        var output = new ArrayBufferWriter<byte>();
        ControlCodec.Encode(message, output);
        return output.WrittenSpan.ToArray();
    }

    public static byte[] Frame(ReadOnlySpan<byte> body)
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.True(FrameCodec.WriteFrame(body, output));
        return output.WrittenSpan.ToArray();
    }

    public static ControlMessage Decode(ReadOnlySpan<byte> body)
    {
        Assert.True(ControlCodec.TryDecode(body, out var message, out var error), error);
        Assert.Empty(error);
        return message!;
    }

    public static string Refusal(ReadOnlySpan<byte> body)
    {
        Assert.False(ControlCodec.TryDecode(body, out var message, out var error), "was taken");
        Assert.Null(message);
        Assert.NotEmpty(error);
        return error;
    }
}
