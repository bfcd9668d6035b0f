using Masquerade.Lab;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;

namespace Masquerade.Namespaces.Tests;

/// <summary>The instruments themselves: silences, liveness of links, content of streams.</summary>
public sealed class DatagramAccountingTests
{
    private static readonly RoamRecord s_roam = new(0, 0, 1, Ms(100), Ms(100.2), Ms(120), Ms(120.3));

    [Fact]
    public void The_longest_silence_around_a_roam_is_found()
    {
        var log = Arrivals(Enumerable.Range(0, 100).Concat(Enumerable.Range(123, 300)).Select(i => (double)i));
        Assert.Equal(24, DatagramAccounting.LongestSilence(log, s_roam, Ms(400)), 3);
    }

    [Fact]
    public void A_silence_before_the_roam_is_not_the_roams() =>
        Assert.Equal(22, DatagramAccounting.LongestSilence(Arrivals([0, 60, 99, 121, 122, 123]), s_roam, Ms(123)), 3);

    [Fact]
    public void A_silence_that_starts_later_but_before_the_next_roam_is_the_roams() =>
        Assert.Equal(80, DatagramAccounting.LongestSilence(Arrivals([99, 121, 122, 202, 203]), s_roam, Ms(203)), 3);

    [Fact]
    public void A_flow_that_never_comes_back_is_silent_until_the_end() =>
        Assert.Equal(500, DatagramAccounting.LongestSilence(Arrivals([98, 99]), s_roam, Ms(600)), 3);

    [Fact]
    public void Duplicates_and_late_ones_are_counted_once_each()
    {
        var log = new DatagramLog(10);
        foreach (var sequence in (long[])[0, 2, 1, 1, 3])
        {
            log.RecordReceived(sequence, 1 + sequence);
        }

        log.RecordReceived(-1, 9);
        log.RecordReceived(10, 9);
        Assert.Equal((4, 1, 1, 2), (log.Received, log.Duplicated, log.Reordered, log.Foreign));
    }

    [Fact]
    public void A_link_is_live_only_outside_both_edges_of_a_switch()
    {
        var links = new LinkHistory([new RoamRecord(0, -1, 0, 0, 0, 0, 0), s_roam], 1);
        Assert.True(links.IsLive(0, 0, Ms(100)));
        Assert.False(links.IsLive(0, 0, Ms(100.1)));
        Assert.False(links.IsLive(0, Ms(120.2)));
        Assert.True(links.IsLive(0, 1, Ms(120.3)));
        Assert.Equal(1, links.SettledAt(0, Ms(371), Ms(250)));
        Assert.Equal(-1, links.SettledAt(0, Ms(300), Ms(250)));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(3, 1447)]
    [InlineData(8, 4096)]
    [InlineData(65_533, 17)]
    public void Content_is_recognised_at_its_place_and_nowhere_else(long offset, int length)
    {
        var bytes = new byte[length];
        Pattern.Fill(bytes, 42, offset);
        Assert.True(Pattern.Matches(bytes, 42, offset));
        if (length > 8)
        {
            Assert.False(Pattern.Matches(bytes, 43, offset));
            Assert.False(Pattern.Matches(bytes, 42, offset + 8));
        }

        bytes[length / 2] ^= 1;
        Assert.False(Pattern.Matches(bytes, 42, offset));
    }

    private static long Ms(double value) => LabClock.Milliseconds(value);

    private static DatagramLog Arrivals(IEnumerable<double> milliseconds)
    {
        var times = milliseconds.ToArray();
        var log = new DatagramLog(times.Length);
        for (var i = 0; i < times.Length; i++)
        {
            log.RecordReceived(i, Ms(times[i]));
        }

        return log;
    }
}
