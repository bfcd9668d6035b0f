using System.Buffers.Binary;
using System.Globalization;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Engines.Tests.Golden;

/// <summary>
/// Packets of all kinds, made by scapy, go through rewriter and engines; tshark and scapy, which know nothing of this product, judge what comes out. Randomised;
/// MASQ_TEST_SEED replays.
/// </summary>
public sealed class GoldenTests(ITestOutputHelper output)
{
    private readonly int _seed = (int)(Seed.Number(output) & 0x7FFF_FFFF);

    [Fact]
    [Trait("Req", "A-19")]
    [Trait("Req", "A-20")]
    [Trait("Req", "N-04")]
    [Trait("Req", "N-08")]
    public void What_the_rewriter_makes_is_right_to_tshark_and_to_scapy()
    {
        using var run = new GoldenRun(output, _seed, RewriterTasks(groups: 4, count: 12));
        Accepted(run, Rewritten(run));
    }

    [Fact]
    [Trait("Req", "A-02")]
    [Trait("Req", "A-04")]
    [Trait("Req", "A-05")]
    [Trait("Req", "A-20")]
    [Trait("Req", "N-04")]
    [Trait("Req", "N-08")]
    public void What_HAM_and_FAM_make_is_right_to_tshark_and_to_scapy()
    {
        var path = new GoldenPath();
        using var run = new GoldenRun(output, _seed, path.Tasks(count: 24));
        var after = new List<byte[]>();
        for (var i = 0; i < run.Frames.Count; i++)
        {
            after.Add([.. run.Frames[i][..EthernetHeader.Length], .. path.Send(run.Packets[i].Task, run.Frames[i][EthernetHeader.Length..])]);
        }

        Accepted(run, after);
    }

    /// <summary>A judge that cannot say no is no judge: one wrong bit in anything that a checksum covers, or in a checksum.</summary>
    [Fact]
    [Trait("Req", "A-20")]
    public void Both_judges_see_a_single_wrong_bit()
    {
        using var run = new GoldenRun(output, _seed, RewriterTasks(groups: 1, count: 12));
        var good = Rewritten(run);
        var random = new SeededRandom((ulong)_seed);
        var bits = new List<int>();
        var broken = new List<byte[]>();
        for (var i = 0; i < good.Count; i++)
        {
            var packet = good[i].AsSpan(EthernetHeader.Length);
            Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));

            // Every third packet in the header checksum, the rest somewhere behind the IP header; padding and datagrams without checksum only there.
            var inHeader = !summary.IsIPv6 && (i % 3 == 0 || run.Packets[i].IsUnsummed);
            var octet = EthernetHeader.Length + (inHeader ? 10 + random.NextInt(2) : summary.TransportOffset + random.NextInt(summary.TransportLength));
            bits.Add((octet * 8) + random.NextInt(8));
            var copy = (byte[])good[i].Clone();
            copy[octet] ^= (byte)(1 << (bits[^1] % 8));
            broken.Add(copy);
        }

        Assert.Empty(run.AskScapy(good));
        Assert.Empty(run.AskTshark(good));
        var (scapy, tshark) = (run.AskScapy(broken), run.AskTshark(broken));
        for (var i = 0; i < broken.Count; i++)
        {
            var what = string.Create(CultureInfo.InvariantCulture, $"packet {i} ({run.Packets[i]}): bit {bits[i] % 8} of octet {bits[i] / 8}");
            Assert.True(scapy.ContainsKey(i), $"scapy overlooked {what}");
            Assert.True(tshark.ContainsKey(i), $"tshark overlooked {what}");
        }

        run.Done();
    }

    /// <summary>Something else than an endpoint or a checksum has changed, and the checksum follows: only the comparison with the input tells.</summary>
    [Fact]
    public void The_judge_sees_a_change_that_the_checksum_hides()
    {
        using var run = new GoldenRun(output, _seed, [new GoldenTask("source", TransportProtocol.Tcp, Site.Server, TransportEndpoint.Parse("10.1.1.10:1"), TransportEndpoint.Parse("192.0.2.1:2"), 0, 8)]);
        var frames = Rewritten(run);
        var segment = frames[3].AsSpan(EthernetHeader.Length + ((frames[3][EthernetHeader.Length] & 15) * 4));

        // The upper and the lower half of the sequence number trade places: the sum stays.
        var sequence = BinaryPrimitives.ReadUInt32BigEndian(segment[4..]);
        BinaryPrimitives.WriteUInt32BigEndian(segment[4..], (sequence << 16) | (sequence >> 16));
        Assert.Empty(run.AskTshark(frames));
        var wrong = Assert.Single(run.AskScapy(frames));
        Assert.Equal(3, wrong.Key);
        Assert.Contains("changed", wrong.Value, StringComparison.Ordinal);
        run.Done();
    }

    /// <summary>Every operation on every protocol in both families, between endpoints of all kinds.</summary>
    private List<GoldenTask> RewriterTasks(int groups, int count)
    {
        var random = new SeededRandom((ulong)_seed);
        var tasks = new List<GoldenTask>();
        for (var group = 0; group < groups; group++)
        {
            foreach (var v6 in new[] { false, true })
            {
                foreach (var protocol in new[] { TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Icmp })
                {
                    foreach (var operation in new[] { "source", "destination", "error-inbound", "error-outbound" })
                    {
                        var server = Endpoint(3);
                        tasks.Add(new GoldenTask(
                            operation, protocol, Endpoint(1), Endpoint(2), protocol == TransportProtocol.Icmp ? server with { Port = 0 } : server, random.NextInt(2), count));

                        TransportEndpoint Endpoint(int net) => new(
                            v6 ? new IpAddress(0x2001_0DB8_0000_0000 + (ulong)net, random.NextUInt64()) : IpAddress.FromV4((uint)(((9L + net) << 24) | (uint)random.NextInt(1 << 24))),
                            random.NextInt(8) switch { 0 => 1, 1 => 0xFFFF, _ => (ushort)(1 + random.NextInt(0xFFFF)) });
                    }
                }
            }
        }

        return tasks;
    }

    private static List<byte[]> Rewritten(GoldenRun run)
    {
        var after = new List<byte[]>();
        for (var i = 0; i < run.Frames.Count; i++)
        {
            var frame = (byte[])run.Frames[i].Clone();
            var packet = frame.AsSpan(EthernetHeader.Length);
            var task = run.Tasks[run.Packets[i].Task];
            Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));
            var rewrite = new PacketRewriter.Rewrite(task.From, task.To);
            switch (task.Operation)
            {
                case "source":
                    Assert.Equal(task.From, summary.Tuple.Source);
                    PacketRewriter.Source(packet, summary, rewrite, checksumPartial: false);
                    break;
                case "destination":
                    Assert.Equal(task.From, summary.Tuple.Destination);
                    PacketRewriter.Destination(packet, summary, rewrite, checksumPartial: false);
                    break;
                case "error-inbound":
                    Assert.Equal(task.From, summary.EmbeddedTuple.Source);
                    PacketRewriter.ErrorInbound(packet, summary, rewrite);
                    break;
                default:
                    Assert.Equal(task.From, summary.EmbeddedTuple.Destination);
                    PacketRewriter.ErrorOutbound(packet, summary, rewrite);
                    break;
            }

            if (task.Hops > 0)
            {
                PacketRewriter.DecrementTtl(packet, summary);
            }

            after.Add(frame);
        }

        return after;
    }

    private void Accepted(GoldenRun run, List<byte[]> frames)
    {
        foreach (var (judge, wrong) in new[] { ("scapy", run.AskScapy(frames)), ("tshark", run.AskTshark(frames)) })
        {
            Assert.True(wrong.Count == 0, $"{judge} finds {wrong.Count} of {frames.Count} wrong:\n{string.Join('\n', wrong.Take(10).Select(w => $"{w.Key}: {w.Value}"))}");
        }

        foreach (var kind in run.Packets.CountBy(p => (p.Operation, p.Protocol, p.IsV6)).OrderBy(k => k.Key))
        {
            output.WriteLine($"{kind.Value,5} {kind.Key.Operation} {kind.Key.Protocol} over IPv{(kind.Key.IsV6 ? 6 : 4)}");
        }

        // The corpus must have had the odd ones.
        Assert.Contains(run.Packets, p => p.IsUnsummed);
        Assert.Contains(run.Packets, p => p.IsCut);
        Assert.Contains(frames, f => f[12] == 8 && f[23] == 17 && f.AsSpan(14 + ((f[14] & 15) * 4) + 6, 2).SequenceEqual((ReadOnlySpan<byte>)[0xFF, 0xFF]));
        Assert.Contains(frames, f => f[12] == 8 && (f[14] & 15) > 5);
        run.Done();
    }
}
