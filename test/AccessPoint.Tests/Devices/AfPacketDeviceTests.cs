using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Testing;

namespace Masquerade.AccessPoint.Tests.Devices;

public sealed class AfPacketDeviceTests() : DevicePair<AfPacketDevice>(name => new AfPacketDevice(name))
{
    [Fact]
    public void Frames_of_every_size_cross_both_ways_unchanged()
    {
        foreach (var (from, to) in new[] { (A, B), (B, A) })
        {
            for (var length = 14; length <= 1514; length += 60)
            {
                Assert.True(from.Transmit(DeviceTesting.Frame(length, length), OffloadInfo.None));
                from.Flush();
                var seen = Assert.Single(DeviceTesting.ReceiveAll(to, 1));
                Assert.Equal(DeviceTesting.Frame(length, length), seen.Frame);
                Assert.Equal(OffloadInfo.None, seen.Offload);
            }
        }

        Assert.Equal(26, A.Statistics.Transmitted);
        Assert.Equal(26, B.Statistics.Received);
        Assert.Equal(26, A.Statistics.Received);
        Assert.Equal(default, A.Statistics with { Received = 0, Transmitted = 0 });
    }

    [Fact]
    public void Rings_wrap_and_keep_the_order()
    {
        var next = 0;
        for (var sent = 0; sent < 5 * A.ReceiveSlots;)
        {
            for (var i = 0; i < 32; i++)
            {
                Assert.True(A.Transmit(DeviceTesting.Frame(200, sent++), OffloadInfo.None));
            }

            A.Flush();
            foreach (var seen in DeviceTesting.ReceiveAll(B, 32))
            {
                Assert.Equal(DeviceTesting.Frame(200, next++), seen.Frame);
            }

            Assert.Equal(sent, next);
        }
    }

    [Fact]
    public void A_frame_may_be_rewritten_in_place_and_sent_back()
    {
        A.Transmit(DeviceTesting.Frame(100, 1), OffloadInfo.None);
        A.Flush();
        Assert.Single(Echo());
        var back = Assert.Single(DeviceTesting.ReceiveAll(A, 1));
        var expected = DeviceTesting.Frame(100, 1);
        expected[50] ^= 0xFF;
        Assert.Equal(expected, back.Frame);

        List<Seen> Echo()
        {
            var seen = new List<Seen>();
            var limit = MonotonicClock.Now + TimeSpan.FromSeconds(2);
            while (seen.Count == 0 && MonotonicClock.Now < limit)
            {
                B.Receive(
                    (Span<byte> frame, in OffloadInfo offload) =>
                    {
                        frame[50] ^= 0xFF;
                        seen.Add(new Seen(frame.ToArray(), offload));
                        B.Transmit(frame, offload);
                    },
                    1);
            }

            B.Flush();
            return seen;
        }
    }

    [Fact]
    public void Vlan_tags_stay_in_the_frame()
    {
        foreach (var tpid in new ushort[] { 0x8100, 0x88A8 })
        {
            var frame = DeviceTesting.Frame(100, 5);
            frame[12] = (byte)(tpid >> 8);
            frame[13] = (byte)tpid;
            frame[14] = 0x60;
            frame[15] = 42;
            frame[16] = 0x88;
            frame[17] = 0xB5;
            Assert.True(A.Transmit(frame, OffloadInfo.None));
            A.Flush();
            Assert.Equal(frame, Assert.Single(DeviceTesting.ReceiveAll(B, 1)).Frame);
        }
    }

    [Fact]
    public void An_unfinished_checksum_arrives_as_one()
    {
        // IPv4 and UDP; the kernel checks the offsets against the frame, not the frame's meaning.
        var frame = Convert.FromHexString(
            "0200000000bb0200000000aa0800" + "4500002000000000401100000a0000010a000002" + "04d20035000c0000" + "01020304");
        var offload = new OffloadInfo(true, 34, 6, 0, 0, 42);
        Assert.True(A.Transmit(frame, offload));
        A.Flush();
        var seen = Assert.Single(DeviceTesting.ReceiveAll(B, 1));
        Assert.Equal(frame, seen.Frame);
        Assert.True(seen.Offload.ChecksumPartial);
        Assert.Equal(34, seen.Offload.ChecksumStart);
        Assert.Equal(6, seen.Offload.ChecksumOffset);
    }

    [Fact]
    public void A_full_transmit_ring_refuses_until_it_is_flushed()
    {
        var accepted = 0;
        while (A.Transmit(DeviceTesting.Frame(60, accepted), OffloadInfo.None))
        {
            Assert.True(++accepted <= A.TransmitSlots);
        }

        Assert.Equal(A.TransmitSlots, accepted);
        Assert.Empty(Drain(B));
        A.Flush();
        Assert.True(A.Transmit(DeviceTesting.Frame(60, accepted), OffloadInfo.None));
        A.Flush();
        var seen = DeviceTesting.ReceiveAll(B, accepted + 1);
        Assert.Equal(Enumerable.Range(0, accepted + 1).Select(i => DeviceTesting.Frame(60, i)), seen.Select(s => s.Frame));
        Assert.Equal(accepted + 1, A.Statistics.Transmitted);
    }

    [Fact]
    public void A_full_receive_ring_drops_and_counts_every_drop()
    {
        var sent = B.ReceiveSlots + 300;
        for (var i = 0; i < sent; i++)
        {
            Assert.True(A.Transmit(DeviceTesting.Frame(60, i), OffloadInfo.None));
            A.Flush();
        }

        // veth delivers from a softirq; by the time a later frame is there, all are.
        var seen = DeviceTesting.ReceiveAll(B, B.ReceiveSlots);
        Assert.Equal(B.ReceiveSlots, seen.Count);
        seen.AddRange(Drain(B));
        var statistics = B.Statistics;
        Assert.Equal(seen.Count, statistics.Received);
        Assert.Equal(sent, statistics.Received + statistics.KernelDrops);
        Assert.True(statistics.KernelDrops > 0);

        Assert.True(A.Transmit(DeviceTesting.Frame(60, sent), OffloadInfo.None));
        A.Flush();
        Assert.Equal(DeviceTesting.Frame(60, sent), Assert.Single(DeviceTesting.ReceiveAll(B, 1)).Frame);
    }

    [Fact]
    public void What_can_never_be_sent_is_counted_and_does_not_stop_the_ring()
    {
        Assert.True(A.Transmit(new byte[13], OffloadInfo.None));
        Assert.True(A.Transmit(DeviceTesting.Frame(1519, 0), OffloadInfo.None));
        Assert.True(A.Transmit(new byte[70_000], new OffloadInfo(true, 34, 16, 1, 1448, 66)));
        Assert.True(A.Transmit(DeviceTesting.Frame(60, 0), new OffloadInfo(true, 58, 6, 0, 0, 0)));
        Assert.True(A.Transmit(DeviceTesting.Frame(60, 0), new OffloadInfo(true, 65535, 65535, 0, 0, 0)));
        Assert.True(A.Transmit(DeviceTesting.Frame(60, 0), new OffloadInfo(true, 34, 16, 2, 1448, 66)));
        Assert.True(A.Transmit(DeviceTesting.Frame(60, 0), new OffloadInfo(true, 34, 16, 1, 0, 66)));
        Assert.Equal(7, A.Statistics.TransmitErrors);
        Assert.Equal(0, A.Statistics.Transmitted);

        Assert.True(A.Transmit(DeviceTesting.Frame(60, 7), OffloadInfo.None));
        A.Flush();
        Assert.Equal(DeviceTesting.Frame(60, 7), Assert.Single(DeviceTesting.ReceiveAll(B, 1)).Frame);
    }

    [Fact]
    public void A_raised_mtu_is_noticed()
    {
        Left.Exec("ip", "link", "set", "a0", "mtu", "9000");
        Right.Exec("ip", "link", "set", "b0", "mtu", "9000");
        var frame = DeviceTesting.Frame(9014, 3);
        Assert.True(A.Transmit(frame, OffloadInfo.None));
        A.Flush();
        Assert.Equal(frame, Assert.Single(DeviceTesting.ReceiveAll(B, 1)).Frame);
        Assert.Equal(9000, A.Mtu);
    }

    [Fact]
    public void A_handler_that_throws_loses_only_its_own_frame()
    {
        for (var i = 0; i < 3; i++)
        {
            A.Transmit(DeviceTesting.Frame(60, i), OffloadInfo.None);
        }

        A.Flush();
        Assert.Single(WaitFor(B, () => Assert.Throws<InvalidOperationException>(() => ReceiveThrowing(B))));
        Assert.Equal([DeviceTesting.Frame(60, 1), DeviceTesting.Frame(60, 2)], DeviceTesting.ReceiveAll(B, 2).Select(s => s.Frame));

        static void ReceiveThrowing(AfPacketDevice device) =>
            device.Receive((Span<byte> _, in OffloadInfo _) => throw new InvalidOperationException("on purpose"), 1);

        static List<T> WaitFor<T>(AfPacketDevice device, Func<T> action)
        {
            using var poller = new Poller();
            poller.Add(device.PollHandle);
            Assert.Equal(1, poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromSeconds(2)));
            return [action()];
        }
    }

    [Fact]
    public void An_interface_that_goes_down_and_up_carries_on_and_does_not_spin_the_poller()
    {
        using var poller = new Poller();
        var number = poller.Add(B.PollHandle);
        Right.Exec("ip", "link", "set", "b0", "down");
        poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromMilliseconds(100));
        Assert.Equal(0, poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromMilliseconds(50)));
        Assert.False(poller.IsReady(number));
        Assert.True(B.Transmit(DeviceTesting.Frame(60, 0), OffloadInfo.None));
        B.Flush();

        Right.Exec("ip", "link", "set", "b0", "up");
        A.Transmit(DeviceTesting.Frame(60, 9), OffloadInfo.None);
        A.Flush();
        Assert.Contains(DeviceTesting.ReceiveAll(B, 1), s => s.Frame.AsSpan().SequenceEqual(DeviceTesting.Frame(60, 9)));

        // Receiving asks the kernel again for what it could not take while the interface was down.
        Assert.Equal(DeviceTesting.Frame(60, 0), Assert.Single(DeviceTesting.ReceiveAll(A, 1)).Frame);
    }

    [Fact]
    public void An_interface_that_disappears_is_an_error_once_something_is_to_be_sent()
    {
        using var poller = new Poller();
        var number = poller.Add(B.PollHandle);
        Left.Exec("ip", "link", "del", "a0");
        poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromMilliseconds(100));
        Assert.Equal(0, poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromMilliseconds(50)));
        Assert.False(poller.IsReady(number));
        Assert.Empty(Drain(B));
        Assert.True(B.Transmit(DeviceTesting.Frame(1519, 0), OffloadInfo.None));
        Assert.Equal(1, B.Statistics.TransmitErrors);
        Assert.True(B.Transmit(DeviceTesting.Frame(60, 0), OffloadInfo.None));
        B.Flush();
        Assert.Equal("b0: the interface has disappeared", Assert.Throws<DeviceException>(() => Drain(B)).Message);
    }

    [Fact]
    public void The_bypass_of_the_queueing_discipline_carries_frames()
    {
        using var device = Left.Run(() => new AfPacketDevice("a0", new AfPacketOptions { BypassQueueingDiscipline = true, ReceiveMebibytes = 1, TransmitMebibytes = 1 }));
        Assert.Equal(512, device.TransmitSlots);
        Assert.True(device.Transmit(DeviceTesting.Frame(1000, 1), OffloadInfo.None));
        device.Flush();
        Assert.Equal(DeviceTesting.Frame(1000, 1), Assert.Single(DeviceTesting.ReceiveAll(B, 1)).Frame);
    }

    [Fact]
    public void Address_and_mtu_are_the_interface_s()
    {
        var expected = MacAddress.Parse(Left.Exec("cat", "/sys/class/net/a0/address").Trim());
        Assert.Equal(expected, A.HardwareAddress);
        Assert.Equal(1500, A.Mtu);
        Assert.Equal("a0", A.Name);
        Assert.False(A.EndOfInput);
    }

    [Fact]
    public void The_interface_is_promiscuous_while_the_device_is_open()
    {
        Assert.Contains("promiscuity 1", Left.Exec("ip", "-d", "link", "show", "a0"), StringComparison.Ordinal);
        A.Dispose();
        Assert.Contains("promiscuity 0", Left.Exec("ip", "-d", "link", "show", "a0"), StringComparison.Ordinal);
        Assert.Throws<ObjectDisposedException>(() => A.Transmit(new byte[60], OffloadInfo.None));
    }

    [Fact]
    public void Errors_name_the_interface_and_the_reason()
    {
        var missing = Assert.Throws<DeviceException>(() => Left.Run(() => new AfPacketDevice("nosuch0")));
        Assert.StartsWith("nosuch0: ", missing.Message, StringComparison.Ordinal);
        Assert.Contains("no such interface", missing.Message, StringComparison.Ordinal);
        var loopback = Assert.Throws<DeviceException>(() => Left.Run(() => new AfPacketDevice("lo")));
        Assert.Equal("lo: not an Ethernet interface (ARP hardware type 772)", loopback.Message);
        Assert.Throws<DeviceException>(() => Left.Run(() => new AfPacketDevice("a-name-far-too-long-for-an-interface")));
    }

    [Fact]
    public void Without_the_capability_the_error_says_which_one_is_needed()
    {
        var error = Assert.Throws<DeviceException>(() => Left.Run(() =>
        {
            NetNamespace.DropCapabilities();
            return new AfPacketDevice("a0");
        }));
        Assert.StartsWith("a0: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("CAP_NET_RAW", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Receive_transmit_and_wait_allocate_nothing()
    {
        using var poller = new Poller();
        poller.Add(B.PollHandle);
        var frame = DeviceTesting.Frame(200, 1);
        var sum = 0;
        FrameHandler handler = (Span<byte> data, in OffloadInfo _) => sum += data[20];
        Assert.Equal(0, Allocations.Least(() => Round(50)));
        Assert.NotEqual(0, sum);

        void Round(int times)
        {
            for (var i = 0; i < times; i++)
            {
                A.Transmit(frame, OffloadInfo.None);
                A.Flush();
                poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromMilliseconds(100));
                B.Receive(handler, 32);
            }
        }
    }

    private static List<Seen> Drain(AfPacketDevice device)
    {
        var seen = new List<Seen>();
        while (device.Receive((Span<byte> frame, in OffloadInfo offload) => seen.Add(new Seen(frame.ToArray(), offload)), 32) > 0)
        {
        }

        return seen;
    }
}
