using System.Runtime.InteropServices;
using Masquerade.Core.Wire;
using Masquerade.KernelAbi;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>
/// The way of frames that no ring slot holds, above all TCP super-packets: one at a time through one buffer, which stays in the processor's cache. (With slots for the largest frame every copy goes to
/// another 64 KiB of a ring that no cache holds, and small frames lie a cache line or two in pages of their own.) The receiving socket is the rings'; one that sends must not have a ring.
/// </summary>
internal sealed unsafe class LargeFrames : IDisposable
{
    /// <summary>The longest frame: 65,535 octets of IP packet behind an Ethernet header with two VLAN tags.</summary>
    public const int MaxFrame = 65_535 + EthernetHeader.Length + (2 * VlanTag.Length);

    /// <summary>Where a received frame starts in the buffer: room for the tag that the kernel took out, and the frame on a cache line but for its Ethernet header.</summary>
    private const int Start = 64;

    private readonly int _receiving;
    private readonly byte* _buffer;
    private readonly byte* _control;
    private int _sending = -1;

    /// <summary>Opens the way on an interface.</summary>
    /// <param name="name">The interface's name, for errors.</param>
    /// <param name="receiving">The socket of the receive ring, set up to keep what does not fit into a slot.</param>
    /// <param name="index">The interface's number.</param>
    /// <param name="inFlight">Octets that may be on their way at once.</param>
    /// <param name="bypassQueueingDiscipline">Past the queueing discipline.</param>
    public LargeFrames(string name, int receiving, int index, int inFlight, bool bypassQueueingDiscipline)
    {
        _receiving = receiving;
        _buffer = (byte*)NativeMemory.AlignedAlloc(Start + MaxFrame, 64);
        _control = (byte*)NativeMemory.AllocZeroed(Libc.AuxiliarySpace);
        try
        {
            // Protocol 0: it receives nothing.
            _sending = Libc.socket(Libc.AF_PACKET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, 0);
            var (one, bypass) = (1, bypassQueueingDiscipline ? 1 : 0);
            var address = new SockAddrLl { Family = Libc.AF_PACKET, InterfaceIndex = index };
            if (_sending < 0
                || Libc.setsockopt(_sending, Libc.SOL_PACKET, Libc.PACKET_VNET_HDR, &one, sizeof(int)) != 0
                || Libc.setsockopt(_sending, Libc.SOL_PACKET, Libc.PACKET_QDISC_BYPASS, &bypass, sizeof(int)) != 0
                || Libc.bind(_sending, &address, (uint)sizeof(SockAddrLl)) != 0)
            {
                throw DeviceException.FromErrorNumber(name, "open a socket for large frames", Marshal.GetLastPInvokeError());
            }

            Libc.SetBuffer(_sending, Libc.SO_SNDBUFFORCE, Libc.SO_SNDBUF, inFlight);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Takes the next frame that waits. It may be rewritten, and is valid until the next call.</summary>
    /// <param name="length">The frame's octets, with the VLAN tag that the kernel had taken out.</param>
    /// <param name="header">The kernel's description of it.</param>
    /// <param name="shift">How many octets the frame has grown in front since the description was written.</param>
    /// <returns>The frame; null if none waits or it is too long to be taken whole.</returns>
    public byte* TryReceive(out int length, out VirtioNetHeader header, out int shift)
    {
        (length, shift) = (0, 0);
        VirtioNetHeader description = default;
        var pieces = stackalloc IoVec[2];
        pieces[0] = new IoVec { Base = &description, Length = VirtioNetHeader.Size };
        pieces[1] = new IoVec { Base = _buffer + Start, Length = MaxFrame };
        var message = new MessageHeader { Pieces = pieces, PieceCount = 2, Control = _control, ControlLength = Libc.AuxiliarySpace };
        var received = Libc.recvmsg(_receiving, &message, Libc.MSG_DONTWAIT);
        if (received < 0 && Marshal.GetLastPInvokeError() != Libc.EAGAIN)
        {
            // That the interface went down is told before what had arrived; told once, and the frame is still there.
            received = Libc.recvmsg(_receiving, &message, Libc.MSG_DONTWAIT);
        }

        header = description;
        if (received < VirtioNetHeader.Size + EthernetHeader.Length || (message.Flags & Libc.MSG_TRUNC) != 0)
        {
            return null;
        }

        length = (int)received - VirtioNetHeader.Size;
        var frame = _buffer + Start;
        var auxiliary = (Libc.AuxiliaryData*)(_control + Libc.ControlHeader);
        shift = message.ControlLength >= Libc.AuxiliarySpace ? VlanTag.PutBack(ref frame, auxiliary->Status, auxiliary->VlanTpid, auxiliary->VlanTci) : 0;
        length += shift;
        return frame;
    }

    /// <summary>Sends a frame at once. The result is 0, or the number of the kernel's error.</summary>
    public int Send(ReadOnlySpan<byte> frame, VirtioNetHeader header)
    {
        fixed (byte* octets = frame)
        {
            var pieces = stackalloc IoVec[2];
            pieces[0] = new IoVec { Base = &header, Length = VirtioNetHeader.Size };
            pieces[1] = new IoVec { Base = octets, Length = (nuint)frame.Length };
            var message = new MessageHeader { Pieces = pieces, PieceCount = 2 };
            return Libc.sendmsg(_sending, &message, Libc.MSG_DONTWAIT) >= 0 ? 0 : Marshal.GetLastPInvokeError();
        }
    }

    public void Dispose()
    {
        if (_sending >= 0)
        {
            _ = Libc.close(_sending);
            _sending = -1;
        }

        NativeMemory.AlignedFree(_buffer);
        NativeMemory.Free(_control);
    }
}
