using System.Buffers.Binary;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Capture;

/// <summary>One interface under observation: an AF_PACKET receive ring (TPACKET_V3) that keeps the first bytes of every frame with the kernel's time stamp.</summary>
internal sealed unsafe class PacketRing : IDisposable
{
    private const int SnapLength = 128;
    private const uint BlockSize = 1 << 20;
    private const uint BlockCount = 12;
    private const int PacketRxRing = 5;
    private const int PacketStatistics = 6;
    private const int PacketVersion = 10;
    private const int TPacketV3 = 2;
    private const uint StatusUser = 1;
    private const byte PacketOutgoing = 4;
    private const int RetireMilliseconds = 40;
    private readonly byte* _ring;
    private uint _block;

    private PacketRing(int fd, byte* ring)
    {
        Fd = fd;
        _ring = ring;
    }

    /// <summary>Becomes readable when a block of frames is complete.</summary>
    public int Fd { get; }

    /// <summary>Starts observing; call this inside the interface's namespace.</summary>
    public static PacketRing Open(string device)
    {
        var fd = Libc.Check(Libc.Socket(Libc.AfPacket, Libc.SockRaw | Libc.SockCloseOnExec, 0), "socket(AF_PACKET)");
        try
        {
            var version = TPacketV3;
            Libc.Check(Libc.SetSockOpt(fd, Libc.SolPacket, PacketVersion, &version, sizeof(int)), "PACKET_VERSION");

            // A one-instruction classic BPF program, "accept the first bytes", is how a packet socket is told its snap length.
            var instruction = stackalloc ulong[1];
            instruction[0] = 0x06UL | ((ulong)SnapLength << 32);
            var program = stackalloc nint[2];
            program[0] = 1;
            program[1] = (nint)instruction;
            Libc.Check(Libc.SetSockOpt(fd, Libc.SolSocket, Libc.SoAttachFilter, program, (uint)(2 * sizeof(nint))), "SO_ATTACH_FILTER");

            // struct tpacket_req3: block size, block count, frame size, frame count, time to retire a block, private size, features
            var request = stackalloc uint[] { BlockSize, BlockCount, 2048, BlockSize / 2048 * BlockCount, RetireMilliseconds, 0, 0 };
            Libc.Check(Libc.SetSockOpt(fd, Libc.SolPacket, PacketRxRing, request, 7 * sizeof(uint)), "PACKET_RX_RING");
            var map = Libc.MemoryMap(null, BlockSize * BlockCount, Libc.ProtRead | Libc.ProtWrite, Libc.MapShared, fd, 0);
            if ((nint)map == -1)
            {
                throw new LabException("mapping a capture ring failed");
            }

            var index = Libc.InterfaceIndex(device);
            if (index == 0)
            {
                throw new LabException($"no interface {device} to capture on");
            }

            // struct sockaddr_ll: family, protocol ETH_P_ALL in network order, interface index
            Span<byte> address = stackalloc byte[20];
            address.Clear();
            BinaryPrimitives.WriteUInt16LittleEndian(address, Libc.AfPacket);
            BinaryPrimitives.WriteUInt16BigEndian(address[2..], 3);
            BinaryPrimitives.WriteUInt32LittleEndian(address[4..], index);
            fixed (byte* a = address)
            {
                Libc.Check(Libc.Bind(fd, a, 20), "bind(AF_PACKET)");
            }

            return new PacketRing(fd, (byte*)map);
        }
        catch
        {
            _ = Libc.Close(fd);
            throw;
        }
    }

    /// <summary>Appends all frames that have arrived to <paramref name="log"/>.</summary>
    public void Drain(PacketLog log, byte point, long realtimeOffset)
    {
        while (true)
        {
            var block = _ring + (_block * (nint)BlockSize);
            if ((Volatile.Read(ref *(uint*)(block + 8)) & StatusUser) == 0)
            {
                return;
            }

            var count = *(uint*)(block + 12);
            var packet = block + *(uint*)(block + 16);
            for (uint i = 0; i < count; i++)
            {
                var record = PacketRecord.Parse(new ReadOnlySpan<byte>(packet + *(ushort*)(packet + 24), *(int*)(packet + 12)), *(int*)(packet + 16));
                record.At = (*(uint*)(packet + 4) * 1_000_000_000L) + *(uint*)(packet + 8) - realtimeOffset;
                record.Outgoing = packet[48 + 10] == PacketOutgoing; // sockaddr_ll.sll_pkttype behind the tpacket3_hdr
                log.Add(point, record);
                packet += *(uint*)packet;
            }

            Volatile.Write(ref *(uint*)(block + 8), 0);
            _block = (_block + 1) % BlockCount;
        }
    }

    /// <summary>Takes the socket's error from it.</summary>
    public void TakeError()
    {
        var error = 0;
        uint length = sizeof(int);
        _ = Libc.GetSockOpt(Fd, Libc.SolSocket, Libc.SoError, &error, &length);
    }

    /// <summary>How many frames the kernel could not store since the last call.</summary>
    public uint TakeDropCount()
    {
        var statistics = stackalloc uint[3];
        uint length = 3 * sizeof(uint);
        return Libc.GetSockOpt(Fd, Libc.SolPacket, PacketStatistics, statistics, &length) == 0 ? statistics[1] : 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ = Libc.MemoryUnmap(_ring, BlockSize * BlockCount);
        _ = Libc.Close(Fd);
    }
}
