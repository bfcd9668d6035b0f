using System.Runtime.InteropServices;

namespace Masquerade.Bench.Network;

/// <summary>The calls of Linux that a load at the link layer needs.</summary>
internal static unsafe partial class Kernel
{
    public const int PacketFamily = 17;
    public const int Raw = 3;
    public const int CloseOnExec = 0x8_0000;
    public const int SocketLevel = 1;
    public const int ForcedReceiveBuffer = 33;
    public const int PacketLevel = 263;
    public const int QueueingBypass = 20;
    public const int DontWait = 0x40;

    /// <summary>All protocols, in network order.</summary>
    public const int AllProtocols = 0x0300;

    [StructLayout(LayoutKind.Sequential)]
    public struct LinkAddress
    {
        public ushort Family;
        public ushort Protocol;
        public int Interface;
        public ushort HardwareType;
        public byte PacketType;
        public byte Length;
        public ulong Address;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Piece
    {
        public void* Base;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Message
    {
        public void* Name;
        public uint NameLength;
        public Piece* Pieces;
        public nuint PieceCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
        public uint Sent;
        public uint Padding;
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    public static partial int Socket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(int socket, void* address, uint length);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    public static partial int SetOption(int socket, int level, int name, void* value, uint length);

    [LibraryImport("libc", EntryPoint = "sendmmsg", SetLastError = true)]
    public static partial int SendMany(int socket, Message* messages, uint count, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    public static partial nint Receive(int socket, void* buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int socket);

    [LibraryImport("libc", EntryPoint = "if_nametoindex", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial uint InterfaceIndex(string name);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    public static partial int SetAffinity(int thread, nuint size, ulong* cores);

    /// <summary>Opens a packet socket on an interface of the calling thread's namespace.</summary>
    /// <param name="name">The interface.</param>
    /// <param name="protocol">What is received, in network order; 0: nothing.</param>
    public static int OpenLink(string name, int protocol)
    {
        var socket = Check(Socket(PacketFamily, Raw | CloseOnExec, 0), "open a packet socket");
        var address = new LinkAddress { Family = PacketFamily, Protocol = (ushort)protocol, Interface = (int)InterfaceIndex(name) };
        Check(Bind(socket, &address, (uint)sizeof(LinkAddress)), $"bind to {name}");
        return socket;
    }

    /// <summary>Keeps the calling thread on a core; where there is only one, nothing happens.</summary>
    public static void PinThread(int core)
    {
        var cores = 1UL << core;
        if (Environment.ProcessorCount > 1)
        {
            Check(SetAffinity(0, sizeof(ulong), &cores), "keep a thread on a core");
        }
    }

    public static int Check(int result, string what) =>
        result >= 0 ? result : throw new BenchException($"cannot {what}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
}
