using System.Buffers;
using System.Buffers.Binary;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>Frames come out whole, whatever pieces they came in.</summary>
public sealed class FrameDecoderTests(ITestOutputHelper output)
{
    [Fact]
    public void One_octet_at_a_time()
    {
        var (stream, bodies) = Stream(Seed.Number(output), count: 40, maxLength: 300);
        var decoder = new FrameDecoder();
        var read = new List<byte[]>();
        foreach (var octet in stream)
        {
            decoder.Append([octet]);
            Drain(decoder, read);
        }

        Assert.Null(decoder.Error);
        Assert.Equal(bodies, read);
    }

    [Fact]
    public void Random_pieces()
    {
        var seed = Seed.Number(output);
        var random = new SeededRandom(seed);
        for (var run = 0; run < 200; run++)
        {
            var (stream, bodies) = Stream(random.NextUInt64(), count: 30, maxLength: 3_000);
            var decoder = new FrameDecoder();
            var read = new List<byte[]>();
            for (var at = 0; at < stream.Length;)
            {
                var length = Math.Min(random.NextInt(1 << random.NextInt(14)), stream.Length - at);
                decoder.Append(stream.AsSpan(at, length));
                Drain(decoder, read);
                at += length;
            }

            Assert.Null(decoder.Error);
            Assert.Equal(bodies, read);
        }
    }

    [Fact]
    public void The_largest_frame_passes_and_the_next_size_does_not()
    {
        var decoder = new FrameDecoder();
        decoder.Append(Encoded.Frame(new byte[ControlLimits.MaxFrameBytes]));
        Assert.True(decoder.TryRead(out var body));
        Assert.Equal(ControlLimits.MaxFrameBytes, body.Length);
        Assert.False(decoder.TryRead(out _));
        Assert.Null(decoder.Error);

        Refuses(ControlLimits.MaxFrameBytes + 1);
        Refuses(0);
        Refuses(int.MaxValue);
        Refuses(uint.MaxValue);
    }

    /// <summary>A refused length ends the stream for good: what follows cannot be told from data.</summary>
    [Fact]
    public void After_an_error_nothing_is_read()
    {
        var decoder = Refuses(0);
        decoder.Append(Encoded.Frame([1, 2, 3]));
        Assert.False(decoder.TryRead(out _));
    }

    [Fact]
    public void Frames_in_front_of_a_bad_length_are_still_read()
    {
        var decoder = new FrameDecoder();
        decoder.Append([.. Encoded.Frame([1]), .. Encoded.Frame([2]), 0, 0, 0, 0]);
        var read = new List<byte[]>();
        Drain(decoder, read);
        Assert.Equal([[1], [2]], read);
        Assert.NotNull(decoder.Error);
    }

    /// <summary>A shell that forgets to read does not make memory grow without bound.</summary>
    [Fact]
    public void Buffering_is_bounded()
    {
        var decoder = new FrameDecoder();
        var piece = Encoded.Frame(new byte[60_000]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
        {
            decoder.Append(piece);
        }

        Assert.NotNull(decoder.Error);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 * ControlLimits.MaxFrameBytes);
    }

    /// <summary>Bodies that the other end would have to refuse are not sent: it would end the session, and the repetition the next one.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(ControlLimits.MaxFrameBytes + 1)]
    public void Bodies_that_do_not_fit_are_not_written(int length)
    {
        var written = new ArrayBufferWriter<byte>();
        Assert.False(FrameCodec.WriteFrame(new byte[length], written));
        Assert.Equal(0, written.WrittenCount);
    }

    private static FrameDecoder Refuses(uint length)
    {
        var prefix = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(prefix, length);
        var decoder = new FrameDecoder();
        decoder.Append(prefix);
        Assert.False(decoder.TryRead(out _));
        Assert.Contains($" {length} ", decoder.Error, StringComparison.Ordinal);
        return decoder;
    }

    private static void Drain(FrameDecoder decoder, List<byte[]> read)
    {
        while (decoder.TryRead(out var body))
        {
            read.Add(body.ToArray());
        }
    }

    private static (byte[] Stream, List<byte[]> Bodies) Stream(ulong seed, int count, int maxLength)
    {
        var random = new SeededRandom(seed);
        var stream = new ArrayBufferWriter<byte>();
        var bodies = new List<byte[]>();
        for (var i = 0; i < count; i++)
        {
            var body = new byte[1 + random.NextInt(maxLength)];
            for (var j = 0; j < body.Length; j++)
            {
                body[j] = (byte)random.NextUInt64();
            }

            bodies.Add(body);
            Assert.True(FrameCodec.WriteFrame(body, stream));
        }

        return (stream.WrittenSpan.ToArray(), bodies);
    }
}
