using System.Runtime.InteropServices;

namespace Masquerade.KernelAbi.Bpf;

/// <summary>The calls of libbpf (1.0 and later) that load programs of the kernel, attach them and let them run.</summary>
internal static unsafe partial class Libbpf
{
    public const int BPF_TC_INGRESS = 1;
    public const int BPF_TC_EGRESS = 2;
    public const uint BPF_TC_F_REPLACE = 1;
    public const int BPF_XDP = 37;
    public const uint XDP_FLAGS_DRV_MODE = 1 << 2;
    private const string Library = "libbpf.so.1";

    [LibraryImport(Library)]
    public static partial nint libbpf_set_print(nint function);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint bpf_object__open_file(string path, void* options);

    [LibraryImport(Library)]
    public static partial int bpf_object__load(nint target);

    [LibraryImport(Library)]
    public static partial void bpf_object__close(nint target);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint bpf_object__find_map_by_name(nint target, string name);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint bpf_object__find_program_by_name(nint target, string name);

    [LibraryImport(Library)]
    public static partial int bpf_map__set_max_entries(nint map, uint entries);

    [LibraryImport(Library)]
    public static partial int bpf_map__fd(nint map);

    [LibraryImport(Library)]
    public static partial int bpf_program__fd(nint program);

    [LibraryImport(Library)]
    public static partial int bpf_tc_hook_create(TcHook* hook);

    [LibraryImport(Library)]
    public static partial int bpf_tc_hook_destroy(TcHook* hook);

    [LibraryImport(Library)]
    public static partial int bpf_tc_attach(TcHook* hook, TcOptions* options);

    [LibraryImport(Library)]
    public static partial int bpf_tc_detach(TcHook* hook, TcOptions* options);

    [LibraryImport(Library)]
    public static partial int bpf_link_create(int program, int target, int attachType, LinkOptions* options);

    [LibraryImport(Library)]
    public static partial int bpf_prog_test_run_opts(int program, TestRun* options);

    /// <summary>struct bpf_test_run_opts.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct TestRun
    {
        public nuint Size;
        public void* Data;
        public void* DataOut;
        public uint DataLength;
        public uint DataOutLength;
        public void* Context;
        public void* ContextOut;
        public uint ContextLength;
        public uint ContextOutLength;
        public uint Result;
        public int Repeat;
        public uint Duration;
        public uint Flags;
        public uint Cpu;
        public uint BatchSize;
    }

    /// <summary>struct bpf_tc_hook.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct TcHook
    {
        public nuint Size;
        public int InterfaceIndex;
        public int AttachPoint;
        public uint Parent;
    }

    /// <summary>struct bpf_tc_opts.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct TcOptions
    {
        public nuint Size;
        public int Program;
        public uint Flags;
        public uint ProgramId;
        public uint Handle;
        public uint Priority;
    }

    /// <summary>The first members of struct bpf_link_create_opts.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct LinkOptions
    {
        public nuint Size;
        public uint Flags;
        public uint Unused;
    }
}
