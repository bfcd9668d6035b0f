using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Devices;

public sealed class InMemoryDeviceTests
{
    private static readonly MacAddress First = new(0x02_00_00_00_00_01);
    private static readonly MacAddress Second = new(0x02_00_00_00_00_02);

    [Fact]
    public void Frames_and_their_offload_state_cross_after_the_flush()
    {
        var (one, two) = InMemoryDevice.CreatePair(First, Second);
        var offload = new OffloadInfo(true, 34, 16, 1, 1448, 66);
        Assert.True(one.Transmit(DeviceTesting.Frame(40_000, 1), offload));
        Assert.True(one.Transmit(DeviceTesting.Frame(60, 2), OffloadInfo.None));
        Assert.Empty(Receive(two, 10));
        one.Flush();
        var seen = Receive(two, 1);
        Assert.Equal(DeviceTesting.Frame(40_000, 1), Assert.Single(seen).Frame);
        Assert.Equal(offload, seen[0].Offload);
        Assert.Equal(DeviceTesting.Frame(60, 2), Assert.Single(Receive(two, 10)).Frame);
        Assert.Empty(Receive(one, 10));
        Assert.Equal(new DeviceStatistics(0, 2, 0, 0, 0), one.Statistics);
        Assert.Equal(new DeviceStatistics(2, 0, 0, 0, 0), two.Statistics);
        Assert.Equal((First, Second), (one.HardwareAddress, two.HardwareAddress));
    }

    [Fact]
    public void A_full_wire_refuses_until_somebody_receives()
    {
        var (one, two) = InMemoryDevice.CreatePair(First, Second, slots: 3);
        for (var i = 0; i < 3; i++)
        {
            Assert.True(one.Transmit(DeviceTesting.Frame(60, i), OffloadInfo.None));
        }

        Assert.False(one.Transmit(DeviceTesting.Frame(60, 3), OffloadInfo.None));
        one.Flush();
        Assert.Equal(DeviceTesting.Frame(60, 0), Assert.Single(Receive(two, 1)).Frame);
        Assert.True(one.Transmit(DeviceTesting.Frame(60, 4), OffloadInfo.None));
        one.Flush();
        Assert.Equal([1, 2, 4], Receive(two, 10).Select(s => (int)s.Frame[17]));
    }

    [Fact]
    public void What_can_never_be_sent_is_counted()
    {
        var (one, _) = InMemoryDevice.CreatePair(First, Second);
        Assert.True(one.Transmit(new byte[13], OffloadInfo.None));
        Assert.True(one.Transmit(new byte[1519], OffloadInfo.None));
        Assert.True(one.Transmit(new byte[60], new OffloadInfo(true, 50, 16, 0, 0, 0)));
        Assert.Equal(new DeviceStatistics(0, 0, 0, 0, 3), one.Statistics);
    }

    [Fact]
    public void Each_end_may_have_its_own_thread()
    {
        const int frames = 100_000;
        var (one, two) = InMemoryDevice.CreatePair(First, Second, slots: 16);
        var sender = new Thread(() =>
        {
            for (var i = 0; i < frames;)
            {
                if (one.Transmit(DeviceTesting.Frame(18 + (i % 50), i), OffloadInfo.None))
                {
                    i++;
                }

                one.Flush();
            }
        });
        sender.Start();
        var next = 0;
        var wrong = 0;
        var limit = MonotonicClock.Now + TimeSpan.FromSeconds(30);
        while (next < frames && MonotonicClock.Now < limit)
        {
            if (two.Receive((Span<byte> frame, in OffloadInfo _) => wrong += frame.SequenceEqual(DeviceTesting.Frame(18 + (next % 50), next++)) ? 0 : 1, 32) == 0)
            {
                Thread.Yield();
            }
        }

        Assert.True(sender.Join(5000));
        Assert.Equal((frames, 0), (next, wrong));
    }

    private static List<Seen> Receive(InMemoryDevice device, int budget)
    {
        var seen = new List<Seen>();
        device.Receive((Span<byte> frame, in OffloadInfo offload) => seen.Add(new Seen(frame.ToArray(), offload)), budget);
        return seen;
    }
}
