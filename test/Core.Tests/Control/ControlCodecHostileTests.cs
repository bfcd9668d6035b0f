using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Control;

/// <summary>Whatever octets come: an error with a reason, never an exception, and never memory out of proportion to what was sent.</summary>
public sealed class ControlCodecHostileTests(ITestOutputHelper output)
{
    /// <summary>What decoding may allocate: a few objects and texts, and a factor for what short encodings become in memory.</summary>
    private const long FixedAllowance = 16 * 1024;

    private const long AllowancePerOctet = 48;

    [Fact]
    public void Truncation_at_every_length_is_an_error()
    {
        var random = new RandomMessages(Seed.Number(output));
        for (var i = 0; i < 5; i++)
        {
            foreach (var type in RandomMessages.Types)
            {
                var body = Encoded.Body(random.Next(type));
                for (var length = 0; length < body.Length; length++)
                {
                    Encoded.Refusal(body.AsSpan(0, length));
                }
            }
        }
    }

    /// <summary>100,000 valid messages with flipped bits. What is taken nevertheless is a message: written again it reads the same.</summary>
    [Fact]
    public void Flipped_bits_never_throw_and_what_is_taken_is_sound()
    {
        var seed = Seed.Number(output);
        var random = new SeededRandom(seed);
        var messages = new RandomMessages(seed) { MaxList = 3 };
        var taken = 0;
        for (var i = 0; i < 100_000; i++)
        {
            var body = Encoded.Body(messages.Next());
            for (var flips = 1 + random.NextInt(4); flips > 0; flips--)
            {
                body[random.NextInt(body.Length)] ^= (byte)(1 << random.NextInt(8));
            }

            if (DecodeMeasured(body) is { } message)
            {
                taken++;
                Assert.Equal(RandomMessages.Describe(message), RandomMessages.Describe(Encoded.Decode(Encoded.Body(message))));
            }
        }

        output.WriteLine($"{taken} of 100000 were still messages");
        Assert.InRange(taken, 1, 99_999);
    }

    [Fact]
    public void Random_octets_never_throw()
    {
        var random = Seed.Fresh(output);
        for (var i = 0; i < 100_000; i++)
        {
            var body = new byte[random.NextInt(80)];
            for (var j = 0; j < body.Length; j++)
            {
                body[j] = (byte)random.NextUInt64();
            }

            // Half of them get past the header, so that the fields are tried as well.
            if (i % 2 == 0 && body.Length > 3)
            {
                var types = ControlCodec.TypeNumbers.Values.ToArray();
                (body[0], body[1], body[2], body[3]) = ((byte)(0x93 + random.NextInt(9)), 1, (byte)types[random.NextInt(types.Length)], 1);
            }

            DecodeMeasured(body);
        }
    }

    /// <summary>Whole octets replaced by the codes of containers and lengths, which is where a decoder would be led to allocate.</summary>
    [Fact]
    public void Lengths_that_lie_never_allocate()
    {
        var seed = Seed.Number(output);
        var random = new SeededRandom(seed);
        var messages = new RandomMessages(seed) { MaxList = 2 };
        byte[] codes = [0xDC, 0xDD, 0xDE, 0xDF, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xD9, 0xDA, 0xDB, 0x9F, 0x8F, 0xBF, 0xC1, 0xFF];
        for (var i = 0; i < 50_000; i++)
        {
            var body = Encoded.Body(messages.Next());
            var at = random.NextInt(body.Length);
            body[at] = codes[random.NextInt(codes.Length)];
            for (var j = at + 1; j < Math.Min(at + 5, body.Length); j++)
            {
                body[j] = (byte)(random.Chance(0.5) ? 0xFF : random.NextUInt64());
            }

            DecodeMeasured(body);
        }
    }

    /// <summary>The most memory for the fewest octets: a whole frame of the smallest connections, and of the smallest mappings.</summary>
    [Theory]
    [InlineData(ControlLimits.MaxConnectionsPerMessage / ControlLimits.MaxConnectionsPerMapping, ControlLimits.MaxConnectionsPerMapping)]
    [InlineData(ControlLimits.MaxMappingsPerMessage, 0)]
    public void The_densest_frame_stays_within_the_bound(int mappings, int connections)
    {
        var endpoint = new TransportEndpoint(IpAddress.FromV4(1), 1);
        var record = new MappingRecord
        {
            Mapping = new MappingId(TransportProtocol.Udp, endpoint),
            ClientEndpoint = endpoint,
            Ham = new NodeId("a"),
            AnchorEpoch = new Epoch(1),
            Revision = 1,
            Connections = [.. Enumerable.Repeat(new ConnectionRecord(endpoint, ConnectionState.None, 0), connections)],
        };
        var body = Encoded.Body(new AnchorReport { Id = 1, Client = default, Epoch = default, FamEpoch = default, Mappings = [.. Enumerable.Repeat(record, mappings)] });
        Assert.True(body.Length <= ControlLimits.MaxFrameBytes, $"the frame has {body.Length} octets");
        Assert.NotNull(DecodeMeasured(body));
    }

    /// <summary>Arrays in arrays in fields of "a later version": the depth is limited, the stack is not the sender's.</summary>
    [Fact]
    public void Deep_nesting_is_refused()
    {
        byte[] header = [0x94, 1, 4, 1];
        foreach (var code in (ReadOnlySpan<byte>)[0x91, 0x81])
        {
            var deep = new byte[ControlLimits.MaxFrameBytes];
            deep.AsSpan().Fill(code);
            header.CopyTo(deep, 0);
            Assert.Null(DecodeMeasured(deep));
        }
    }

    private static ControlMessage? DecodeMeasured(byte[] body)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var ok = ControlCodec.TryDecode(body, out var message, out var error);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(
            allocated <= FixedAllowance + (AllowancePerOctet * body.Length),
            $"{allocated} octets allocated for a body of {body.Length}: {Convert.ToHexString(body.AsSpan(0, Math.Min(body.Length, 200)))}");
        Assert.Equal(ok, message is not null);
        Assert.Equal(ok, error.Length == 0);
        return message;
    }
}
