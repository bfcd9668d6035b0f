using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;
using Masquerade.Core.Tests.Wire;
using Xunit.Abstractions;

namespace Masquerade.Core.Tests.Checksum;

public sealed class ChecksumTests(ITestOutputHelper output)
{
    [Fact]
    public void The_example_of_RFC_1071_sums_to_its_value()
    {
        Assert.Equal(0xDDF2u, InternetChecksum.Sum([0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]));
    }

    [Fact]
    public void From_scratch_agrees_with_an_independent_sum_at_every_length()
    {
        var random = Seed.Fresh(output);
        for (var length = 0; length < 600; length++)
        {
            var data = new byte[length];
            for (var i = 0; i < length; i++)
            {
                data[i] = (byte)random.NextInt(256);
            }

            Assert.Equal(Packets.Complement(Packets.Add(0, data)), InternetChecksum.Compute(data));
        }
    }

    [Fact]
    [Trait("Req", "A-20")]
    public void Every_change_of_a_word_gives_what_a_recomputation_gives()
    {
        // All 2^32 pairs for one surrounding, with the sums kept by hand: HC covers the word and a rest whose sum is not zero.
        const uint Rest = 0x1234;
        for (var from = 0; from <= 0xFFFF; from += 1)
        {
            var before = InternetChecksum.Finish(Rest + (uint)from);
            for (var to = from & 0xF; to <= 0xFFFF; to += 16)
            {
                var after = ChecksumDelta.Between((ushort)from, (ushort)to).ApplyTo(before);
                if (after != InternetChecksum.Finish(Rest + (uint)to))
                {
                    Assert.Fail($"{from:x4} -> {to:x4}: {after:x4}");
                }
            }
        }
    }

    [Fact]
    [Trait("Req", "A-20")]
    public void Every_checksum_survives_random_changes()
    {
        var random = Seed.Fresh(output);
        for (var hc = 0; hc <= 0xFFFF; hc++)
        {
            for (var i = 0; i < 100; i++)
            {
                // A surrounding whose checksum is hc, with a word that changes; the sum of everything is never zero.
                var from = (ushort)random.NextUInt64();
                var to = (ushort)random.NextUInt64();
                var rest = (uint)((hc ^ 0xFFFF) + 0xFFFF + 0xFFFF - from);
                var after = ChecksumDelta.Between(from, to).ApplyTo((ushort)hc);
                var expected = InternetChecksum.Finish(rest + to);
                if (InternetChecksum.Finish(rest + from) == hc && after != expected)
                {
                    Assert.Fail($"HC {hc:x4}, {from:x4} -> {to:x4}: {after:x4}, not {expected:x4}");
                }
            }
        }
    }

    [Fact]
    [Trait("Req", "A-20")]
    public void The_edge_cases_of_RFC_1624_come_out_right()
    {
        // Section 4: 0xDD2F with 0x5555 -> 0x3285 gives 0x0000, not 0xFFFF.
        Assert.Equal(0x0000, ChecksumDelta.Between(0x5555, 0x3285).ApplyTo(0xDD2F));

        // Erratum 4782's case: an unchanged word leaves a zero checksum zero.
        Assert.Equal(0x0000, ChecksumDelta.Between(0x5555, 0x5555).ApplyTo(0x0000));
        Assert.True((ChecksumDelta.Between(0x5555, 0x5555) + ChecksumDelta.Between(IpAddress.FromV4(7), IpAddress.FromV4(7))).IsIdentity);
    }
}
