using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Agent.FastPath;

// What fastpath.bpf.c has as well. Octets of headers stand as they do there.

/// <summary>struct settings.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KernelSettings
{
    /// <summary>The tick after which nothing passes any more: the agent has stopped.</summary>
    public ulong AliveUntil;
    public ulong FirstSecret;

    /// <summary>Odd.</summary>
    public ulong SecondSecret;
    public uint Mask;
    public uint UplinkIndex;
    public uint ClientsIndex;
    public uint UplinkMtu;
    public uint ClientsMtu;
    public KernelMac UplinkMac;
    public KernelMac ClientsMac;

    /// <summary>Decisions of the packet socket's filter that tc did not carry out. After some nothing passes any more.</summary>
    public uint Missed;
    public uint Unused;
}

/// <summary>A MAC address.</summary>
[InlineArray(6)]
internal struct KernelMac
{
    private byte _first;

    public static KernelMac Of(MacAddress mac)
    {
        var octets = default(KernelMac);
        mac.WriteTo(octets);
        return octets;
    }
}

/// <summary>struct way: how packets of one direction of one connection look, how they are rewritten, and what has passed.</summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal struct KernelWay
{
    /// <summary>Set in <see cref="Client"/>: the destination is rewritten, not the source.</summary>
    public const uint ToClient = 0x8000_0000;

    public KernelKey Key;

    /// <summary>The client's when this was written; 0: the way does not hold.</summary>
    public uint Generation;
    public uint Client;
    public KernelAddress Address;
    public ulong Octets;
    public uint Packets;
    public uint Tick;
    public uint Acknowledged;
    public ushort Window;
    public ushort Port;
    public ushort AddressDelta;
    public ushort PortDelta;
    public KernelMac NextHop;
    public KernelMac From;
}

/// <summary>An address; an IPv4 one is in the first four octets.</summary>
[InlineArray(16)]
internal struct KernelAddress
{
    private byte _first;

    public static KernelAddress Of(IpAddress address)
    {
        var octets = default(KernelAddress);
        address.WriteTo(octets);
        return octets;
    }
}

/// <summary>struct key: what packets of a way look like as they come.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KernelKey
{
    private const byte FromUplink = 0;
    private const byte FromClients = 1;

    public KernelAddress Source;
    public KernelAddress Destination;
    public ushort SourcePort;
    public ushort DestinationPort;
    public byte Protocol;
    public byte Side;
    public ushort Unused;

    public static KernelKey Of(in PassingWay way) => new()
    {
        Source = KernelAddress.Of(way.Before.Source.Address),
        Destination = KernelAddress.Of(way.Before.Destination.Address),
        SourcePort = InMemory(way.Before.Source.Port),
        DestinationPort = InMemory(way.Before.Destination.Port),
        Protocol = way.Before.Protocol == TransportProtocol.Tcp ? IpProtocolNumber.Tcp : IpProtocolNumber.Udp,
        Side = way.ToClient ? FromUplink : FromClients,
    };

    /// <summary>A number so that it stands in memory as it does in a header.</summary>
    public static ushort InMemory(ushort value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

    /// <summary>The program's hash; nobody who does not know the secrets knows which keys meet.</summary>
    public readonly ulong Hash(ulong first, ulong second)
    {
        var key = this;
        var hash = first;
        foreach (var word in MemoryMarshal.Cast<KernelKey, ulong>(new ReadOnlySpan<KernelKey>(in key)))
        {
            hash = unchecked((hash ^ word) * second);
            hash ^= hash >> 29;
        }

        return hash;
    }
}
