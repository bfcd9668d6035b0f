using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Masquerade.Auth.Tests.Authenticator;

/// <summary>One end of a wire whose other end is a network device in a namespace of its own; both go with it.</summary>
internal sealed partial class TapLink : IDisposable
{
    private const ulong TunSetIff = 0x4004_54CA;
    private const short TapWithoutHeader = 0x1002;
    private const int NonBlocking = 0x800;
    private const int ReadWrite = 2;
    private const short Readable = 1;

    private readonly SafeFileHandle _device;

    public TapLink()
    {
        var number = $"{Environment.ProcessId % 100_000}{Random.Shared.Next(100):D2}";
        Namespace = $"mqeap{number}";
        Device = $"mqt{number}";
        Ip("netns", "add", Namespace);
        _device = Open("/dev/net/tun", ReadWrite | NonBlocking);
        if (_device.IsInvalid)
        {
            throw new Win32Exception();
        }

        Span<byte> request = stackalloc byte[40];
        request.Clear();
        Encoding.ASCII.GetBytes(Device, request);
        MemoryMarshal.Write(request[16..], TapWithoutHeader);
        if (Control(_device, TunSetIff, ref MemoryMarshal.GetReference(request)) < 0)
        {
            throw new Win32Exception();
        }

        Ip("link", "set", Device, "netns", Namespace);
        Ip("-n", Namespace, "link", "set", Device, "addrgenmode", "none");
        Ip("-n", Namespace, "link", "set", Device, "address", Bench.Alice.ToString(), "up");
    }

    public string Namespace { get; }

    public string Device { get; }

    /// <summary>The next frame, or none within these milliseconds.</summary>
    public unsafe int Read(Span<byte> frame, int milliseconds)
    {
        var wait = new PollEntry { Descriptor = (int)_device.DangerousGetHandle(), Events = Readable };
        if (Poll(ref wait, 1, milliseconds) <= 0)
        {
            return 0;
        }

        fixed (byte* start = frame)
        {
            return (int)Math.Max(0, Read(_device, start, (nuint)frame.Length));
        }
    }

    public unsafe void Write(ReadOnlySpan<byte> frame)
    {
        fixed (byte* start = frame)
        {
            Assert.Equal(frame.Length, Write(_device, start, (nuint)frame.Length));
        }
    }

    public void Dispose()
    {
        _device.Dispose();
        Ip("netns", "delete", Namespace);
    }

    private static void Ip(params string[] arguments)
    {
        var (code, _, errors) = OutsideProgram.Run("ip", arguments);
        Assert.True(code == 0, $"ip {string.Join(' ', arguments)}: {errors}");
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeFileHandle device, ulong request, ref byte argument);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollEntry entry, ulong count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static unsafe partial nint Read(SafeFileHandle device, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static unsafe partial nint Write(SafeFileHandle device, byte* buffer, nuint length);

    private struct PollEntry
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
