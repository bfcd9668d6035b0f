using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Masquerade.Core.Checksum;
using Masquerade.KernelAbi.Bpf;
using Masquerade.Lab.Net;
using Masquerade.Lab.Scenario;

namespace Masquerade.Bench.Network;

/// <summary>Datagrams that a program of the kernel makes, as many as one core can (XDP live frames), and programs that count them where they arrive; both cost little beside what is between them.</summary>
internal sealed unsafe class LiveLoad : IDisposable
{
    private const uint LiveFrames = 1 << 1;
    private const int BurstOfRun = 1 << 16;
    private readonly RouterSite _site;
    private readonly nint _object;
    private readonly MappedArray<Load> _load;
    private readonly MappedArray<ulong> _counts;
    private readonly List<int> _links = [];
    private readonly uint _interface;

    /// <summary>Loads the programs and puts the sink on the server's interface.</summary>
    public LiveLoad(RouterSite site, FrameLoad frames)
    {
        _site = site;
        var path = Path.Combine(AppContext.BaseDirectory, "live.bpf.o");
        _object = File.Exists(path) ? Libbpf.bpf_object__open_file(path, null) : throw new BenchException("the load was not built: clang and libbpf-dev were missing");
        Check(Libbpf.bpf_object__load(_object), "load programs");
        _load = new MappedArray<Load>(Libbpf.bpf_map__fd(Libbpf.bpf_object__find_map_by_name(_object, "loads")), 1);
        _counts = new MappedArray<ulong>(Libbpf.bpf_map__fd(Libbpf.bpf_object__find_map_by_name(_object, "counts")), 64);
        _interface = site.Clients.Invoke(() => Libc.InterfaceIndex("eth0"));
        _load[0] = Describe(frames);
        _links.Add(site.Server.Invoke(() => Attach("eth0")));
    }

    /// <summary>Has an interface of the access point take and count everything, so that nothing goes further, until the result is disposed of.</summary>
    public IDisposable StopAtAccessPoint()
    {
        var link = _site.AccessPoint.Invoke(() => Attach("cl0"));
        return new Undo(() => _ = Libc.Close(link));
    }

    /// <summary>Sends as fast as the calling thread's core can for a time; gives millions a second that arrived.</summary>
    public double Flood(TimeSpan window)
    {
        var before = Arrived();
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        _site.Clients.Invoke(() =>
        {
            while (System.Diagnostics.Stopwatch.GetElapsedTime(began) < window)
            {
                Run();
            }

            return 0;
        });
        return (Arrived() - before) / System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalSeconds / 1e6;
    }

    public void Dispose()
    {
        _links.ForEach(l => _ = Libc.Close(l));
        _load.Dispose();
        _counts.Dispose();
        Libbpf.bpf_object__close(_object);
    }

    private static Load Describe(FrameLoad frames)
    {
        var load = new Load { Flows = (uint)frames.Flows, Step = StepFor((uint)frames.Flows) };
        Span<byte> frame = load.Frame;
        frames.Template(out var address, out var mac).CopyTo(frame);
        (load.FirstAddress, load.FirstMac) = (address, mac);
        frame[24..30].Clear();
        (frame[34], frame[35], frame[40], frame[41]) = (0, 0, 0, 0);
        load.HeaderSum = InMemory(frame[14..34]);

        // The pseudo-header: both addresses (the source is yet to come), the protocol and the length.
        load.DatagramSum = InMemory(frame[34..60]) + InMemory(frame[30..34]) + InMemory([0, 17, 0, 26]);
        return load;
    }

    /// <summary>The sum of words as they are in memory, not folded.</summary>
    private static uint InMemory(ReadOnlySpan<byte> octets)
    {
        var sum = 0u;
        foreach (var word in MemoryMarshal.Cast<byte, ushort>(octets))
        {
            sum += word;
        }

        return sum;
    }

    /// <summary>A number near the golden part of another that has no divisor in common with it: steps of it visit all, and neighbours late.</summary>
    private static uint StepFor(uint flows)
    {
        var step = Math.Max(1, (uint)(flows * 0.618));
        while (GreatestCommonDivisor(step, flows) != 1)
        {
            step++;
        }

        return step % Math.Max(1, flows);
    }

    private static uint GreatestCommonDivisor(uint a, uint b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);

    private static void Check(int result, string what)
    {
        if (result < 0)
        {
            throw new BenchException($"cannot {what} of the kernel (error {-result})");
        }
    }

    private double Arrived()
    {
        Thread.Sleep(20);
        var sum = 0UL;
        for (var i = 0; i < _counts.Count; i++)
        {
            sum += Volatile.Read(ref _counts[i]);
        }

        return sum;
    }

    private int Attach(string name)
    {
        var options = new Libbpf.LinkOptions { Size = (nuint)sizeof(Libbpf.LinkOptions), Flags = Libbpf.XDP_FLAGS_DRV_MODE };
        var link = Libbpf.bpf_link_create(Program("sink"), (int)Libc.InterfaceIndex(name), Libbpf.BPF_XDP, &options);
        Check(link, $"attach a program to {name}");
        return link;
    }

    private int Program(string name) => Libbpf.bpf_program__fd(Libbpf.bpf_object__find_program_by_name(_object, name));

    private void Run()
    {
        var frame = stackalloc byte[64];
        new Span<byte>(frame, 64).Clear();
        var context = stackalloc uint[6] { 0, FrameLoad.FrameLength, 0, _interface, 0, 0 };
        var run = new Libbpf.TestRun
        {
            Size = (nuint)sizeof(Libbpf.TestRun), Data = frame, DataLength = FrameLoad.FrameLength, Context = context, ContextLength = 24, Repeat = BurstOfRun, Flags = LiveFrames, BatchSize = 64,
        };
        Check(Libbpf.bpf_prog_test_run_opts(Program("generate"), &run), "let frames go");
    }

    [InlineArray(64)]
    private struct FrameOctets
    {
        private byte _first;
    }

    /// <summary>struct load.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Load
    {
        public uint Flows;
        public uint Next;
        public uint Step;
        public uint FirstAddress;
        public uint FirstMac;
        public uint HeaderSum;
        public uint DatagramSum;
        public uint Unused;
        public FrameOctets Frame;
    }

    private sealed class Undo(Action action) : IDisposable
    {
        public void Dispose() => action();
    }
}
