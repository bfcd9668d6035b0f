using System.Runtime.InteropServices;
using Masquerade.KernelAbi;
using Masquerade.Lab.Net;

namespace Masquerade.Bench.Network;

/// <summary>The calls of Linux that a load at the link layer needs besides those of the laboratory.</summary>
internal static unsafe partial class Kernel
{
    public const int ForcedReceiveBuffer = 33;
    public const int QueueingBypass = 20;
    public const int DontWait = 0x40;

    /// <summary>All protocols, in network order.</summary>
    public const ushort AllProtocols = 0x0300;

    /// <summary>struct mmsghdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Message
    {
        public MessageHeader Header;
        public uint Sent;
    }

    [LibraryImport("libc", EntryPoint = "sendmmsg", SetLastError = true)]
    public static partial int SendMany(int socket, Message* messages, uint count, int flags);

    /// <summary>Opens a packet socket on an interface of the calling thread's namespace.</summary>
    /// <param name="name">The interface.</param>
    /// <param name="protocol">What is received, in network order; 0: nothing.</param>
    public static int OpenLink(string name, ushort protocol)
    {
        var socket = Libc.Check(Libc.Socket(Libc.AfPacket, Libc.SockRaw | Libc.SockCloseOnExec, 0), "open a packet socket");
        var address = new SockAddrLl { Family = Libc.AfPacket, Protocol = protocol, InterfaceIndex = (int)Libc.InterfaceIndex(name) };
        Libc.Check(Libc.Bind(socket, &address, (uint)sizeof(SockAddrLl)), $"bind to {name}");
        return socket;
    }

    /// <summary>Keeps the calling thread on a core; where there is only one, nothing happens.</summary>
    public static void PinThread(int core)
    {
        var cores = 1UL << core;
        if (Environment.ProcessorCount > 1)
        {
            Libc.Check(SetAffinity(0, sizeof(ulong), &cores), "keep a thread on a core");
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int SetAffinity(int thread, nuint size, ulong* cores);
}
