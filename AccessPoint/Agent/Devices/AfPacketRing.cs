using System.Runtime.CompilerServices;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>
/// One direction of a TPACKET_V2 ring (linux/Documentation/networking/packet_mmap.rst): fixed slots, each with a status word that hands it from
/// the kernel to us and back. This type finds slots and reads and writes their header; what a status means is the device's business.
/// </summary>
internal unsafe struct AfPacketRing
{
    /// <summary>
    /// Octets of a slot: a frame of the usual MTU, and less than 128 for the slot's own header, socket address and virtio header. What is longer goes by <see cref="LargeFrames"/>.
    /// </summary>
    public const int SlotSize = 2048;

    /// <summary>The ring is allocated in blocks of 1 MiB; larger ones are harder for the kernel to find.</summary>
    public const int BlockSize = 1 << 20;

    /// <summary>Slots in a block.</summary>
    public const int SlotsPerBlock = BlockSize / SlotSize;

    /// <summary>Where the virtio header of a frame to transmit starts: after the slot's header, sizeof(struct tpacket2_hdr).</summary>
    public const int TransmitData = 32;

    /// <summary>The longest frame that fits into a slot to transmit.</summary>
    public const int MaxTransmitFrame = SlotSize - TransmitData - VirtioNetHeader.Size;

    private const int StatusOffset = 0;
    private const int LengthOffset = 4;
    private const int CapturedOffset = 8;
    private const int MacOffset = 12;
    private const int VlanTciOffset = 24;
    private const int VlanTpidOffset = 26;

    private readonly byte* _base;
    private readonly int _slots;
    private int _index;
    private byte* _slot;

    public AfPacketRing(byte* start, int blocks)
    {
        _base = start;
        _slots = blocks * SlotsPerBlock;
        _slot = start;
    }

    /// <summary>How many slots the ring has.</summary>
    public readonly int Slots => _slots;

    /// <summary>The slot at the cursor.</summary>
    public readonly byte* Current => _slot;

    /// <summary>Moves the cursor to the next slot.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Advance()
    {
        if (++_index == _slots)
        {
            _index = 0;
            _slot = _base;
        }
        else
        {
            _slot += SlotSize;
        }
    }

    /// <summary>Reads the status before anything else of the slot (acquire).</summary>
    public static uint ReadStatus(byte* slot) => Volatile.Read(ref Unsafe.AsRef<uint>(slot + StatusOffset));

    /// <summary>Writes the status after everything else of the slot (release).</summary>
    public static void WriteStatus(byte* slot, uint status) => Volatile.Write(ref Unsafe.AsRef<uint>(slot + StatusOffset), status);

    /// <summary>The length of the frame; on transmit with the virtio header in front.</summary>
    public static ref uint Length(byte* slot) => ref Unsafe.AsRef<uint>(slot + LengthOffset);

    /// <summary>How much of the frame is in the slot.</summary>
    public static uint Captured(byte* slot) => *(uint*)(slot + CapturedOffset);

    /// <summary>Where in the slot the received frame starts; its virtio header ends there.</summary>
    public static ushort Mac(byte* slot) => *(ushort*)(slot + MacOffset);

    /// <summary>The tag control information that the kernel took out of the frame.</summary>
    public static ushort VlanTci(byte* slot) => *(ushort*)(slot + VlanTciOffset);

    /// <summary>The EtherType of the tag that the kernel took out of the frame.</summary>
    public static ushort VlanTpid(byte* slot) => *(ushort*)(slot + VlanTpidOffset);
}
