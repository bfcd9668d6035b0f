using System.Buffers.Binary;
using System.Text;

namespace Masquerade.Core.Control;

/// <summary>
/// Reads values of the MessagePack format from outside. Every method returns false on anything unexpected, never throws, never reads outside and never allocates
/// for more than is there; after a false the position means nothing.
/// </summary>
public ref struct MessagePackReader
{
    private const int MaxDepth = 16;

    private ReadOnlySpan<byte> _rest;

    /// <summary>A reader over a buffer.</summary>
    public MessagePackReader(ReadOnlySpan<byte> data) => _rest = data;

    /// <summary>Whether everything has been read.</summary>
    public readonly bool End => _rest.IsEmpty;

    /// <summary>How many octets are left.</summary>
    public readonly int Remaining => _rest.Length;

    /// <summary>Reads nil if it is next; otherwise nothing is read.</summary>
    public bool TryReadNil()
    {
        if (_rest.IsEmpty || _rest[0] != 0xC0)
        {
            return false;
        }

        _rest = _rest[1..];
        return true;
    }

    /// <summary>Reads a boolean.</summary>
    public bool TryReadBoolean(out bool value)
    {
        value = false;
        if (_rest.IsEmpty || _rest[0] is not (0xC2 or 0xC3))
        {
            return false;
        }

        value = _rest[0] == 0xC3;
        _rest = _rest[1..];
        return true;
    }

    /// <summary>Reads a number that is not negative, of any width.</summary>
    public bool TryReadUInt64(out ulong value)
    {
        value = 0;
        if (_rest.IsEmpty)
        {
            return false;
        }

        var code = _rest[0];
        if (code < 0x80)
        {
            value = code;
            _rest = _rest[1..];
            return true;
        }

        switch (code)
        {
            case 0xCC or 0xCD or 0xCE or 0xCF:
                return TryTake(1 << (code - 0xCC), out value);
            case 0xD0 or 0xD1 or 0xD2 or 0xD3:
                return TryReadInt64(out var signed) && signed >= 0 && (value = (ulong)signed) == (ulong)signed;
            default:
                return false;
        }
    }

    /// <summary>Reads a number that fits 64 bits with sign, of any width.</summary>
    public bool TryReadInt64(out long value)
    {
        value = 0;
        if (_rest.IsEmpty)
        {
            return false;
        }

        var code = _rest[0];
        if (code >= 0xE0)
        {
            value = (sbyte)code;
            _rest = _rest[1..];
            return true;
        }

        if (code is >= 0xD0 and <= 0xD3)
        {
            var width = 1 << (code - 0xD0);
            if (!TryTake(width, out var raw))
            {
                return false;
            }

            var shift = 64 - (8 * width);
            value = (long)(raw << shift) >> shift;
            return true;
        }

        if (!TryReadUInt64(out var unsigned) || unsigned > long.MaxValue)
        {
            return false;
        }

        value = (long)unsigned;
        return true;
    }

    /// <summary>Reads a number up to a maximum.</summary>
    public bool TryReadUInt32(out uint value, uint maximum = uint.MaxValue)
    {
        value = 0;
        if (!TryReadUInt64(out var wide) || wide > maximum)
        {
            return false;
        }

        value = (uint)wide;
        return true;
    }

    /// <summary>Reads a single- or double-precision number.</summary>
    public bool TryReadDouble(out double value)
    {
        value = 0;
        if (_rest.IsEmpty || _rest[0] is not (0xCA or 0xCB))
        {
            return false;
        }

        var isSingle = _rest[0] == 0xCA;
        if (!TryTake(isSingle ? 4 : 8, out var raw))
        {
            return false;
        }

        value = isSingle ? BitConverter.UInt32BitsToSingle((uint)raw) : BitConverter.UInt64BitsToDouble(raw);
        return true;
    }

    /// <summary>Reads a text of at most <paramref name="maxBytes"/> octets of valid UTF-8.</summary>
    public bool TryReadString(int maxBytes, out string value)
    {
        value = string.Empty;
        if (_rest.IsEmpty)
        {
            return false;
        }

        var code = _rest[0];
        ulong length;
        if (code is >= 0xA0 and <= 0xBF)
        {
            length = code & 0x1Fu;
            _rest = _rest[1..];
        }
        else if (code is not (0xD9 or 0xDA or 0xDB) || !TryTake(1 << (code - 0xD9), out length))
        {
            return false;
        }

        if (length > (ulong)_rest.Length || length > (ulong)maxBytes)
        {
            return false;
        }

        var text = _rest[..(int)length];
        _rest = _rest[(int)length..];
        if (!System.Text.Unicode.Utf8.IsValid(text))
        {
            return false;
        }

        value = Encoding.UTF8.GetString(text);
        return true;
    }

    /// <summary>Reads octets; the span is part of the input.</summary>
    public bool TryReadBytes(out ReadOnlySpan<byte> value)
    {
        value = default;
        if (_rest.IsEmpty || _rest[0] is not (0xC4 or 0xC5 or 0xC6) || !TryTake(1 << (_rest[0] - 0xC4), out var length) || length > (ulong)_rest.Length)
        {
            return false;
        }

        value = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return true;
    }

    /// <summary>Reads the start of an array; no more elements than octets are left can follow.</summary>
    public bool TryReadArrayHeader(out int count) => TryReadHeader(0x90, 0xDC, out count);

    /// <summary>Reads the start of a map; no more pairs than half the octets that are left can follow.</summary>
    public bool TryReadMapHeader(out int count) => TryReadHeader(0x80, 0xDE, out count) && count <= _rest.Length / 2;

    /// <summary>Passes over one value of any kind, with what is in it.</summary>
    public bool TrySkip() => TrySkip(0);

    private bool TrySkip(int depth)
    {
        if (_rest.IsEmpty || depth > MaxDepth)
        {
            return false;
        }

        var code = _rest[0];
        switch (code)
        {
            case < 0x80 or >= 0xE0 or 0xC0 or 0xC2 or 0xC3:
                _rest = _rest[1..];
                return true;
            case >= 0xA0 and <= 0xBF:
                return TryDrop(1 + (code & 0x1F));
            case 0xC4 or 0xC5 or 0xC6:
                return TryTake(1 << (code - 0xC4), out var octets) && TryDrop(octets);
            case 0xD9 or 0xDA or 0xDB:
                return TryTake(1 << (code - 0xD9), out var characters) && TryDrop(characters);
            case 0xC7 or 0xC8 or 0xC9:
                return TryTake(1 << (code - 0xC7), out var extension) && TryDrop(extension + 1);
            case >= 0xD4 and <= 0xD8:
                return TryDrop(2 + (1 << (code - 0xD4)));
            case 0xCA:
                return TryDrop(5);
            case 0xCB:
                return TryDrop(9);
            case >= 0xCC and <= 0xCF:
                return TryDrop(1 + (1 << (code - 0xCC)));
            case >= 0xD0 and <= 0xD3:
                return TryDrop(1 + (1 << (code - 0xD0)));
            case (>= 0x90 and <= 0x9F) or 0xDC or 0xDD:
                return TryReadArrayHeader(out var elements) && TrySkipMany(elements, depth);
            case (>= 0x80 and <= 0x8F) or 0xDE or 0xDF:
                return TryReadMapHeader(out var pairs) && TrySkipMany(pairs * 2L, depth);
            default:
                return false;
        }
    }

    private bool TrySkipMany(long count, int depth)
    {
        for (; count > 0; count--)
        {
            if (!TrySkip(depth + 1))
            {
                return false;
            }
        }

        return true;
    }

    private bool TryReadHeader(byte small, byte wide, out int count)
    {
        count = 0;
        if (_rest.IsEmpty)
        {
            return false;
        }

        ulong length;
        if ((_rest[0] & 0xF0) == small)
        {
            length = _rest[0] & 0x0Fu;
            _rest = _rest[1..];
        }
        else if ((_rest[0] != wide && _rest[0] != wide + 1) || !TryTake(_rest[0] == wide ? 2 : 4, out length))
        {
            return false;
        }

        count = (int)Math.Min(length, int.MaxValue);
        return length <= (ulong)_rest.Length;
    }

    /// <summary>Reads a code and the big-endian number of this width behind it.</summary>
    private bool TryTake(int width, out ulong value)
    {
        value = 0;
        if (_rest.Length < 1 + width)
        {
            return false;
        }

        Span<byte> all = stackalloc byte[8];
        all.Clear();
        _rest.Slice(1, width).CopyTo(all[(8 - width)..]);
        value = BinaryPrimitives.ReadUInt64BigEndian(all);
        _rest = _rest[(1 + width)..];
        return true;
    }

    private bool TryDrop(ulong octets)
    {
        if (octets > (ulong)_rest.Length)
        {
            return false;
        }

        _rest = _rest[(int)octets..];
        return true;
    }

    private bool TryDrop(int octets) => TryDrop((ulong)octets);
}
