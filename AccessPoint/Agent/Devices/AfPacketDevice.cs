using System.Runtime.InteropServices;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.KernelAbi;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>How an <see cref="AfPacketDevice"/> is set up.</summary>
public sealed record AfPacketOptions
{
    /// <summary>
    /// MiB of the receive ring, 512 slots each. The default, 1,024 slots, is a millisecond of small packets at a million per second; more slots bear longer pauses and cost cache misses.
    /// </summary>
    public int ReceiveMebibytes { get; init; } = 2;

    /// <summary>MiB of the transmit ring, 512 slots each. The default is more than three batches of 64 between two flushes.</summary>
    public int TransmitMebibytes { get; init; } = 1;

    /// <summary>MiB of frames that are longer than a slot, super-packets above all, that may wait to be received, and as many that may be on their way out. The default holds a TCP window of 16 MB.</summary>
    public int LargeMebibytes { get; init; } = 32;

    /// <summary>
    /// Hand frames to the driver past the queueing discipline. Off by default: then the kernel does not segment in software what the driver
    /// cannot (it drops a GSO packet silently if the interface has no segmentation offload for it), and tcpdump does not see what we transmit.
    /// </summary>
    public bool BypassQueueingDiscipline { get; init; }
}

/// <summary>
/// A network interface through AF_PACKET with memory-mapped rings. GSO super-packets stay whole in both directions, and unfinished checksums
/// stay unfinished, because each frame carries its virtio header (PACKET_VNET_HDR). The interface is promiscuous while the device is open.
/// Frames that this host sends out of the interface are not received.
/// </summary>
public sealed unsafe class AfPacketDevice : IPacketDevice
{
    private const uint StatusUser = 1;
    private const uint StatusCopy = 1 << 1;
    private const uint StatusKernel = 0;

    private const uint StatusSendRequest = 1;
    private const uint StatusSending = 2;
    private const uint StatusWrongFormat = 4;

    private readonly Lock _kernelCounters = new();
    private readonly uint _index;
    private readonly byte* _map;
    private readonly nuint _mapLength;
    private readonly LargeFrames _large;
    private AfPacketRing _receive;
    private AfPacketRing _transmit;
    private byte* _lastQueued;
    private bool _kickNeeded;
    private bool _gone;
    private int _socket;
    private long _received;
    private long _transmitted;
    private long _receiveErrors;
    private long _transmitErrors;
    private long _kernelDrops;
    private long _largeDrops;

    /// <summary>Lets a program of the kernel choose which frames are received.</summary>
    /// <param name="program">The descriptor of the program, a socket filter.</param>
    /// <exception cref="DeviceException">The kernel refuses.</exception>
    internal void Filter(int program) => Check(Libc.setsockopt(_socket, Libc.SOL_SOCKET, Libc.SO_ATTACH_BPF, &program, sizeof(int)), "have frames filtered");

    /// <summary>All frames are received again.</summary>
    internal void Unfilter()
    {
        var unused = 0;
        _ = Libc.setsockopt(_socket, Libc.SOL_SOCKET, Libc.SO_DETACH_FILTER, &unused, sizeof(int));
    }

    /// <summary>The interface's number.</summary>
    internal uint InterfaceIndex => _index;

    /// <summary>Opens an interface of the calling thread's network namespace. The device may then be used on another thread.</summary>
    /// <exception cref="DeviceException">No such interface, no permission, not Ethernet, or no memory.</exception>
    public AfPacketDevice(string interfaceName, AfPacketOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(interfaceName);
        options ??= new AfPacketOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ReceiveMebibytes, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.TransmitMebibytes, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.ReceiveMebibytes, 1024, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.TransmitMebibytes, 1024, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.LargeMebibytes, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.LargeMebibytes, 1024, nameof(options));

        Name = interfaceName;
        _index = Libc.if_nametoindex(interfaceName);
        if (_index == 0)
        {
            throw Failure("open");
        }

        // Protocol 0: nothing arrives before bind, when the rings are ready.
        _socket = Libc.socket(Libc.AF_PACKET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, 0);
        if (_socket < 0)
        {
            throw Failure("open a packet socket");
        }

        try
        {
            HardwareAddress = InterfaceQuery.ReadHardwareAddress(_socket, interfaceName);
            Mtu = InterfaceQuery.ReadMtu(_socket, interfaceName);
            ConfigureSocket(options);

            _large = new LargeFrames(interfaceName, _socket, (int)_index, options.LargeMebibytes << 20, options.BypassQueueingDiscipline);
            var receiveLength = (nuint)options.ReceiveMebibytes * AfPacketRing.BlockSize;
            _mapLength = receiveLength + ((nuint)options.TransmitMebibytes * AfPacketRing.BlockSize);
            var map = Libc.mmap(null, _mapLength, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED, _socket, 0);
            if (map == Libc.MAP_FAILED)
            {
                throw Failure("map the packet rings");
            }

            _map = (byte*)map;
            _receive = new AfPacketRing(_map, options.ReceiveMebibytes);
            _transmit = new AfPacketRing(_map + receiveLength, options.TransmitMebibytes);

            var address = new SockAddrLl { Family = Libc.AF_PACKET, Protocol = Libc.AllProtocolsNetworkOrder, InterfaceIndex = (int)_index };
            if (Libc.bind(_socket, &address, (uint)sizeof(SockAddrLl)) != 0)
            {
                throw Failure("bind");
            }
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
    public int Mtu { get; private set; }

    /// <inheritdoc/>
    public int PollHandle => _socket;

    /// <inheritdoc/>
    public bool EndOfInput => false;

    /// <summary>How many frames the receive ring holds.</summary>
    public int ReceiveSlots => _receive.Slots;

    /// <summary>How many frames the transmit ring holds.</summary>
    public int TransmitSlots => _transmit.Slots;

    /// <inheritdoc/>
    public DeviceStatistics Statistics
    {
        get
        {
            lock (_kernelCounters)
            {
                // The kernel resets its counters when they are read.
                Libc.PacketStatistics kernel = default;
                var length = (uint)sizeof(Libc.PacketStatistics);
                if (_socket >= 0 && Libc.getsockopt(_socket, Libc.SOL_PACKET, Libc.PACKET_STATISTICS, &kernel, &length) == 0)
                {
                    _kernelDrops += kernel.Drops;
                }

                return new DeviceStatistics(
                    Volatile.Read(ref _received), Volatile.Read(ref _transmitted), _kernelDrops + Volatile.Read(ref _largeDrops), Volatile.Read(ref _receiveErrors), Volatile.Read(ref _transmitErrors));
            }
        }
    }

    /// <inheritdoc/>
    /// <exception cref="DeviceException">
    /// The interface does not exist any more (found out when something was to be sent); one that is only down is waited for.
    /// </exception>
    public int Receive(FrameHandler handler, int budget)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ObjectDisposedException.ThrowIf(_socket < 0, this);
        if (_gone)
        {
            throw new DeviceException($"{Name}: the interface has disappeared");
        }

        if (_kickNeeded)
        {
            // The driver or the socket's buffer was full at the last flush; whoever polls comes by here soon enough.
            Flush();
        }

        var count = 0;
        while (count < budget)
        {
            var slot = _receive.Current;
            var status = AfPacketRing.ReadStatus(slot);
            if ((status & StatusUser) == 0)
            {
                break;
            }

            // The slot goes back even if the handler throws: the cursor must not fall behind the kernel's.
            _receive.Advance();
            try
            {
                Deliver(slot, status, handler);
            }
            finally
            {
                AfPacketRing.WriteStatus(slot, StatusKernel);
            }

            count++;
        }

        return count;
    }

    /// <inheritdoc/>
    public bool Transmit(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        ObjectDisposedException.ThrowIf(_socket < 0, this);
        if (!CanEverBeSent(frame.Length, offload) || !VirtioNetHeader.TryCreate(frame.Length, offload, out var header))
        {
            _transmitErrors++;
            return true;
        }

        if (frame.Length > AfPacketRing.MaxTransmitFrame)
        {
            return TransmitLarge(frame, header);
        }

        var slot = _transmit.Current;
        var status = AfPacketRing.ReadStatus(slot);
        if ((status & (StatusSendRequest | StatusSending)) != 0)
        {
            return false;
        }

        if ((status & StatusWrongFormat) != 0)
        {
            _transmitErrors++;
        }

        *(VirtioNetHeader*)(slot + AfPacketRing.TransmitData) = header;
        frame.CopyTo(new Span<byte>(slot + AfPacketRing.TransmitData + VirtioNetHeader.Size, AfPacketRing.MaxTransmitFrame));
        AfPacketRing.Length(slot) = (uint)(frame.Length + VirtioNetHeader.Size);
        AfPacketRing.WriteStatus(slot, StatusSendRequest);
        _transmit.Advance();
        _lastQueued = slot;
        _kickNeeded = true;
        _transmitted++;
        return true;
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (!_kickNeeded)
        {
            return;
        }

        ObjectDisposedException.ThrowIf(_socket < 0, this);
        if (Libc.sendto(_socket, null, 0, Libc.MSG_DONTWAIT, null, 0) < 0 && Marshal.GetLastPInvokeError() is Libc.ENXIO or Libc.ENODEV)
        {
            _gone = true;
        }

        // The result says how the last frame fared, not whether all were taken. The status of the last slot tells: the kernel goes in order and
        // leaves a frame that it could not take for now (ENOBUFS, EAGAIN, ENETDOWN) as it is, to be asked again.
        _kickNeeded = (AfPacketRing.ReadStatus(_lastQueued) & StatusSendRequest) != 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_kernelCounters)
        {
            if (_map != null && _socket >= 0)
            {
                _ = Libc.munmap(_map, _mapLength);
            }

            if (_socket >= 0)
            {
                _ = Libc.close(_socket);
                _socket = -1;
                _large?.Dispose();
            }
        }
    }

    private void Deliver(byte* slot, uint status, FrameHandler handler)
    {
        var length = AfPacketRing.Captured(slot);
        if (length != AfPacketRing.Length(slot) || length < EthernetHeader.Length)
        {
            DeliverLarge(status, handler);
            return;
        }

        var frame = slot + AfPacketRing.Mac(slot);
        var header = *(VirtioNetHeader*)(frame - VirtioNetHeader.Size);

        // A tag takes the place of the virtio header's end.
        var shift = VlanTag.PutBack(ref frame, status, AfPacketRing.VlanTpid(slot), AfPacketRing.VlanTci(slot));
        _received++;
        handler(new Span<byte>(frame, (int)length + shift), header.ToOffloadInfo(shift));
    }

    /// <summary>The slot shows only the beginning of a frame; the whole waits at the socket, where one waits for each slot that says so. All that is said of it is taken from there too: two processors that deliver at once may have taken slots in another order.</summary>
    private void DeliverLarge(uint status, FrameHandler handler)
    {
        if ((status & StatusCopy) == 0)
        {
            // No room for another one.
            Interlocked.Increment(ref _largeDrops);
            return;
        }

        var frame = _large.TryReceive(out var length, out var header, out var shift);
        if (frame == null)
        {
            // BIG TCP is on, or a frame for nobody.
            _receiveErrors++;
            return;
        }

        _received++;
        handler(new Span<byte>(frame, length), header.ToOffloadInfo(shift));
    }

    /// <summary>Sends a frame that no slot holds, after those that do.</summary>
    private bool TransmitLarge(ReadOnlySpan<byte> frame, VirtioNetHeader header)
    {
        Flush();
        if (_kickNeeded)
        {
            // What is before it cannot leave now.
            return false;
        }

        switch (_large.Send(frame, header))
        {
            case 0:
                _transmitted++;
                return true;
            case Libc.EAGAIN or Libc.ENOBUFS or Libc.ENETDOWN or Libc.EINTR:
                return false;
            case Libc.ENXIO or Libc.ENODEV:
                _gone = true;
                _transmitErrors++;
                return true;
            default:
                _transmitErrors++;
                return true;
        }
    }

    private bool CanEverBeSent(int length, in OffloadInfo offload)
    {
        if (length is < EthernetHeader.Length or > LargeFrames.MaxFrame)
        {
            return false;
        }

        if (offload.GsoType != 0 || length <= Mtu + EthernetHeader.Length + VlanTag.Length)
        {
            return true;
        }

        // With a virtio header the kernel leaves this check to us. The MTU may have been raised since the device was opened.
        RefreshMtu();
        return length <= Mtu + EthernetHeader.Length + VlanTag.Length;
    }

    private void RefreshMtu()
    {
        try
        {
            Mtu = InterfaceQuery.ReadMtu(_socket, Name);
        }
        catch (DeviceException)
        {
            // The interface is gone or renamed: the old value stays, and the frame is a transmit error.
        }
    }

    private void ConfigureSocket(AfPacketOptions options)
    {
        // The kernel takes these only while there are no rings.
        SetOption(Libc.PACKET_VERSION, Libc.TPACKET_V2, "use TPACKET_V2");
        SetOption(Libc.PACKET_VNET_HDR, 1, "use virtio headers");

        // Without this one bad frame would stop the ring until its slot is written again.
        SetOption(Libc.PACKET_LOSS, 1, "skip malformed frames");
        SetOption(Libc.PACKET_IGNORE_OUTGOING, 1, "ignore outgoing frames");
        if (options.BypassQueueingDiscipline)
        {
            SetOption(Libc.PACKET_QDISC_BYPASS, 1, "bypass the queueing discipline");
        }

        // What fits into no slot is kept whole at the socket, and with it what the kernel took out of it.
        SetOption(Libc.PACKET_COPY_THRESH, 1, "keep large frames");
        SetOption(Libc.PACKET_AUXDATA, 1, "have VLAN tags told");
        Libc.SetBuffer(_socket, Libc.SO_RCVBUFFORCE, Libc.SO_RCVBUF, options.LargeMebibytes << 20);

        // A full transmit ring must fit; beyond it the kernel answers EAGAIN.
        Libc.SetBuffer(_socket, Libc.SO_SNDBUFFORCE, Libc.SO_SNDBUF, options.TransmitMebibytes * AfPacketRing.BlockSize);

        SetRing(Libc.PACKET_RX_RING, options.ReceiveMebibytes, "set up the receive ring");
        SetRing(Libc.PACKET_TX_RING, options.TransmitMebibytes, "set up the transmit ring");

        var membership = new PacketMembership { InterfaceIndex = (int)_index, Type = Libc.PACKET_MR_PROMISC };
        if (Libc.setsockopt(_socket, Libc.SOL_PACKET, Libc.PACKET_ADD_MEMBERSHIP, &membership, (uint)sizeof(PacketMembership)) != 0)
        {
            throw Failure("become promiscuous");
        }
    }

    private void SetOption(int name, int value, string action) => Check(Libc.setsockopt(_socket, Libc.SOL_PACKET, name, &value, sizeof(int)), action);

    private void Check(int result, string action)
    {
        if (result != 0)
        {
            throw Failure(action);
        }
    }

    private void SetRing(int name, int blocks, string action)
    {
        var request = new Libc.RingRequest
        {
            BlockSize = AfPacketRing.BlockSize,
            BlockCount = (uint)blocks,
            SlotSize = AfPacketRing.SlotSize,
            SlotCount = (uint)(blocks * AfPacketRing.SlotsPerBlock),
        };
        if (Libc.setsockopt(_socket, Libc.SOL_PACKET, name, &request, (uint)sizeof(Libc.RingRequest)) != 0)
        {
            throw Failure(action);
        }
    }

    private DeviceException Failure(string action) => DeviceException.FromErrorNumber(Name, action, Marshal.GetLastPInvokeError());
}
