using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Masquerade.Core.Control;

/// <summary>Writes values of the MessagePack format, each in its smallest encoding, to a growing buffer.</summary>
public ref struct MessagePackWriter
{
    private readonly IBufferWriter<byte> _output;

    /// <summary>A writer to a buffer.</summary>
    public MessagePackWriter(IBufferWriter<byte> output) => _output = output;

    /// <summary>Writes nil.</summary>
    public readonly void WriteNil() => Put(0xC0);

    /// <summary>Writes a boolean.</summary>
    public readonly void Write(bool value) => Put(value ? (byte)0xC3 : (byte)0xC2);

    /// <summary>Writes an unsigned number.</summary>
    public readonly void Write(ulong value)
    {
        switch (value)
        {
            case < 0x80:
                Put((byte)value);
                break;
            case <= byte.MaxValue:
                Put(0xCC, value, 1);
                break;
            case <= ushort.MaxValue:
                Put(0xCD, value, 2);
                break;
            case <= uint.MaxValue:
                Put(0xCE, value, 4);
                break;
            default:
                Put(0xCF, value, 8);
                break;
        }
    }

    /// <summary>Writes a signed number.</summary>
    public readonly void Write(long value)
    {
        switch (value)
        {
            case >= 0:
                Write((ulong)value);
                break;
            case >= -32:
                Put((byte)value);
                break;
            case >= sbyte.MinValue:
                Put(0xD0, (ulong)value, 1);
                break;
            case >= short.MinValue:
                Put(0xD1, (ulong)value, 2);
                break;
            case >= int.MinValue:
                Put(0xD2, (ulong)value, 4);
                break;
            default:
                Put(0xD3, (ulong)value, 8);
                break;
        }
    }

    /// <summary>Writes a double-precision number.</summary>
    public readonly void Write(double value) => Put(0xCB, BitConverter.DoubleToUInt64Bits(value), 8);

    /// <summary>Writes a text, or nil for null.</summary>
    public readonly void Write(string? value)
    {
        if (value is null)
        {
            WriteNil();
            return;
        }

        var length = Encoding.UTF8.GetByteCount(value);
        switch (length)
        {
            case < 32:
                Put((byte)(0xA0 | length));
                break;
            case <= byte.MaxValue:
                Put(0xD9, (ulong)length, 1);
                break;
            case <= ushort.MaxValue:
                Put(0xDA, (ulong)length, 2);
                break;
            default:
                Put(0xDB, (ulong)length, 4);
                break;
        }

        Encoding.UTF8.GetBytes(value, _output.GetSpan(Math.Max(1, length)));
        _output.Advance(length);
    }

    /// <summary>Writes octets.</summary>
    public readonly void Write(ReadOnlySpan<byte> value)
    {
        switch (value.Length)
        {
            case <= byte.MaxValue:
                Put(0xC4, (ulong)value.Length, 1);
                break;
            case <= ushort.MaxValue:
                Put(0xC5, (ulong)value.Length, 2);
                break;
            default:
                Put(0xC6, (ulong)value.Length, 4);
                break;
        }

        _output.Write(value);
    }

    /// <summary>Starts an array of this many elements.</summary>
    public readonly void WriteArrayHeader(int count)
    {
        switch (count)
        {
            case < 16:
                Put((byte)(0x90 | count));
                break;
            case <= ushort.MaxValue:
                Put(0xDC, (ulong)count, 2);
                break;
            default:
                Put(0xDD, (ulong)count, 4);
                break;
        }
    }

    /// <summary>Starts a map of this many pairs.</summary>
    public readonly void WriteMapHeader(int count)
    {
        switch (count)
        {
            case < 16:
                Put((byte)(0x80 | count));
                break;
            case <= ushort.MaxValue:
                Put(0xDE, (ulong)count, 2);
                break;
            default:
                Put(0xDF, (ulong)count, 4);
                break;
        }
    }

    private readonly void Put(byte value)
    {
        _output.GetSpan(1)[0] = value;
        _output.Advance(1);
    }

    private readonly void Put(byte code, ulong value, int width)
    {
        var span = _output.GetSpan(9);
        span[0] = code;
        Span<byte> all = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(all, value);
        all[(8 - width)..].CopyTo(span[1..]);
        _output.Advance(1 + width);
    }
}
