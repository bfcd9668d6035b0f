using System.Runtime.InteropServices;
using Masquerade.KernelAbi;
using Microsoft.Win32.SafeHandles;

namespace Masquerade.Client.Link;

/// <summary>The few system calls that the client needs, and the numbers of the Linux ABI (asm-generic: x86-64, arm64, riscv64).</summary>
internal static unsafe partial class Linux
{
    public const int AddressInternet = 2;
    public const int AddressNetlink = 16;
    public const int AddressPacket = 17;
    public const int Datagram = 2;
    public const int Raw = 3;
    public const int CloseOnExec = 0x8_0000;
    public const int DoNotWait = 0x40;
    public const int NonBlocking = 0x800;
    public const int ReadWrite = 2;
    public const int Truncated = 0x20;

    public const int LevelSocket = 1;
    public const int LevelPacket = 263;
    public const int ReceiveBufferForce = 33;
    public const int AddMembership = 1;
    public const ushort MembershipMulticast = 0;
    public const ushort MembershipAllMulticast = 2;

    public const nuint GetFlags = 0x8913;
    public const nuint SetFlags = 0x8914;
    public const nuint GetMtu = 0x8921;
    public const nuint SetMtu = 0x8922;
    public const nuint SetAddress = 0x8924;
    public const nuint GetAddress = 0x8927;
    public const nuint TunSetInterface = 0x4004_54CA;
    public const nuint TunSetCarrier = 0x4004_54E2;
    public const short TapWithoutHeader = 0x1002;
    public const ushort Ethernet = 1;
    public const short Up = 1;
    public const int LowerUp = 0x1_0000;
    public const short Running = 0x40;

    public const short Readable = 1;

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    public static partial SafeFileHandle Socket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(SafeFileHandle socket, void* address, uint length);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    public static partial int SetOption(SafeFileHandle socket, int level, int name, void* value, uint length);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    public static partial nint Receive(int socket, byte* buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    public static partial nint Send(int socket, byte* buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial SafeFileHandle Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int file, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int file, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(SafeFileHandle file, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    public static partial SafeFileHandle EventCounter(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "ppoll", SetLastError = true)]
    public static partial int Poll(PollFd* entries, nuint count, TimeSpec* timeout, void* signals);

    [LibraryImport("libc", EntryPoint = "if_nametoindex", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial uint IndexOf(string name);

    /// <summary>Throws with the last call's error if the handle is none.</summary>
    public static SafeFileHandle Check(SafeFileHandle handle, string what) => handle.IsInvalid ? throw Error(what) : handle;

    /// <summary>Throws with the last call's error if the result is negative.</summary>
    public static int Check(int result, string what) => result < 0 ? throw Error(what) : result;

    private static ClientException Error(string what) => new($"{what}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");

    /// <summary>struct sockaddr_nl.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct NetlinkAddress
    {
        public ushort Family;
        public ushort Padding;
        public uint Port;
        public uint Groups;
    }
}
