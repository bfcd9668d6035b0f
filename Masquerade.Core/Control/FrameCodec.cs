using System.Buffers;
using System.Buffers.Binary;

namespace Masquerade.Core.Control;

/// <summary>A frame on a byte stream: four octets of length, big-endian, then the body.</summary>
public static class FrameCodec
{
    /// <summary>Octets of the length prefix.</summary>
    public const int PrefixLength = 4;

    /// <summary>
    /// Writes a frame around a body. False, and nothing is written, for an empty body or one above <see cref="ControlLimits.MaxFrameBytes"/>: the other end would have to
    /// end the session, and a message that is repeated would end every session after it too.
    /// </summary>
    public static bool WriteFrame(ReadOnlySpan<byte> body, IBufferWriter<byte> output)
    {
        if (body.Length is 0 or > ControlLimits.MaxFrameBytes)
        {
            return false;
        }

        BinaryPrimitives.WriteUInt32BigEndian(output.GetSpan(PrefixLength), (uint)body.Length);
        output.Advance(PrefixLength);
        output.Write(body);
        return true;
    }

    /// <summary>
    /// Encodes a message and writes it as a frame. False, and nothing is written, if the other end would have to refuse it; who sends it must say so where somebody reads
    /// it, for a message that is repeated would never get through.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="scratch">Is overwritten.</param>
    /// <param name="output">Where the frame goes.</param>
    /// <param name="reason">Why not; null if it was written.</param>
    public static bool TryWriteMessage(ControlMessage message, ArrayBufferWriter<byte> scratch, IBufferWriter<byte> output, out string? reason)
    {
        reason = MessageSize.Excess(message);
        if (reason is null)
        {
            try
            {
                scratch.ResetWrittenCount();
                ControlCodec.Encode(message, scratch);
                reason = WriteFrame(scratch.WrittenSpan, output) ? null : $"{scratch.WrittenCount} octets do not fit a frame";
            }
            catch (ArgumentException e)
            {
                reason = e.Message;
            }
        }

        reason = reason is null ? null : $"{message.GetType().Name} {message.Id} was not sent: {reason}";
        return reason is null;
    }
}

/// <summary>
/// Cuts a byte stream into frames, whatever pieces it comes in. Between two pieces all whole frames are to be read; so it holds at most one frame and one piece.
/// </summary>
public sealed class FrameDecoder
{
    private byte[] _buffer = new byte[4_096];
    private int _start;
    private int _end;

    /// <summary>Why the stream cannot be read on; null while it can.</summary>
    public string? Error { get; private set; }

    /// <summary>The most octets that a frame's body may have, 1 to <see cref="ControlLimits.MaxFrameBytes"/>.</summary>
    public int Limit { get; set; } = ControlLimits.MaxFrameBytes;

    /// <summary>Adds octets that have come. After an error they are ignored.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        if (Error is not null)
        {
            return;
        }

        var live = _end - _start;
        if (live > FrameCodec.PrefixLength + ControlLimits.MaxFrameBytes)
        {
            Error = $"{live} octets wait to be read";
            return;
        }

        if (_end + data.Length > _buffer.Length)
        {
            var target = live + data.Length > _buffer.Length ? new byte[Math.Max(_buffer.Length * 2, live + data.Length)] : _buffer;
            _buffer.AsSpan(_start, live).CopyTo(target);
            (_buffer, _start, _end) = (target, 0, live);
        }

        data.CopyTo(_buffer.AsSpan(_end));
        _end += data.Length;
    }

    /// <summary>Takes the next whole frame's body, valid until the next <see cref="Append"/>. False if there is none yet, or after an error.</summary>
    public bool TryRead(out ReadOnlyMemory<byte> body)
    {
        body = default;
        if (Error is not null || _end - _start < FrameCodec.PrefixLength)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadUInt32BigEndian(_buffer.AsSpan(_start));
        if (length == 0 || length > Limit)
        {
            Error = $"a frame of {length} octets is not allowed (1 to {Limit})";
            return false;
        }

        if (_end - _start - FrameCodec.PrefixLength < length)
        {
            return false;
        }

        body = _buffer.AsMemory(_start + FrameCodec.PrefixLength, (int)length);
        _start += FrameCodec.PrefixLength + (int)length;
        return true;
    }
}
