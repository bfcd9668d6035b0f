using System.Runtime.InteropServices;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Forwarder;

/// <summary>The same in C (twin.c), compiled for this machine when the benchmark starts.</summary>
internal sealed unsafe class ForwarderTwin : IForwarder, IDisposable
{
    private readonly nint _library;
    private readonly nint _cache;
    private readonly delegate* unmanaged<nint, byte*, FastPacket*, int, ushort, int> _outbound;
    private readonly delegate* unmanaged<nint, byte*, FastPacket*, int, ushort, int> _inbound;
    private readonly delegate* unmanaged<nint, FlowKey*, int, int, int*, void> _find;
    private readonly delegate* unmanaged<nint, void> _destroy;

    public ForwarderTwin(nint library, Traffic traffic, SeededRandom random)
    {
        _library = library;
        _outbound = (delegate* unmanaged<nint, byte*, FastPacket*, int, ushort, int>)Export("twin_outbound");
        _inbound = (delegate* unmanaged<nint, byte*, FastPacket*, int, ushort, int>)Export("twin_inbound");
        _find = (delegate* unmanaged<nint, FlowKey*, int, int, int*, void>)Export("twin_find");
        _destroy = (delegate* unmanaged<nint, void>)Export("twin_destroy");
        _cache = ((delegate* unmanaged<int, int, int, ulong, ulong, nint>)Export("twin_create"))(traffic.Count, Traffic.Clients, Traffic.Mtu, random.NextUInt64(), random.NextUInt64());
        var client = (delegate* unmanaged<nint, int, ulong, int, void>)Export("twin_client");
        for (var i = 0; i < Traffic.Clients; i++)
        {
            client(_cache, i, Traffic.Mac(i).Value, Traffic.Mtu);
        }

        var install = (delegate* unmanaged<nint, int, int, ulong, uint, uint, uint, ushort, uint, ushort, void>)Export("twin_install");
        for (var i = 0; i < traffic.Count; i++)
        {
            var route = Traffic.Route(i);
            var key = FlowKey.Of(route.Tuple);

            // Two endpoints as they stand in headers: a key made of them has them so.
            var ends = FlowKey.Of(new FlowTuple(route.Masquerade, route.Fam, route.Tuple.Protocol));
            install(_cache, i, Traffic.ClientOf(i), key.Addresses, key.Ports, key.Protocol, (uint)ends.Addresses, (ushort)ends.Ports, (uint)(ends.Addresses >> 32), (ushort)(ends.Ports >> 16));
        }
    }

    public string Name => "C twin";

    public int Run(Span<byte> memory, Span<FastPacket> packets, bool isInbound)
    {
        fixed (byte* octets = memory)
        fixed (FastPacket* first = packets)
        {
            return (isInbound ? _inbound : _outbound)(_cache, octets, first, packets.Length, 1);
        }
    }

    public void Find(ReadOnlySpan<FlowKey> keys, Span<int> numbers)
    {
        fixed (FlowKey* first = keys)
        fixed (int* found = numbers)
        {
            _find(_cache, first, keys.Length, 0, found);
        }
    }

    /// <summary>Compiles the twin and loads it.</summary>
    public static nint Compile()
    {
        var folder = Directory.CreateTempSubdirectory("masq-bench-");
        try
        {
            var (source, library) = (Path.Combine(folder.FullName, "twin.c"), Path.Combine(folder.FullName, "twin.so"));
            using (var resource = typeof(ForwarderTwin).Assembly.GetManifestResourceStream("twin.c") ?? throw new BenchException("the C twin is not in the program"))
            using (var file = File.Create(source))
            {
                resource.CopyTo(file);
            }

            using var compiler = Machine.Start(["gcc", "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source]);
            compiler.WaitForExit();
            return compiler.ExitCode == 0 ? NativeLibrary.Load(library) : throw new BenchException("gcc could not compile the C twin");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    public void Dispose() => _destroy(_cache);

    private nint Export(string name) => NativeLibrary.GetExport(_library, name);
}
