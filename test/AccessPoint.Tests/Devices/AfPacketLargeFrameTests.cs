using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Engine;

namespace Masquerade.AccessPoint.Tests.Devices;

/// <summary>Frames that no slot of a ring holds: here of a large MTU, elsewhere TCP super-packets.</summary>
public sealed class AfPacketLargeFrameTests() : DevicePair<AfPacketDevice>(name => new AfPacketDevice(name, new AfPacketOptions { LargeMebibytes = 1 }))
{
    private const int Mtu = 9_000;
    private const int Large = Mtu + 14;

    [Fact]
    public void Large_and_small_frames_keep_their_order_and_every_octet()
    {
        RaiseMtu();
        var lengths = Enumerable.Range(0, 30).Select(i => i % 3 == 0 ? 60 : i % 3 == 1 ? Large - i : 2_000 + i).ToArray();
        for (var i = 0; i < lengths.Length; i++)
        {
            Assert.True(A.Transmit(DeviceTesting.Frame(lengths[i], i), OffloadInfo.None));
        }

        A.Flush();
        var seen = DeviceTesting.ReceiveAll(B, lengths.Length);
        Assert.Equal(lengths.Select(DeviceTesting.Frame), seen.Select(s => s.Frame));
        Assert.Equal(lengths.Length, A.Statistics.Transmitted);
        Assert.Equal(lengths.Length, B.Statistics.Received);
        Assert.Equal(0, B.Statistics.ReceiveErrors + B.Statistics.KernelDrops);
    }

    [Fact]
    public void A_large_frame_keeps_its_vlan_tag()
    {
        RaiseMtu();
        foreach (var tpid in new ushort[] { 0x8100, 0x88A8 })
        {
            var frame = DeviceTesting.Frame(Large, 5);
            (frame[12], frame[13], frame[14], frame[15], frame[16], frame[17]) = ((byte)(tpid >> 8), (byte)tpid, 0x60, 42, 0x88, 0xB5);
            Assert.True(A.Transmit(frame, OffloadInfo.None));
            Assert.Equal(frame, Assert.Single(DeviceTesting.ReceiveAll(B, 1)).Frame);
        }
    }

    [Fact]
    public void Large_frames_that_find_no_room_are_dropped_and_counted_and_the_next_ones_are_whole()
    {
        RaiseMtu();
        const int sent = 400;
        for (var i = 0; i < sent; i++)
        {
            Assert.True(A.Transmit(DeviceTesting.Frame(Large, i), OffloadInfo.None));
        }

        var seen = Drain();
        Assert.InRange(seen.Count, 10, sent - 1);
        Assert.Equal(Enumerable.Range(0, seen.Count).Select(i => DeviceTesting.Frame(Large, i)), seen.Select(s => s.Frame));
        Assert.Equal(sent, B.Statistics.Received + B.Statistics.KernelDrops);
        Assert.Equal(0, B.Statistics.ReceiveErrors);
        Assert.True(A.Transmit(DeviceTesting.Frame(Large, 7), OffloadInfo.None));
        Assert.Equal(DeviceTesting.Frame(Large, 7), Assert.Single(DeviceTesting.ReceiveAll(B, 1)).Frame);
    }

    [Fact]
    public void What_arrived_before_the_interface_went_down_is_not_mistaken_for_what_comes_after()
    {
        RaiseMtu();
        Assert.True(A.Transmit(DeviceTesting.Frame(Large, 1), OffloadInfo.None));
        Assert.True(A.Transmit(DeviceTesting.Frame(Large, 2), OffloadInfo.None));
        Right.Exec("ip", "link", "set", "b0", "down");
        Right.Exec("ip", "link", "set", "b0", "up");
        Assert.Equal([DeviceTesting.Frame(Large, 1), DeviceTesting.Frame(Large, 2)], DeviceTesting.ReceiveAll(B, 2).Select(s => s.Frame));
        Assert.True(A.Transmit(DeviceTesting.Frame(Large, 3), OffloadInfo.None));
        Assert.Equal(DeviceTesting.Frame(Large, 3), Assert.Single(DeviceTesting.ReceiveAll(B, 1)).Frame);
    }

    [Fact]
    public void Large_frames_allocate_nothing()
    {
        RaiseMtu();
        var frame = DeviceTesting.Frame(Large, 1);
        var sum = 0;
        FrameHandler handler = (Span<byte> data, in OffloadInfo _) => sum += data[20];
        Assert.Equal(0, Masquerade.Testing.Allocations.Least(() =>
        {
            for (var i = 0; i < 50; i++)
            {
                A.Transmit(frame, OffloadInfo.None);
                B.Receive(handler, 32);
            }
        }));
        Assert.NotEqual(0, sum);
    }

    private List<Seen> Drain()
    {
        var seen = DeviceTesting.ReceiveAll(B, 1);
        while (B.Receive((Span<byte> frame, in OffloadInfo offload) => seen.Add(new Seen(frame.ToArray(), offload)), 32) > 0)
        {
        }

        return seen;
    }

    private void RaiseMtu()
    {
        Left.Exec("ip", "link", "set", "a0", "mtu", "9000");
        Right.Exec("ip", "link", "set", "b0", "mtu", "9000");
    }
}
