using System.Runtime.InteropServices;

namespace Masquerade.KernelAbi;

// Structures of the Linux ABI (asm-generic: x86-64, arm64, riscv64) that system calls of the agent and of the client take. Compiled into both: the client depends on no part of the access point.

/// <summary>struct pollfd.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PollFd
{
    public int Handle;
    public short Events;
    public short Returned;
}

/// <summary>struct timespec.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TimeSpec
{
    public nint Seconds;
    public nint Nanoseconds;

    /// <summary>A span of time.</summary>
    public static TimeSpec FromNanoseconds(long nanoseconds) => new() { Seconds = (nint)(nanoseconds / 1_000_000_000), Nanoseconds = (nint)(nanoseconds % 1_000_000_000) };
}

/// <summary>struct sockaddr_ll.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SockAddrLl
{
    public ushort Family;
    public ushort Protocol;
    public int InterfaceIndex;
    public ushort HardwareType;
    public byte PacketType;
    public byte AddressLength;
    public ulong Address;
}

/// <summary>struct iovec.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct IoVec
{
    public void* Base;
    public nuint Length;
}

/// <summary>struct msghdr.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MessageHeader
{
    public void* Name;
    public uint NameLength;
    public IoVec* Pieces;
    public nuint PieceCount;
    public void* Control;
    public nuint ControlLength;
    public int Flags;
}

/// <summary>struct packet_mreq.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PacketMembership
{
    public int InterfaceIndex;
    public ushort Type;
    public ushort AddressLength;
    public fixed byte Address[8];
}

/// <summary>struct ifreq: 16 octets of name, then a union of 24.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct IfReq
{
    public const int MaxName = 15;

    public fixed byte Name[MaxName + 1];
    public fixed byte Value[24];
}
