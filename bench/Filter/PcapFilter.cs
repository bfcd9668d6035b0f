using System.Runtime.InteropServices;
using System.Text;

namespace Masquerade.Bench.Filter;

/// <summary>A filter that libpcap has compiled, for packets that begin with the IP header.</summary>
internal sealed unsafe partial class PcapFilter : IDisposable
{
    private const int RawIp = 12;
    private const string Library = "libpcap.so.0.8";

    private readonly nint _handle;
    private readonly nint _program;

    public PcapFilter(string expression)
    {
        _handle = Open(RawIp, 65_535);
        _program = Marshal.AllocHGlobal(16);
        if (Compile(_handle, _program, Encoding.ASCII.GetBytes(expression + '\0'), 1, uint.MaxValue) != 0)
        {
            throw new BenchException("libpcap does not take the expression: " + Marshal.PtrToStringAnsi(Error(_handle)));
        }
    }

    public bool Matches(byte[] packet)
    {
        var header = new Header { Captured = packet.Length, Length = packet.Length };
        fixed (byte* octets = packet)
        {
            return Filter(_program, &header, octets) != 0;
        }
    }

    public void Dispose()
    {
        Free(_program);
        Marshal.FreeHGlobal(_program);
        Close(_handle);
    }

    [LibraryImport(Library, EntryPoint = "pcap_open_dead")]
    private static partial nint Open(int linkType, int snapshot);

    [LibraryImport(Library, EntryPoint = "pcap_compile")]
    private static partial int Compile(nint handle, nint program, byte[] expression, int optimize, uint netmask);

    [LibraryImport(Library, EntryPoint = "pcap_geterr")]
    private static partial nint Error(nint handle);

    [LibraryImport(Library, EntryPoint = "pcap_offline_filter")]
    [SuppressGCTransition]
    private static partial int Filter(nint program, Header* header, byte* packet);

    [LibraryImport(Library, EntryPoint = "pcap_freecode")]
    private static partial void Free(nint program);

    [LibraryImport(Library, EntryPoint = "pcap_close")]
    private static partial void Close(nint handle);

    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        public long Seconds;
        public long Microseconds;
        public int Captured;
        public int Length;
    }
}
