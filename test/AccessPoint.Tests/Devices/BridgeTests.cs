using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Engine;

namespace Masquerade.AccessPoint.Tests.Devices;

/// <summary>Kernel TCP between two namespaces through a bridge in user space: what the offload fields are for.</summary>
public sealed class BridgeTests : IDisposable
{
    private const int Octets = 24 << 20;
    private const int WriteSize = 256 << 10;

    private readonly NetNamespace _left = new("left");
    private readonly NetNamespace _middle = new("middle");
    private readonly NetNamespace _right = new("right");

    public BridgeTests()
    {
        try
        {
            _left.Connect("a0", _middle, "r0");
            _middle.Connect("r1", _right, "b0");
            foreach (var (space, device, host) in new[] { (_left, "a0", 1), (_right, "b0", 2) })
            {
                space.Exec("sysctl", "-qw", $"net.ipv6.conf.{device}.disable_ipv6=0");
                space.Exec("ip", "address", "add", $"10.77.0.{host}/24", "dev", device);
                space.Exec("ip", "address", "add", $"fd77::{host}/64", "dev", device, "nodad");
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _left.Dispose();
        _middle.Dispose();
        _right.Dispose();
    }

    [Theory]
    [InlineData("10.77.0.2")]
    [InlineData("fd77::2")]
    public void With_default_offloads_super_packets_pass_whole(string server)
    {
        var bridge = Transfer(server);
        Assert.InRange(bridge.LongestFrame, 20_000, 65_600);
        Assert.True(bridge.Segmented > 0);
        Assert.True(bridge.Unfinished > 0);
    }

    [Theory]
    [InlineData("10.77.0.2")]
    [InlineData("fd77::2")]
    public void With_all_offloads_off_every_frame_is_ordinary(string server)
    {
        SwitchOff(_left, "a0");
        SwitchOff(_middle, "r0");
        SwitchOff(_middle, "r1");
        SwitchOff(_right, "b0");
        var bridge = Transfer(server);
        Assert.Equal(1514, bridge.LongestFrame);
        Assert.Equal(0, bridge.Segmented);
        Assert.Equal(0, bridge.Unfinished);
    }

    [Theory]
    [InlineData("10.77.0.2")]
    [InlineData("fd77::2")]
    public void A_transmitting_interface_without_offloads_has_the_kernel_segment_and_finish(string server)
    {
        SwitchOff(_middle, "r1");
        SwitchOff(_right, "b0");
        var bridge = Transfer(server);
        Assert.InRange(bridge.LongestFrame, 20_000, 65_600);
        var received = _right.Exec("cat", "/sys/class/net/b0/statistics/rx_packets");
        Assert.True(long.Parse(received, System.Globalization.CultureInfo.InvariantCulture) > Octets / 1500, "b0 received whole super-packets: nothing was segmented");
    }

    private static void SwitchOff(NetNamespace space, string device) =>
        space.Exec("ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "tx", "off");

    private Bridge Transfer(string server)
    {
        var payload = new byte[Octets];
        new Random(77).NextBytes(payload);
        var address = IPAddress.Parse(server);
        using var bridge = new Bridge(_middle);
        using var listener = _right.Run(() =>
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, 7000));
            socket.Listen(1);
            return socket;
        });

        // Both ways after each other on one connection: up, then the server sends the same back.
        var serving = _right.Start(() =>
        {
            using var connection = listener.Accept();
            connection.ReceiveTimeout = connection.SendTimeout = 20_000;
            var got = new byte[Octets];
            ReadAll(connection, got);
            WriteAll(connection, got);
            return SHA256.HashData(got);
        });
        var back = _left.Run(() =>
        {
            using var connection = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 20_000, SendTimeout = 20_000 };
            connection.Connect(address, 7000);
            WriteAll(connection, payload);
            var got = new byte[Octets];
            ReadAll(connection, got);
            return SHA256.HashData(got);
        });
        var expected = SHA256.HashData(payload);
        Assert.Equal(expected, serving.Join());
        Assert.Equal(expected, back);
        bridge.Stop();
        return bridge;
    }

    private static void WriteAll(Socket socket, byte[] data)
    {
        for (var at = 0; at < data.Length;)
        {
            at += socket.Send(data, at, Math.Min(WriteSize, data.Length - at), SocketFlags.None);
        }
    }

    private static void ReadAll(Socket socket, byte[] data)
    {
        for (var at = 0; at < data.Length;)
        {
            var read = socket.Receive(data, at, data.Length - at, SocketFlags.None);
            Assert.NotEqual(0, read);
            at += read;
        }
    }

    /// <summary>One thread that carries frames between two interfaces until it is stopped.</summary>
    private sealed class Bridge : IDisposable
    {
        private readonly AfPacketDevice _one;
        private readonly AfPacketDevice _two;
        private readonly Poller _poller = new();
        private readonly Thread _thread;
        private volatile bool _stop;
        private Exception? _failure;

        public Bridge(NetNamespace space)
        {
            (_one, _two) = space.Run(() => (new AfPacketDevice("r0"), new AfPacketDevice("r1")));
            _poller.Add(_one.PollHandle);
            _poller.Add(_two.PollHandle);
            _thread = new Thread(Carry) { IsBackground = true };
            _thread.Start();
        }

        public int LongestFrame { get; private set; }

        public int Segmented { get; private set; }

        public int Unfinished { get; private set; }

        public int RingFull { get; private set; }

        public void Stop()
        {
            _stop = true;
            _poller.Wake();
            Assert.True(_thread.Join(5000));
            Assert.Null(_failure);
            var (one, two) = (_one.Statistics, _two.Statistics);
            Assert.Equal(0, one.TransmitErrors + two.TransmitErrors + one.ReceiveErrors + two.ReceiveErrors);
            Assert.Equal(one.Received + two.Received, one.Transmitted + two.Transmitted + RingFull);
        }

        public void Dispose()
        {
            _stop = true;
            _poller.Wake();
            _thread.Join();
            _poller.Dispose();
            _one.Dispose();
            _two.Dispose();
        }

        private void Carry()
        {
            try
            {
                FrameHandler forth = (Span<byte> frame, in OffloadInfo offload) => Pass(_two, frame, offload);
                FrameHandler back = (Span<byte> frame, in OffloadInfo offload) => Pass(_one, frame, offload);
                while (!_stop)
                {
                    if (_one.Receive(forth, 32) + _two.Receive(back, 32) == 0)
                    {
                        _poller.Wait(MonotonicClock.Now, MonotonicClock.Now + TimeSpan.FromMilliseconds(100));
                    }

                    _one.Flush();
                    _two.Flush();
                }
            }
#pragma warning disable CA1031 // Shown by Stop.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _failure = e;
            }
        }

        private void Pass(AfPacketDevice to, Span<byte> frame, in OffloadInfo offload)
        {
            LongestFrame = Math.Max(LongestFrame, frame.Length);
            Segmented += offload.GsoType != 0 ? 1 : 0;
            Unfinished += offload.ChecksumPartial ? 1 : 0;
            if (!to.Transmit(frame, offload))
            {
                RingFull++;
            }
        }
    }
}
