using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Masquerade.Core.Engine;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>
/// struct virtio_net_hdr (OASIS virtio 1.2 section 5.1.6) as AF_PACKET places it in front of each frame: 10 octets, host byte order.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct VirtioNetHeader
{
    /// <summary>Octets of the header.</summary>
    public const int Size = 10;

    private const byte NeedsChecksum = 1;

    private const byte GsoTcp4 = 1;
    private const byte GsoUdpFragmentation = 3;
    private const byte GsoTcp6 = 4;
    private const byte GsoUdpSegmentation = 5;
    private const byte GsoEcn = 0x80;

    /// <summary>
    /// Frames up to this many octets are given to the kernel as all header, so that it copies them into one linear buffer. The alternative, page
    /// references into the ring, costs more than copying one MTU and keeps the slot busy until the receiver at the other end is done.
    /// </summary>
    private const int LinearLimit = 2048;

    private byte _flags;
    private byte _gsoType;
    private ushort _headerLength;
    private ushort _gsoSize;
    private ushort _checksumStart;
    private ushort _checksumOffset;

    /// <summary>The state of a received frame.</summary>
    /// <param name="shift">How many octets the frame has grown in front since the kernel wrote the header (a VLAN tag put back).</param>
    public readonly OffloadInfo ToOffloadInfo(int shift)
    {
        if ((_flags & NeedsChecksum) == 0 && _gsoType == 0)
        {
            return OffloadInfo.None;
        }

        var partial = (_flags & NeedsChecksum) != 0;
        return new OffloadInfo(
            partial,
            partial ? (ushort)(_checksumStart + shift) : (ushort)0,
            partial ? _checksumOffset : (ushort)0,
            _gsoType,
            _gsoSize,
            _headerLength == 0 ? (ushort)0 : (ushort)Math.Min(_headerLength + shift, ushort.MaxValue));
    }

    /// <summary>
    /// The header for a frame to transmit. False: the fields contradict the frame, and the kernel would refuse it without telling (PACKET_LOSS).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryCreate(int frameLength, in OffloadInfo offload, out VirtioNetHeader header)
    {
        header = default;
        if (offload.ChecksumPartial)
        {
            if (offload.ChecksumStart + offload.ChecksumOffset + 2 > frameLength)
            {
                return false;
            }

            header._flags = NeedsChecksum;
            header._checksumStart = offload.ChecksumStart;
            header._checksumOffset = offload.ChecksumOffset;
        }

        if (offload.GsoType != 0)
        {
            if ((offload.GsoType & ~GsoEcn) is not (GsoTcp4 or GsoUdpFragmentation or GsoTcp6 or GsoUdpSegmentation) || offload.GsoSize == 0)
            {
                return false;
            }

            header._gsoType = offload.GsoType;
            header._gsoSize = offload.GsoSize;
        }

        header._headerLength = (ushort)(frameLength <= LinearLimit ? frameLength : Math.Min((int)offload.HeaderLength, LinearLimit));
        return true;
    }
}
