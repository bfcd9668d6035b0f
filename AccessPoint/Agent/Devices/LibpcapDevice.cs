using System.Runtime.InteropServices;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>
/// A network interface through libpcap, for systems where <see cref="AfPacketDevice"/> is not to be had. libpcap knows nothing of offloads: a frame
/// of a local sender that crosses a veth with its checksum unfinished looks finished here, and a super-packet cannot be sent on (it counts as a
/// transmit error). On such links switch the offloads off (ethtool -K … tx off tso off gso off gro off), at the sender's end too; on real wires
/// only gro matters.
/// </summary>
public sealed unsafe class LibpcapDevice : IPacketDevice
{
    private const int SnapLength = 262_144;

    /// <summary>Octets of the kernel's buffer; the default of 2 MiB is eight slots of the snap length in immediate mode.</summary>
    private const int BufferSize = 16 << 20;

    private readonly Lock _guard = new();
    private readonly byte[] _frame = new byte[SnapLength];
    private nint _pcap;
    private long _received;
    private long _transmitted;
    private long _receiveErrors;
    private long _transmitErrors;

    /// <summary>Opens an interface of the calling thread's network namespace. The device may then be used on another thread.</summary>
    /// <exception cref="DeviceException">libpcap is missing, no such interface, no permission, or not Ethernet.</exception>
    public LibpcapDevice(string interfaceName)
    {
        ArgumentException.ThrowIfNullOrEmpty(interfaceName);
        Name = interfaceName;
        (HardwareAddress, Mtu) = InterfaceQuery.Read(interfaceName);
        var error = stackalloc byte[Libpcap.ErrorBufferSize];
        try
        {
            _pcap = Libpcap.pcap_create(interfaceName, error);
        }
        catch (DllNotFoundException e)
        {
            throw new DeviceException($"{interfaceName}: libpcap is not installed (Debian: apt-get install libpcap0.8)", e);
        }

        if (_pcap == 0)
        {
            throw new DeviceException($"{interfaceName}: {Text(error)}");
        }

        try
        {
            _ = Libpcap.pcap_set_snaplen(_pcap, SnapLength);
            _ = Libpcap.pcap_set_promisc(_pcap, 1);
            _ = Libpcap.pcap_set_immediate_mode(_pcap, 1);
            _ = Libpcap.pcap_set_buffer_size(_pcap, BufferSize);
            var status = Libpcap.pcap_activate(_pcap);
            if (status < 0)
            {
                throw status switch
                {
                    Libpcap.ErrorNoSuchDevice => DeviceException.FromErrorNumber(interfaceName, "open with libpcap", Libc.ENODEV),
                    Libpcap.ErrorPermissionDenied or Libpcap.ErrorPromiscuousPermissionDenied =>
                        DeviceException.FromErrorNumber(interfaceName, "open with libpcap", Libc.EPERM),
                    _ => new DeviceException($"{interfaceName}: {Text(Libpcap.pcap_statustostr(status))}: {Text(Libpcap.pcap_geterr(_pcap))}"),
                };
            }

            if (Libpcap.pcap_datalink(_pcap) != Libpcap.LinkTypeEthernet)
            {
                throw new DeviceException($"{interfaceName}: not an Ethernet interface");
            }

            if (Libpcap.pcap_setnonblock(_pcap, 1, error) != 0)
            {
                throw new DeviceException($"{interfaceName}: {Text(error)}");
            }

            if (Libpcap.pcap_setdirection(_pcap, Libpcap.DirectionIn) != 0)
            {
                throw new DeviceException($"{interfaceName}: {Text(Libpcap.pcap_geterr(_pcap))}");
            }

            PollHandle = Libpcap.pcap_get_selectable_fd(_pcap);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public MacAddress HardwareAddress { get; }

    /// <inheritdoc/>
    public int Mtu { get; }

    /// <inheritdoc/>
    public int PollHandle { get; }

    /// <inheritdoc/>
    public bool EndOfInput => false;

    /// <inheritdoc/>
    public DeviceStatistics Statistics
    {
        get
        {
            lock (_guard)
            {
                Libpcap.CaptureStatistics kernel = default;
                if (_pcap != 0)
                {
                    _ = Libpcap.pcap_stats(_pcap, &kernel);
                }

                return new DeviceStatistics(
                    Volatile.Read(ref _received), Volatile.Read(ref _transmitted), kernel.Dropped, Volatile.Read(ref _receiveErrors), Volatile.Read(ref _transmitErrors));
            }
        }
    }

    /// <inheritdoc/>
    public int Receive(FrameHandler handler, int budget)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ObjectDisposedException.ThrowIf(_pcap == 0, this);
        var count = 0;
        while (count < budget)
        {
            Libpcap.PacketHeader* header;
            byte* data;
            var result = Libpcap.pcap_next_ex(_pcap, &header, &data);
            if (result == 0)
            {
                break;
            }

            if (result < 0)
            {
                throw new DeviceException($"{Name}: {Text(Libpcap.pcap_geterr(_pcap))}");
            }

            count++;
            if (header->Captured != header->Length || header->Captured is < EthernetHeader.Length or > SnapLength)
            {
                _receiveErrors++;
                continue;
            }

            // libpcap's buffer is not ours to rewrite.
            var length = (int)header->Captured;
            new ReadOnlySpan<byte>(data, length).CopyTo(_frame);
            _received++;
            handler(_frame.AsSpan(0, length), OffloadInfo.None);
        }

        return count;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Goes out at once: libpcap has no batches, and so no ring to be full. A frame that has something left to offload cannot be told to libpcap and
    /// is a transmit error, as is one that the kernel refuses.
    /// </remarks>
    public bool Transmit(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        ObjectDisposedException.ThrowIf(_pcap == 0, this);
        if (frame.Length < EthernetHeader.Length || offload.ChecksumPartial || offload.GsoType != 0)
        {
            _transmitErrors++;
            return true;
        }

        fixed (byte* data = frame)
        {
            if (Libpcap.pcap_inject(_pcap, data, (nuint)frame.Length) == frame.Length)
            {
                _transmitted++;
            }
            else
            {
                _transmitErrors++;
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public void Flush()
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_guard)
        {
            if (_pcap != 0)
            {
                Libpcap.pcap_close(_pcap);
                _pcap = 0;
            }
        }
    }

    private static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? string.Empty;
}
