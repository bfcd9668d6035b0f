using System.Globalization;
using System.Text;
using Masquerade.Core.Control;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>
/// Another implementation of the format as judge: Debian's python3-msgpack reads what is written here and writes what is read here, and the octets are the same.
/// </summary>
public sealed class MessagePackPythonTests(ITestOutputHelper output)
{
    /// <summary>Reads hex lines; answers each with what the value is, as text, and with its own encoding of it.</summary>
    private const string Judge = """
        import sys, struct
        import msgpack
        def say(v):
            if v is None: return 'n'
            if v is True: return 't'
            if v is False: return 'f'
            if isinstance(v, int): return 'i%d' % v
            if isinstance(v, float): return 'd' + struct.pack('>d', v).hex()
            if isinstance(v, str): return 's' + v.encode('utf-8').hex()
            if isinstance(v, bytes): return 'b' + v.hex()
            if isinstance(v, (list, tuple)): return '[' + ','.join(say(e) for e in v) + ']'
            if isinstance(v, dict): return '{' + ','.join(say(k) + '=' + say(e) for k, e in v.items()) + '}'
            raise TypeError(type(v))
        pack = lambda v: msgpack.packb(v, use_bin_type=True)
        """;

    private const string ReadScript = Judge + """

        for line in sys.stdin:
            raw = bytes.fromhex(line.strip())
            v = msgpack.unpackb(raw, raw=False, strict_map_key=False)
            print(say(v), pack(v).hex())
        """;

    /// <summary>Writes values at all borders of widths and random ones; what has no counterpart here is marked "skip".</summary>
    private const string WriteScript = Judge + """

        import random
        r = random.Random(int(sys.argv[1]))
        values = [None, True, False]
        for bits in (5, 7, 8, 15, 16, 31, 32, 63, 64):
            for d in range(-3, 4):
                for v in ((1 << bits) + d, -(1 << bits) + d):
                    if -(1 << 63) <= v < (1 << 64): values.append(v)
        values += [0.0, -0.0, 1.5, -1e308, 5e-324, float('inf'), float('-inf'), float('nan')]
        for n in (0, 1, 15, 16, 17, 31, 32, 33, 254, 255, 256, 257, 65534, 65535, 65536, 65537):
            values += ['x' * n, bytes(i & 255 for i in range(n)), [0] * n, {i: None for i in range(n)}]
        values += ['\u20ac' * n for n in (10, 11, 85, 86, 21845, 21846)] + ['\U0001f600\0\n']
        def any_value(depth):
            k = r.randrange(9 if depth else 7)
            if k == 0: return r.choice([None, True, False])
            if k in (1, 2): return r.getrandbits(r.randrange(1, 65))
            if k == 3: return -r.getrandbits(r.randrange(1, 64))
            if k == 4: return struct.unpack('>d', struct.pack('>Q', r.getrandbits(64)))[0] if r.random() < 0.1 else r.uniform(-1e9, 1e9)
            if k == 5: return ''.join(r.choice('aZ \u00e9\u20ac\U0001f600') for _ in range(r.randrange(300)))
            if k == 6: return bytes(r.getrandbits(8) for _ in range(r.randrange(300)))
            if k == 7: return [any_value(depth - 1) for _ in range(r.randrange(20))]
            return {r.getrandbits(20): any_value(depth - 1) for _ in range(r.randrange(20))}
        values += [any_value(3) for _ in range(1500)]
        for v in values:
            print(say(v), pack(v).hex())
        for n in (0, 1, 2, 4, 8, 16, 3, 17, 255, 256, 65535, 65536):
            print('skip', pack(msgpack.ExtType(5, bytes(n))).hex())
        for t in (msgpack.Timestamp(0, 0), msgpack.Timestamp(2 ** 32 - 1, 0), msgpack.Timestamp(2 ** 32, 1), msgpack.Timestamp(2 ** 34, 5), msgpack.Timestamp(-1, 999999999)):
            print('skip', pack(t).hex())
        for x in (0.0, 1.5, -3.25, float('inf')):
            print('single' + struct.pack('>d', x).hex(), msgpack.packb(x, use_single_float=True).hex())
        """;

    [Fact]
    public void Python_reads_what_is_written_here()
    {
        var written = new List<(byte[] Octets, string Meaning)>();
        foreach (var bits in (int[])[5, 7, 8, 15, 16, 31, 32, 63])
        {
            for (var delta = -3; delta <= 3; delta++)
            {
                var unsigned = unchecked((1UL << bits) + (ulong)(long)delta);
                written.Add((Encoded.Values(w => w.Write(unsigned)), $"i{unsigned}"));
                if (bits < 63)
                {
                    var signed = -(1L << bits) + delta;
                    written.Add((Encoded.Values(w => w.Write(signed)), string.Create(CultureInfo.InvariantCulture, $"i{signed}")));
                }
            }
        }

        foreach (var signed in (long[])[0, -1, long.MinValue, long.MaxValue])
        {
            written.Add((Encoded.Values(w => w.Write(signed)), string.Create(CultureInfo.InvariantCulture, $"i{signed}")));
        }

        written.Add((Encoded.Values(w => w.Write(ulong.MaxValue)), $"i{ulong.MaxValue}"));
        foreach (var number in (double[])[0, -0.0, 1.5, double.MaxValue, double.Epsilon, double.NegativeInfinity])
        {
            written.Add((Encoded.Values(w => w.Write(number)), $"d{BitConverter.DoubleToUInt64Bits(number):x16}"));
        }

        foreach (var length in (int[])[0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536])
        {
            var octets = new byte[length];
            new Random(length).NextBytes(octets);
            written.Add((Encoded.Values(w => w.Write(octets)), $"b{Hex(octets)}"));
            var text = new string('y', length);
            written.Add((Encoded.Values(w => w.Write(text)), $"s{Hex(Encoding.UTF8.GetBytes(text))}"));
            written.Add((
                Encoded.Values(w =>
                {
                    w.WriteArrayHeader(length);
                    for (var i = 0; i < length; i++)
                    {
                        w.Write(i % 2 == 0);
                    }
                }),
                $"[{string.Join(',', Enumerable.Range(0, length).Select(i => i % 2 == 0 ? "t" : "f"))}]"));
            written.Add((
                Encoded.Values(w =>
                {
                    w.WriteMapHeader(length);
                    for (var i = 0; i < length; i++)
                    {
                        w.Write((ulong)i);
                        w.WriteNil();
                    }
                }),
                $"{{{string.Join(',', Enumerable.Range(0, length).Select(i => $"i{i}=n"))}}}"));
        }

        Compare(written);
    }

    /// <summary>Whole messages: Python finds the values of the header where they belong, and its own smallest encoding is ours.</summary>
    [Fact]
    public void Python_reads_and_rewrites_every_message_octet_for_octet()
    {
        var random = new RandomMessages(Seed.Number(output)) { MaxList = 20 };
        var written = new List<(byte[] Octets, string Meaning)>();
        for (var i = 0; i < 40; i++)
        {
            foreach (var type in RandomMessages.Types)
            {
                var message = random.Next(type);
                var body = Encoded.Body(message);
                var meaning = Say(body);
                Assert.StartsWith(FormattableString.Invariant($"[i1,i{ControlCodec.TypeNumbers[type]},i{message.Id}"), meaning, StringComparison.Ordinal);
                written.Add((body, meaning));
            }
        }

        Compare(written);
    }

    [Fact]
    public void What_Python_writes_is_read_here_and_written_the_same()
    {
        var seed = (int)(Seed.Number(output) & 0x7FFF_FFFF);
        var lines = Python(WriteScript, [seed.ToString(CultureInfo.InvariantCulture)], []);
        Assert.InRange(lines.Length, 1_700, int.MaxValue);
        foreach (var line in lines)
        {
            var (meaning, octets) = Split(line);
            if (meaning.StartsWith("single", StringComparison.Ordinal))
            {
                var single = new MessagePackReader(octets);
                Assert.Equal(0xCA, octets[0]);
                Assert.True(single.TryReadDouble(out var value) && single.End);
                Assert.Equal(meaning["single".Length..], BitConverter.DoubleToUInt64Bits(value).ToString("x16", CultureInfo.InvariantCulture));
                continue;
            }

            var skipped = new MessagePackReader(octets);
            Assert.True(skipped.TrySkip() && skipped.End, line[..Math.Min(line.Length, 100)]);
            if (!meaning.Equals("skip", StringComparison.Ordinal))
            {
                Assert.Equal(meaning, Say(octets));
                Assert.Equal(octets, Encoded.Values(w =>
                {
                    var reader = new MessagePackReader(octets);
                    Copy(ref reader, w);
                }));
            }
        }
    }

    private static void Compare(List<(byte[] Octets, string Meaning)> written)
    {
        var lines = Python(ReadScript, [], written.Select(w => Hex(w.Octets)));
        Assert.Equal(written.Count, lines.Length);
        for (var i = 0; i < lines.Length; i++)
        {
            var (meaning, octets) = Split(lines[i]);
            Assert.Equal(written[i].Meaning, meaning);
            Assert.Equal(Hex(written[i].Octets), Hex(octets));
        }
    }

    private static string Say(byte[] octets)
    {
        var reader = new MessagePackReader(octets);
        var text = new StringBuilder();
        Say(ref reader, text);
        Assert.True(reader.End);
        return text.ToString();
    }

    /// <summary>What a value is, in the words of the script.</summary>
    private static void Say(ref MessagePackReader reader, StringBuilder text)
    {
        var start = reader;
        if (reader.TryReadNil())
        {
            text.Append('n');
        }
        else if (Try(ref reader, start, reader.TryReadBoolean(out var boolean)))
        {
            text.Append(boolean ? 't' : 'f');
        }
        else if (Try(ref reader, start, reader.TryReadInt64(out var signed)))
        {
            text.Append(CultureInfo.InvariantCulture, $"i{signed}");
        }
        else if (Try(ref reader, start, reader.TryReadUInt64(out var unsigned)))
        {
            text.Append(CultureInfo.InvariantCulture, $"i{unsigned}");
        }
        else if (Try(ref reader, start, reader.TryReadDouble(out var number)))
        {
            text.Append(CultureInfo.InvariantCulture, $"d{BitConverter.DoubleToUInt64Bits(number):x16}");
        }
        else if (Try(ref reader, start, reader.TryReadString(int.MaxValue, out var letters)))
        {
            text.Append('s').Append(Hex(Encoding.UTF8.GetBytes(letters)));
        }
        else if (Try(ref reader, start, reader.TryReadBytes(out var octets)))
        {
            text.Append('b').Append(Hex(octets));
        }
        else if (Try(ref reader, start, reader.TryReadArrayHeader(out var elements)))
        {
            text.Append('[');
            for (var i = 0; i < elements; i++)
            {
                text.Append(i == 0 ? "" : ",");
                Say(ref reader, text);
            }

            text.Append(']');
        }
        else
        {
            Assert.True(Try(ref reader, start, reader.TryReadMapHeader(out var pairs)), "not a value that is known here");
            text.Append('{');
            for (var i = 0; i < pairs; i++)
            {
                text.Append(i == 0 ? "" : ",");
                Say(ref reader, text);
                text.Append('=');
                Say(ref reader, text);
            }

            text.Append('}');
        }
    }

    private static void Copy(ref MessagePackReader reader, MessagePackWriter writer)
    {
        var start = reader;
        if (reader.TryReadNil())
        {
            writer.WriteNil();
        }
        else if (Try(ref reader, start, reader.TryReadBoolean(out var boolean)))
        {
            writer.Write(boolean);
        }
        else if (Try(ref reader, start, reader.TryReadInt64(out var signed)))
        {
            writer.Write(signed);
        }
        else if (Try(ref reader, start, reader.TryReadUInt64(out var unsigned)))
        {
            writer.Write(unsigned);
        }
        else if (Try(ref reader, start, reader.TryReadDouble(out var number)))
        {
            writer.Write(number);
        }
        else if (Try(ref reader, start, reader.TryReadString(int.MaxValue, out var letters)))
        {
            writer.Write(letters);
        }
        else if (Try(ref reader, start, reader.TryReadBytes(out var octets)))
        {
            writer.Write(octets);
        }
        else if (Try(ref reader, start, reader.TryReadArrayHeader(out var elements)))
        {
            writer.WriteArrayHeader(elements);
            for (; elements > 0; elements--)
            {
                Copy(ref reader, writer);
            }
        }
        else
        {
            Assert.True(Try(ref reader, start, reader.TryReadMapHeader(out var pairs)), "not a value that is known here");
            writer.WriteMapHeader(pairs);
            for (pairs *= 2; pairs > 0; pairs--)
            {
                Copy(ref reader, writer);
            }
        }
    }

    /// <summary>After a failed read the position means nothing: back to the start of the value.</summary>
    private static bool Try(ref MessagePackReader reader, MessagePackReader start, bool read)
    {
        if (!read)
        {
            reader = start;
        }

        return read;
    }

    private static (string Meaning, byte[] Octets) Split(string line)
    {
        var space = line.IndexOf(' ', StringComparison.Ordinal);
        return (line[..space], Convert.FromHexString(line.AsSpan(space + 1)));
    }

    private static string Hex(ReadOnlySpan<byte> octets) => Convert.ToHexStringLower(octets);

    private static string[] Python(string script, string[] arguments, IEnumerable<string> input)
    {
        const string Interpreter = "/usr/bin/python3";
        Assert.True(File.Exists(Interpreter), $"{Interpreter} is missing: apt-get install python3 python3-msgpack");
        var (code, answer, said) = OutsideProgram.Run(Interpreter, ["-c", script, .. arguments], string.Concat(input.Select(line => line + "\n")));
        Assert.False(said.Contains("No module named 'msgpack'", StringComparison.Ordinal), "the judge of MessagePack is missing: apt-get install python3-msgpack");
        Assert.True(code == 0, said);
        return answer.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
