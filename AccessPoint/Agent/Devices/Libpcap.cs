using System.Runtime.InteropServices;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>The functions of libpcap 1.x that live capture needs.</summary>
internal static unsafe partial class Libpcap
{
    public const int DirectionIn = 1;
    public const int LinkTypeEthernet = 1;
    public const int ErrorBufferSize = 256;
    public const int ErrorNoSuchDevice = -5;
    public const int ErrorPermissionDenied = -8;
    public const int ErrorPromiscuousPermissionDenied = -11;

    /// <summary>The soname on Debian and its descendants.</summary>
    private const string Library = "libpcap.so.0.8";

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint pcap_create(string source, byte* errorBuffer);

    [LibraryImport(Library)]
    public static partial int pcap_set_snaplen(nint pcap, int length);

    [LibraryImport(Library)]
    public static partial int pcap_set_promisc(nint pcap, int promiscuous);

    [LibraryImport(Library)]
    public static partial int pcap_set_immediate_mode(nint pcap, int immediate);

    [LibraryImport(Library)]
    public static partial int pcap_set_buffer_size(nint pcap, int octets);

    [LibraryImport(Library)]
    public static partial int pcap_activate(nint pcap);

    [LibraryImport(Library)]
    public static partial int pcap_setnonblock(nint pcap, int nonBlocking, byte* errorBuffer);

    [LibraryImport(Library)]
    public static partial int pcap_setdirection(nint pcap, int direction);

    [LibraryImport(Library)]
    public static partial int pcap_datalink(nint pcap);

    [LibraryImport(Library)]
    public static partial int pcap_get_selectable_fd(nint pcap);

    [LibraryImport(Library)]
    public static partial int pcap_next_ex(nint pcap, PacketHeader** header, byte** data);

    [LibraryImport(Library)]
    public static partial int pcap_inject(nint pcap, byte* frame, nuint length);

    [LibraryImport(Library)]
    public static partial int pcap_stats(nint pcap, CaptureStatistics* statistics);

    [LibraryImport(Library)]
    public static partial byte* pcap_geterr(nint pcap);

    [LibraryImport(Library)]
    public static partial byte* pcap_statustostr(int status);

    [LibraryImport(Library)]
    public static partial void pcap_close(nint pcap);

    /// <summary>struct pcap_pkthdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PacketHeader
    {
        public nint Seconds;
        public nint Microseconds;
        public uint Captured;
        public uint Length;
    }

    /// <summary>struct pcap_stat.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct CaptureStatistics
    {
        public uint Received;
        public uint Dropped;
        public uint InterfaceDropped;
    }
}
