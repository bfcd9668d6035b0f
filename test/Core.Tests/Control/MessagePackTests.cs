using Masquerade.Core.Control;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>The format as published (github.com/msgpack/msgpack, spec.md): smallest form out, every form in, nothing else.</summary>
public sealed class MessagePackTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(0UL, "00")]
    [InlineData(0x7FUL, "7F")]
    [InlineData(0x80UL, "CC80")]
    [InlineData(0xFFUL, "CCFF")]
    [InlineData(0x100UL, "CD0100")]
    [InlineData(0xFFFFUL, "CDFFFF")]
    [InlineData(0x10000UL, "CE00010000")]
    [InlineData(0xFFFFFFFFUL, "CEFFFFFFFF")]
    [InlineData(0x100000000UL, "CF0000000100000000")]
    [InlineData(ulong.MaxValue, "CFFFFFFFFFFFFFFFFF")]
    public void Unsigned_numbers(ulong value, string hex)
    {
        Assert.Equal(hex, Convert.ToHexString(Encoded.Values(w => w.Write(value))));
        var reader = Reader(hex);
        Assert.True(reader.TryReadUInt64(out var read) && reader.End);
        Assert.Equal(value, read);
        reader = Reader(hex);
        Assert.Equal(value <= long.MaxValue, reader.TryReadInt64(out var signed));
        Assert.Equal(value <= long.MaxValue ? (long)value : 0, signed);
    }

    [Theory]
    [InlineData(-1L, "FF")]
    [InlineData(-32L, "E0")]
    [InlineData(-33L, "D0DF")]
    [InlineData(-128L, "D080")]
    [InlineData(-129L, "D1FF7F")]
    [InlineData(-32768L, "D18000")]
    [InlineData(-32769L, "D2FFFF7FFF")]
    [InlineData(int.MinValue, "D280000000")]
    [InlineData(int.MinValue - 1L, "D3FFFFFFFF7FFFFFFF")]
    [InlineData(long.MinValue, "D38000000000000000")]
    [InlineData(127L, "7F")]
    [InlineData(long.MaxValue, "CF7FFFFFFFFFFFFFFF")]
    public void Signed_numbers(long value, string hex)
    {
        Assert.Equal(hex, Convert.ToHexString(Encoded.Values(w => w.Write(value))));
        var reader = Reader(hex);
        Assert.True(reader.TryReadInt64(out var read) && reader.End);
        Assert.Equal(value, read);
        reader = Reader(hex);
        Assert.Equal(value >= 0, reader.TryReadUInt64(out _));
    }

    /// <summary>Other implementations may use a wider form than needed, or a signed one for what is not negative.</summary>
    [Theory]
    [InlineData("05")]
    [InlineData("CC05")]
    [InlineData("CD0005")]
    [InlineData("CE00000005")]
    [InlineData("CF0000000000000005")]
    [InlineData("D005")]
    [InlineData("D10005")]
    [InlineData("D200000005")]
    [InlineData("D30000000000000005")]
    public void A_number_is_read_in_every_width(string hex)
    {
        var reader = Reader(hex);
        Assert.True(reader.TryReadUInt64(out var unsigned) && reader.End);
        Assert.Equal(5UL, unsigned);
        reader = Reader(hex);
        Assert.True(reader.TryReadInt64(out var signed) && reader.End);
        Assert.Equal(5L, signed);
        reader = Reader(hex);
        Assert.True(reader.TryReadUInt32(out var narrow, 5) && reader.End);
        Assert.Equal(5U, narrow);
        reader = Reader(hex);
        Assert.False(reader.TryReadUInt32(out _, 4));
    }

    [Theory]
    [InlineData("A161")]
    [InlineData("D90161")]
    [InlineData("DA000161")]
    [InlineData("DB0000000161")]
    public void A_text_is_read_in_every_width(string hex)
    {
        var reader = Reader(hex);
        Assert.True(reader.TryReadString(1, out var text) && reader.End);
        Assert.Equal("a", text);
        reader = Reader(hex);
        Assert.False(reader.TryReadString(0, out _));
    }

    [Theory]
    [InlineData("C40161")]
    [InlineData("C5000161")]
    [InlineData("C60000000161")]
    public void Octets_are_read_in_every_width(string hex)
    {
        var reader = Reader(hex);
        Assert.True(reader.TryReadBytes(out var octets) && reader.End);
        Assert.Equal([0x61], octets.ToArray());
    }

    [Theory]
    [InlineData("91C0", "81C0C0")]
    [InlineData("DC0001C0", "DE0001C0C0")]
    [InlineData("DD00000001C0", "DF00000001C0C0")]
    public void Containers_are_read_in_every_width(string array, string map)
    {
        var reader = Reader(array);
        Assert.True(reader.TryReadArrayHeader(out var elements) && reader.TryReadNil() && reader.End);
        Assert.Equal(1, elements);
        reader = Reader(map);
        Assert.True(reader.TryReadMapHeader(out var pairs) && reader.TryReadNil() && reader.TryReadNil() && reader.End);
        Assert.Equal(1, pairs);
    }

    [Fact]
    public void Texts_octets_and_containers_use_the_smallest_form()
    {
        foreach (var (length, text, octets) in new[] { (0, "A0", "C400"), (31, "BF", "C41F"), (32, "D920", "C420"), (255, "D9FF", "C4FF"), (256, "DA0100", "C50100"), (65_535, "DAFFFF", "C5FFFF"), (65_536, "DB00010000", "C600010000") })
        {
            StartsWith(text, Encoded.Values(w => w.Write(new string('x', length))), length);
            StartsWith(octets, Encoded.Values(w => w.Write(new byte[length])), length);
        }

        foreach (var (count, array, map) in new[] { (0, "90", "80"), (15, "9F", "8F"), (16, "DC0010", "DE0010"), (65_535, "DCFFFF", "DEFFFF"), (65_536, "DD00010000", "DF00010000") })
        {
            Assert.Equal(array, Convert.ToHexString(Encoded.Values(w => w.WriteArrayHeader(count))));
            Assert.Equal(map, Convert.ToHexString(Encoded.Values(w => w.WriteMapHeader(count))));
        }

        static void StartsWith(string header, byte[] all, int length)
        {
            Assert.Equal(header, Convert.ToHexString(all.AsSpan(0, header.Length / 2)));
            Assert.Equal(length, all.Length - (header.Length / 2));
        }
    }

    [Fact]
    public void Booleans_nil_and_floating_point()
    {
        Assert.Equal("C2C3C0C0CB3FF8000000000000", Convert.ToHexString(Encoded.Values(w =>
        {
            w.Write(false);
            w.Write(true);
            w.WriteNil();
            w.Write((string?)null);
            w.Write(1.5);
        })));
        var reader = Reader("C2C3C0CB3FF8000000000000CA3FC00000");
        Assert.True(reader.TryReadBoolean(out var no) && !no);
        Assert.True(reader.TryReadBoolean(out var yes) && yes);
        Assert.False(reader.TryReadBoolean(out _));
        Assert.True(reader.TryReadNil());
        Assert.False(reader.TryReadNil());
        Assert.True(reader.TryReadDouble(out var wide));
        Assert.True(reader.TryReadDouble(out var narrow));
        Assert.True(reader.End);
        Assert.Equal((1.5, 1.5), (wide, narrow));
    }

    /// <summary>One value of every code of the format; nothing of it may be readable as something else, and each is passed over whole.</summary>
    [Fact]
    public void Every_code_is_passed_over_whole_and_at_no_shorter_length()
    {
        for (var code = 0; code <= 0xFF; code++)
        {
            var value = ValueOf((byte)code);
            var reader = new MessagePackReader([.. value, 0x2A]);
            if (code == 0xC1)
            {
                // Never used, says the format.
                Assert.False(reader.TrySkip());
                continue;
            }

            Assert.True(reader.TrySkip(), $"code {code:X2}");
            Assert.True(reader.TryReadUInt64(out var next) && next == 0x2A && reader.End, $"code {code:X2}");
            for (var length = 0; length < value.Length; length++)
            {
                reader = new MessagePackReader(value.AsSpan(0, length));
                Assert.False(reader.TrySkip(), $"code {code:X2} at {length}");
            }
        }
    }

    [Fact]
    public void Each_code_is_read_by_the_methods_of_its_kind_only()
    {
        for (var code = 0; code <= 0xFF; code++)
        {
            var value = ValueOf((byte)code);
            var kind = code switch
            {
                < 0x80 or >= 0xE0 or (>= 0xCC and <= 0xD3) => "number",
                <= 0x8F or 0xDE or 0xDF => "map",
                <= 0x9F or 0xDC or 0xDD => "array",
                <= 0xBF or (>= 0xD9 and <= 0xDB) => "text",
                0xC0 => "nil",
                0xC2 or 0xC3 => "boolean",
                0xC4 or 0xC5 or 0xC6 => "octets",
                0xCA or 0xCB => "float",
                _ => "none",
            };
            Assert.Equal(kind is "number", new MessagePackReader(value).TryReadInt64(out _));
            Assert.Equal(kind is "map", new MessagePackReader(value).TryReadMapHeader(out _));
            Assert.Equal(kind is "array", new MessagePackReader(value).TryReadArrayHeader(out _));
            Assert.Equal(kind is "text", new MessagePackReader(value).TryReadString(int.MaxValue, out _));
            Assert.Equal(kind is "nil", new MessagePackReader(value).TryReadNil());
            Assert.Equal(kind is "boolean", new MessagePackReader(value).TryReadBoolean(out _));
            Assert.Equal(kind is "octets", new MessagePackReader(value).TryReadBytes(out _));
            Assert.Equal(kind is "float", new MessagePackReader(value).TryReadDouble(out _));
        }
    }

    [Theory]
    [InlineData("D9FF61")]
    [InlineData("DAFFFF61")]
    [InlineData("DBFFFFFFFF61")]
    [InlineData("DB7FFFFFFF61")]
    [InlineData("C4FF61")]
    [InlineData("C6FFFFFFFF61")]
    [InlineData("C9FFFFFFFF0161")]
    [InlineData("DDFFFFFFFFC0")]
    [InlineData("DD80000000C0")]
    [InlineData("DFFFFFFFFFC0")]
    [InlineData("DF7FFFFFFFC0")]
    [InlineData("92C0")]
    [InlineData("82C0C0C0")]
    public void Lengths_beyond_the_input_are_refused(string hex)
    {
        Assert.False(Reader(hex).TryReadString(int.MaxValue, out _));
        Assert.False(Reader(hex).TryReadBytes(out _));
        Assert.False(Reader(hex).TryReadArrayHeader(out _));
        Assert.False(Reader(hex).TryReadMapHeader(out _));
        Assert.False(Reader(hex).TrySkip());
    }

    [Theory]
    [InlineData("A180")]
    [InlineData("A2C0AF")]
    [InlineData("A3EDA080")]
    [InlineData("A4F4908080")]
    [InlineData("A1C3")]
    public void Texts_that_are_not_UTF8_are_refused(string hex) => Assert.False(Reader(hex).TryReadString(100, out _));

    [Fact]
    public void Depth_is_limited()
    {
        foreach (var code in (ReadOnlySpan<byte>)[0x91, 0x81])
        {
            byte[] Nested(int depth) => [.. Enumerable.Range(0, depth).SelectMany(_ => code == 0x91 ? new byte[] { 0x91 } : [0x81, 0xC0]), 0xC0];
            Assert.True(new MessagePackReader(Nested(16)).TrySkip());
            Assert.False(new MessagePackReader(Nested(17)).TrySkip());
            Assert.False(new MessagePackReader(Nested(200_000)).TrySkip());
        }
    }

    [Fact]
    public void Random_octets_never_throw()
    {
        var random = Seed.Fresh(output);
        for (var i = 0; i < 200_000; i++)
        {
            var octets = new byte[random.NextInt(24)];
            for (var j = 0; j < octets.Length; j++)
            {
                octets[j] = (byte)random.NextUInt64();
            }

            var before = octets.Length;
            var reader = new MessagePackReader(octets);
            while (!reader.End && reader.TrySkip())
            {
                Assert.True(reader.Remaining < before, "no progress");
                before = reader.Remaining;
            }

            new MessagePackReader(octets).TryReadString(10, out _);
            new MessagePackReader(octets).TryReadBytes(out _);
            new MessagePackReader(octets).TryReadInt64(out _);
            new MessagePackReader(octets).TryReadUInt64(out _);
            new MessagePackReader(octets).TryReadDouble(out _);
        }
    }

    /// <summary>A value that starts with this code: contents are nil, numbers and 'a'.</summary>
    private static byte[] ValueOf(byte code)
    {
        byte[] Of(int zeros) => [code, .. new byte[zeros]];
        return code switch
        {
            < 0x80 or >= 0xE0 or 0xC0 or 0xC1 or 0xC2 or 0xC3 => [code],
            <= 0x8F => Of(2 * (code & 15)),
            <= 0x9F => Of(code & 15),
            <= 0xBF => [code, .. Enumerable.Repeat((byte)'a', code & 31)],
            0xC4 or 0xD9 => [code, 2, (byte)'a', (byte)'a'],
            0xC5 or 0xDA => [code, 0, 2, (byte)'a', (byte)'a'],
            0xC6 or 0xDB => [code, 0, 0, 0, 2, (byte)'a', (byte)'a'],
            0xC7 => [code, 2, 0xFF, 1, 1],
            0xC8 => [code, 0, 2, 0xFF, 1, 1],
            0xC9 => [code, 0, 0, 0, 2, 0xFF, 1, 1],
            0xCA or 0xCE or 0xD2 => Of(4),
            0xCB or 0xCF or 0xD3 => Of(8),
            0xCC or 0xD0 => Of(1),
            0xCD or 0xD1 => Of(2),
            <= 0xD8 => Of(1 + (1 << (code - 0xD4))),
            0xDC => [code, 0, 2, 1, 1],
            0xDD => [code, 0, 0, 0, 2, 1, 1],
            0xDE => [code, 0, 2, 1, 1, 1, 1],
            _ => [code, 0, 0, 0, 2, 1, 1, 1, 1],
        };
    }

    private static MessagePackReader Reader(string hex) => new(Convert.FromHexString(hex));
}
