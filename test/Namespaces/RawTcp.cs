using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Masquerade.Core.Checksum;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Lab.Net;

namespace Masquerade.Namespaces.Tests;

/// <summary>Sends TCP segments that no kernel would send, from one endpoint of a namespace to another one elsewhere. The kernel there writes the IP header only.</summary>
internal sealed class RawTcp : IDisposable
{
    private readonly Socket _socket;
    private readonly IPEndPoint _from;
    private readonly IPEndPoint _to;
    private readonly byte[] _segment = new byte[TcpHeader.MinimumLength];

    public RawTcp(NetNamespace space, IPEndPoint from, IPEndPoint to)
    {
        (_from, _to) = (from, new IPEndPoint(to.Address.IsIPv4MappedToIPv6 ? to.Address.MapToIPv4() : to.Address, to.Port));
        _socket = space.Invoke(() =>
        {
            var socket = new Socket(from.AddressFamily, SocketType.Raw, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(from.Address, 0));
            return socket;
        });
    }

    public void Send(TcpFlags flags, uint sequence, uint acknowledgment = 0)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_segment, (ushort)_from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(_segment.AsSpan(2), (ushort)_to.Port);
        BinaryPrimitives.WriteUInt32BigEndian(_segment.AsSpan(4), sequence);
        BinaryPrimitives.WriteUInt32BigEndian(_segment.AsSpan(8), acknowledgment);
        _segment[12] = 0x50;
        _segment[13] = (byte)flags;
        BinaryPrimitives.WriteUInt16BigEndian(_segment.AsSpan(14), 1_000);
        BinaryPrimitives.WriteUInt16BigEndian(_segment.AsSpan(TcpHeader.ChecksumOffset), 0);
        var pseudo = InternetChecksum.PseudoHeaderSum(
            IpAddress.FromBytes(_from.Address.GetAddressBytes()), IpAddress.FromBytes(_to.Address.GetAddressBytes()), IpProtocolNumber.Tcp, _segment.Length);
        BinaryPrimitives.WriteUInt16BigEndian(_segment.AsSpan(TcpHeader.ChecksumOffset), InternetChecksum.Finish(InternetChecksum.Sum(_segment, pseudo)));
        _socket.SendTo(_segment, new IPEndPoint(_to.Address, 0));
    }

    public void Dispose() => _socket.Dispose();
}
