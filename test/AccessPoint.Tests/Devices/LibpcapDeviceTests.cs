using System.Net;
using System.Net.Sockets;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Engine;

namespace Masquerade.AccessPoint.Tests.Devices;

public sealed class LibpcapDeviceTests() : DevicePair<LibpcapDevice>(name => new LibpcapDevice(name))
{
    [Fact]
    public void Frames_cross_both_ways_and_own_frames_do_not_come_back()
    {
        foreach (var (from, to) in new[] { (A, B), (B, A) })
        {
            for (var i = 0; i < 200; i++)
            {
                Assert.True(from.Transmit(DeviceTesting.Frame(60 + (i * 7), i), OffloadInfo.None));
            }

            from.Flush();
            Assert.Equal(Enumerable.Range(0, 200).Select(i => DeviceTesting.Frame(60 + (i * 7), i)), DeviceTesting.ReceiveAll(to, 200).Select(s => s.Frame));
            Assert.Equal(0, from.Receive((Span<byte> _, in OffloadInfo _) => { }, 32));
        }

        Assert.Equal(new DeviceStatistics(200, 200, 0, 0, 0), A.Statistics);
    }

    [Fact]
    public void It_understands_itself_with_the_af_packet_device()
    {
        using var other = Right.Run(() => new AfPacketDevice("b0"));
        A.Transmit(DeviceTesting.Frame(500, 1), OffloadInfo.None);
        Assert.Equal(DeviceTesting.Frame(500, 1), Assert.Single(DeviceTesting.ReceiveAll(other, 1)).Frame);
        other.Transmit(DeviceTesting.Frame(600, 2), OffloadInfo.None);
        other.Flush();
        Assert.Equal(DeviceTesting.Frame(600, 2), Assert.Single(DeviceTesting.ReceiveAll(A, 1)).Frame);
        Assert.Equal(other.HardwareAddress, B.HardwareAddress);
        Assert.Equal(other.Mtu, B.Mtu);
    }

    [Fact]
    public void What_cannot_be_sent_is_counted()
    {
        Assert.True(A.Transmit(new byte[13], OffloadInfo.None));
        Assert.True(A.Transmit(DeviceTesting.Frame(4000, 1), OffloadInfo.None));
        Assert.True(A.Transmit(DeviceTesting.Frame(60, 1), new OffloadInfo(true, 34, 16, 0, 0, 0)));
        Assert.Equal(new DeviceStatistics(0, 0, 0, 0, 3), A.Statistics);
    }

    [Fact]
    public void An_idle_interface_is_not_ready()
    {
        using var poller = new Poller();
        var number = poller.Add(B.PollHandle);
        Assert.Equal(0, poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromMilliseconds(20)));
        A.Transmit(DeviceTesting.Frame(60, 1), OffloadInfo.None);
        Assert.Equal(1, poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromSeconds(2)));
        Assert.True(poller.IsReady(number));
    }

    [Fact]
    public void An_interface_that_goes_down_and_up_carries_on()
    {
        Right.Exec("ip", "link", "set", "b0", "down");
        Assert.Equal(0, B.Receive((Span<byte> _, in OffloadInfo _) => { }, 32));
        Assert.Equal(0, B.Receive((Span<byte> _, in OffloadInfo _) => { }, 32));
        Right.Exec("ip", "link", "set", "b0", "up");
        A.Transmit(DeviceTesting.Frame(60, 9), OffloadInfo.None);
        Assert.Contains(DeviceTesting.ReceiveAll(B, 1), s => s.Frame.AsSpan().SequenceEqual(DeviceTesting.Frame(60, 9)));
    }

    [Fact]
    public void An_interface_that_disappears_is_an_error()
    {
        Left.Exec("ip", "link", "del", "a0");
        var error = Assert.Throws<DeviceException>(() =>
        {
            for (var i = 0; i < 100; i++)
            {
                B.Receive((Span<byte> _, in OffloadInfo _) => { }, 32);
                Thread.Sleep(10);
            }
        });
        Assert.StartsWith("b0: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_the_capability_the_error_says_which_one_is_needed()
    {
        var error = Assert.Throws<DeviceException>(() => Left.Run(() =>
        {
            NetNamespace.DropCapabilities();
            return new LibpcapDevice("a0");
        }));
        Assert.Contains("a0: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("CAP_NET_RAW", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_local_sender_s_unfinished_checksum_looks_finished()
    {
        // The limit that the documentation tells: AF_PACKET sees that the checksum is unfinished, libpcap does not.
        using var other = Right.Run(() => new AfPacketDevice("b0"));
        Left.Exec("ip", "address", "add", "10.78.0.1/24", "dev", "a0");
        Left.Exec("ip", "neigh", "add", "10.78.0.2", "lladdr", B.HardwareAddress.ToString(), "dev", "a0");
        Left.Run(() =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            return socket.SendTo(new byte[100], new IPEndPoint(IPAddress.Parse("10.78.0.2"), 9));
        });
        var here = Assert.Single(DeviceTesting.ReceiveAll(B, 1));
        var there = Assert.Single(DeviceTesting.ReceiveAll(other, 1));
        Assert.Equal(there.Frame, here.Frame);
        Assert.True(there.Offload.ChecksumPartial);
        Assert.Equal(34, there.Offload.ChecksumStart);
        Assert.Equal(6, there.Offload.ChecksumOffset);
        Assert.Equal(OffloadInfo.None, here.Offload);
    }

    [Fact]
    public void Errors_name_the_interface_and_the_reason()
    {
        var missing = Assert.Throws<DeviceException>(() => Left.Run(() => new LibpcapDevice("nosuch0")));
        Assert.StartsWith("nosuch0: ", missing.Message, StringComparison.Ordinal);
        Assert.Contains("no such interface", missing.Message, StringComparison.Ordinal);
        Assert.Contains("not an Ethernet interface", Assert.Throws<DeviceException>(() => Left.Run(() => new LibpcapDevice("lo"))).Message, StringComparison.Ordinal);
    }
}
