using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Tests.Devices;

public sealed partial class CaptureFileDeviceTests : IDisposable
{
    private const uint Micro = 0xA1B2C3D4;
    private const uint Nano = 0xA1B23C4D;

    private readonly string _folder = Directory.CreateTempSubdirectory("masqdev-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(Micro, false, 1_700_000_000_000_005_000)]
    [InlineData(Micro, true, 1_700_000_000_000_005_000)]
    [InlineData(Nano, false, 1_700_000_000_000_000_005)]
    [InlineData(Nano, true, 1_700_000_000_000_000_005)]
    public void Both_byte_orders_and_both_resolutions_are_read(uint magic, bool bigEndian, long expected)
    {
        using var device = Open(File(magic, bigEndian, 1, (1_700_000_000, 5, DeviceTesting.Frame(60, 1)), (1_700_000_001, 0, DeviceTesting.Frame(1514, 2))));
        Assert.Equal(new Instant(expected), device.NextTimestamp);
        Assert.False(device.EndOfInput);
        var seen = Receive(device, 1);
        Assert.Equal(DeviceTesting.Frame(60, 1), Assert.Single(seen).Frame);
        Assert.Equal(new Instant(expected), device.Now);
        Assert.Equal(new Instant(1_700_000_001_000_000_000), device.NextTimestamp);
        Assert.Equal(DeviceTesting.Frame(1514, 2), Assert.Single(Receive(device, 10)).Frame);
        Assert.Null(device.NextTimestamp);
        Assert.True(device.EndOfInput);
        Assert.Empty(Receive(device, 10));
        Assert.Equal(2, device.Statistics.Received);
    }

    [Fact]
    public void What_is_transmitted_can_be_received_from_the_file_with_its_time()
    {
        var path = Path.Combine(_folder, "out.pcap");
        using (var device = new CaptureFileDevice(null, path, MacAddress.None))
        {
            Assert.True(device.EndOfInput);
            Assert.Equal(0, device.Receive((Span<byte> _, in OffloadInfo _) => Assert.Fail("there is no input"), 1));
            for (var i = 0; i < 100; i++)
            {
                device.Now = new Instant((i * 1_000_000_007L) + 1);
                Assert.True(device.Transmit(DeviceTesting.Frame(60 + (i * 700), i), OffloadInfo.None));
            }

            device.Flush();
            Assert.True(device.Transmit(new byte[13], OffloadInfo.None));
            Assert.True(device.Transmit(new byte[300_000], OffloadInfo.None));
            Assert.Equal(new DeviceStatistics(0, 100, 0, 0, 2), device.Statistics);
        }

        using var again = new CaptureFileDevice(path, null, MacAddress.None);
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(new Instant((i * 1_000_000_007L) + 1), again.NextTimestamp);
            Assert.Equal(DeviceTesting.Frame(60 + (i * 700), i), Assert.Single(Receive(again, 1)).Frame);
        }

        Assert.True(again.EndOfInput);
    }

    [Fact]
    public unsafe void Libpcap_reads_what_is_written()
    {
        var path = Path.Combine(_folder, "out.pcap");
        using (var device = new CaptureFileDevice(null, path, MacAddress.None))
        {
            device.Now = new Instant(1_700_000_000_123_456_789);
            device.Transmit(DeviceTesting.Frame(60, 1), OffloadInfo.None);
            device.Now = new Instant(1_700_000_001_000_000_000);
            device.Transmit(DeviceTesting.Frame(9000, 2), OffloadInfo.None);
        }

        var error = stackalloc byte[256];
        const int nanoseconds = 1;
        var pcap = pcap_open_offline_with_tstamp_precision(path, nanoseconds, error);
        Assert.NotEqual(0, pcap);
        try
        {
            Assert.Equal((1_700_000_000, 123_456_789), Next(DeviceTesting.Frame(60, 1)));
            Assert.Equal((1_700_000_001, 0), Next(DeviceTesting.Frame(9000, 2)));
        }
        finally
        {
            pcap_close(pcap);
        }

        (long Seconds, long Fraction) Next(byte[] expected)
        {
            // struct pcap_pkthdr: two longs of time, two 32-bit lengths.
            long* header;
            byte* data;
            Assert.Equal(1, pcap_next_ex(pcap, &header, &data));
            Assert.Equal(expected.Length, ((int*)(header + 2))[1]);
            Assert.Equal(expected, new Span<byte>(data, ((int*)(header + 2))[0]).ToArray());
            return (header[0], header[1]);
        }
    }

    [Fact]
    public void Time_never_goes_back()
    {
        using var device = Open(File(Nano, false, 1, (10, 0, DeviceTesting.Frame(60, 1)), (5, 0, DeviceTesting.Frame(60, 2)), (11, 0, DeviceTesting.Frame(60, 3))));
        Receive(device, 1);
        Assert.Equal(new Instant(10_000_000_000), device.NextTimestamp);
        Receive(device, 1);
        Assert.Equal(new Instant(11_000_000_000), device.NextTimestamp);
    }

    [Fact]
    public void A_frame_check_sequence_is_taken_off()
    {
        // Link type Ethernet, "length known", 2 units of 16 bits.
        using var device = Open(File(Nano, false, 0x2400_0001, (1, 0, DeviceTesting.Frame(64, 1))));
        Assert.Equal(DeviceTesting.Frame(64, 1)[..60], Assert.Single(Receive(device, 1)).Frame);
    }

    [Fact]
    public void A_frame_shorter_than_its_header_is_counted_and_skipped()
    {
        using var device = Open(File(Nano, false, 1, (1, 0, new byte[13]), (2, 0, []), (3, 0, DeviceTesting.Frame(60, 1))));
        Assert.Single(Receive(device, 10));
        Assert.Equal(2, device.Statistics.ReceiveErrors);
    }

    [Fact]
    public void A_file_cut_off_anywhere_gives_its_whole_records_and_then_an_error_that_says_where()
    {
        var whole = File(Micro, true, 1, (1, 0, DeviceTesting.Frame(60, 1)), (2, 0, DeviceTesting.Frame(70, 2)));
        for (var length = 0; length < whole.Length; length++)
        {
            var cut = whole[..length];
            if (length < 24)
            {
                Assert.Contains(".pcap: ", Assert.Throws<DeviceException>(() => Open(cut)).Message, StringComparison.Ordinal);
                continue;
            }

            using var device = Open(cut);
            if (length < 100)
            {
                CheckBroken(device, length, 1, 24);
                continue;
            }

            Assert.Equal(DeviceTesting.Frame(60, 1), Assert.Single(Receive(device, 1)).Frame);
            CheckBroken(device, length, 2, 100);
        }
    }

    [Fact]
    public void Impossible_fields_are_errors()
    {
        Check(8, 262_145, "it claims 262145 octets");
        Check(8, uint.MaxValue, "it claims 4294967295 octets");
        Check(8, 61, "it claims more octets captured (61) than there were (60)");
        Check(4, 1_000_000, "its time has a fraction of 1000000, more than a second");

        void Check(int field, uint value, string message)
        {
            var bytes = File(Micro, false, 1, (1, 0, DeviceTesting.Frame(60, 1)));
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(24 + field), value);
            using var device = Open(bytes);
            Assert.EndsWith($"record 1 at octet 24: {message}", Assert.Throws<DeviceException>(() => Receive(device, 1)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Random_bytes_never_do_worse_than_a_device_exception()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var round = 0; round < 300; round++)
        {
            var bytes = File(Micro, round % 2 == 0, 1, (1, 0, DeviceTesting.Frame(60, 1)), (2, 0, DeviceTesting.Frame(80, 2)));
            for (var i = random.Next(1, 6); i > 0; i--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            try
            {
                using var device = Open(bytes);
                while (!device.EndOfInput)
                {
                    Receive(device, 1);
                }
            }
            catch (DeviceException e)
            {
                Assert.NotEmpty(e.Message);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}, round {round}", e);
            }
        }
    }

    [Fact]
    public void Files_that_are_no_capture_of_ethernet_are_refused_by_name()
    {
        Assert.Contains("pcapng", Refusal([0x0A, 0x0D, 0x0D, 0x0A, .. new byte[40]]), StringComparison.Ordinal);
        Assert.Contains("not a capture file", Refusal("PK some other file that is long enough"u8.ToArray()), StringComparison.Ordinal);
        Assert.Contains("not a capture file", Refusal([]), StringComparison.Ordinal);
        Assert.Contains("link type 113", Refusal(File(Micro, false, 113)), StringComparison.Ordinal);
        var missing = Path.Combine(_folder, "missing.pcap");
        Assert.StartsWith(missing, Assert.Throws<DeviceException>(() => new CaptureFileDevice(missing, null, MacAddress.None)).Message, StringComparison.Ordinal);
        var nowhere = Path.Combine(_folder, "no", "such", "folder.pcap");
        Assert.StartsWith(nowhere, Assert.Throws<DeviceException>(() => new CaptureFileDevice(null, nowhere, MacAddress.None)).Message, StringComparison.Ordinal);
        Assert.Throws<DeviceException>(() => new CaptureFileDevice(missing, missing, MacAddress.None));

        string Refusal(byte[] bytes) => Assert.Throws<DeviceException>(() => Open(bytes)).Message;
    }

    private static void CheckBroken(CaptureFileDevice device, int length, int record, int offset)
    {
        if (length == offset)
        {
            // Cut between two records: an ordinary, shorter file.
            Assert.True(device.EndOfInput);
            return;
        }

        Assert.False(device.EndOfInput);
        Assert.Null(device.NextTimestamp);
        var error = Assert.Throws<DeviceException>(() => Receive(device, 1));
        Assert.Contains($"record {record} at octet {offset}: ", error.Message, StringComparison.Ordinal);
    }

    private static List<Seen> Receive(CaptureFileDevice device, int budget)
    {
        var seen = new List<Seen>();
        device.Receive((Span<byte> frame, in OffloadInfo offload) => seen.Add(new Seen(frame.ToArray(), offload)), budget);
        return seen;
    }

    private static byte[] File(uint magic, bool bigEndian, uint linkType, params (uint Seconds, uint Fraction, byte[] Frame)[] records)
    {
        using var stream = new MemoryStream();
        Put(magic);
        stream.Write(bigEndian ? [0, 2, 0, 4] : [2, 0, 4, 0]);
        Put(0);
        Put(0);
        Put(65_535);
        Put(linkType);
        foreach (var (seconds, fraction, frame) in records)
        {
            Put(seconds);
            Put(fraction);
            Put((uint)frame.Length);
            Put((uint)frame.Length);
            stream.Write(frame);
        }

        return stream.ToArray();

        void Put(uint value)
        {
            Span<byte> bytes = stackalloc byte[4];
            if (bigEndian)
            {
                BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
            }
            else
            {
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
            }

            stream.Write(bytes);
        }
    }

    [LibraryImport("libpcap.so.0.8", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial nint pcap_open_offline_with_tstamp_precision(string path, int precision, byte* error);

    [LibraryImport("libpcap.so.0.8")]
    private static unsafe partial int pcap_next_ex(nint pcap, long** header, byte** data);

    [LibraryImport("libpcap.so.0.8")]
    private static partial void pcap_close(nint pcap);

    private CaptureFileDevice Open(byte[] bytes)
    {
        var path = Path.Combine(_folder, "in.pcap");
        System.IO.File.WriteAllBytes(path, bytes);
        return new CaptureFileDevice(path, null, MacAddress.None);
    }
}
