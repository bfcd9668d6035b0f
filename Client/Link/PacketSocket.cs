using System.Buffers.Binary;
using Masquerade.Core.Flow;
using Masquerade.KernelAbi;
using Microsoft.Win32.SafeHandles;

namespace Masquerade.Client.Link;

/// <summary>Frames of one EtherType on an interface, by AF_PACKET. What the client itself sends does not come back.</summary>
internal sealed unsafe class PacketSocket : IDisposable
{
    private const int ReceiveBuffer = 4 << 20;
    private readonly SafeFileHandle _socket;

    /// <param name="name">The interface.</param>
    /// <param name="etherType">The EtherType.</param>
    /// <param name="group">A group address that the interface is to receive; none for all of them.</param>
    /// <exception cref="ClientException">It cannot be opened: no such interface, or not allowed.</exception>
    public PacketSocket(string name, ushort etherType, MacAddress group)
    {
        var index = NetworkInterface.Index(name);
        _socket = Linux.Check(Linux.Socket(Linux.AddressPacket, Linux.Raw | Linux.CloseOnExec, 0), "open a packet socket (CAP_NET_RAW)");
        try
        {
            var size = ReceiveBuffer;
            _ = Linux.SetOption(_socket, Linux.LevelSocket, Linux.ReceiveBufferForce, &size, sizeof(int));
            var membership = new PacketMembership { InterfaceIndex = index, Type = group.IsNone ? Linux.MembershipAllMulticast : Linux.MembershipMulticast, AddressLength = 6 };
            group.WriteTo(new Span<byte>(membership.Address, 6));
            _ = Linux.Check(Linux.SetOption(_socket, Linux.LevelPacket, Linux.AddMembership, &membership, (uint)sizeof(PacketMembership)), $"{name}: receive a group address");
            var address = new SockAddrLl { Family = Linux.AddressPacket, Protocol = BinaryPrimitives.ReverseEndianness(etherType), InterfaceIndex = index };
            _ = Linux.Check(Linux.Bind(_socket, &address, (uint)sizeof(SockAddrLl)), $"{name}: bind");
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>What to poll.</summary>
    public int Descriptor => (int)_socket.DangerousGetHandle();

    /// <summary>Takes a frame; 0 if there is none. One that is longer than the buffer is given cut off.</summary>
    public int Receive(Span<byte> frame)
    {
        fixed (byte* start = frame)
        {
            return (int)Math.Max(0, Linux.Receive(Descriptor, start, (nuint)frame.Length, Linux.DoNotWait));
        }
    }

    /// <summary>Sends a frame; false if the kernel does not take it now.</summary>
    public bool Send(ReadOnlySpan<byte> frame)
    {
        fixed (byte* start = frame)
        {
            return Linux.Send(Descriptor, start, (nuint)frame.Length, Linux.DoNotWait) == frame.Length;
        }
    }

    public void Dispose() => _socket.Dispose();
}
