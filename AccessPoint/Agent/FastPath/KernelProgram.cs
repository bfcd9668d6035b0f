using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.KernelAbi.Bpf;

namespace Masquerade.AccessPoint.Agent.FastPath;

/// <summary>The program in the kernel, its maps, and where it is attached. Everything is taken back when it is disposed of; what a killed agent leaves behind at tc lets everything pass by.</summary>
internal sealed unsafe class KernelProgram : IDisposable
{
    /// <summary>The place of the filter at tc: fixed, so that an agent replaces what one before it has left.</summary>
    private const uint TcHandle = 0x6d73;
    private const uint TcPriority = 0x6d71;

    private const int EEXIST = 17;

    private readonly List<Action> _undo = [];
    private nint _object;

    private KernelProgram(nint loaded) => _object = loaded;

    /// <summary>The object file beside the agent.</summary>
    public static string ObjectFile => Path.Combine(AppContext.BaseDirectory, "fastpath.bpf.o");

    /// <summary>Loads the program with maps of a size.</summary>
    /// <param name="ways">How many ways have a place; a power of two.</param>
    /// <param name="clients">How many clients there may be.</param>
    /// <exception cref="DeviceException">Something is missing; the message says what.</exception>
    public static KernelProgram Load(int ways, int clients)
    {
        if (!File.Exists(ObjectFile))
        {
            throw new DeviceException("the program for the kernel was not built (clang and libbpf-dev were missing when the agent was)");
        }

        try
        {
            _ = Libbpf.libbpf_set_print(0);
        }
        catch (DllNotFoundException e)
        {
            throw new DeviceException("libbpf 1.0 or later is missing (Debian: libbpf1)", e);
        }

        var opened = Libbpf.bpf_object__open_file(ObjectFile, null);
        if (opened == 0)
        {
            throw new DeviceException($"{ObjectFile} cannot be read");
        }

        var program = new KernelProgram(opened);
        try
        {
            program.Resize("ways", ways);
            program.Resize("generations", clients);
            var result = Libbpf.bpf_object__load(opened);
            return result == 0 ? program : throw Failure("the kernel does not take the program", result);
        }
        catch
        {
            program.Dispose();
            throw;
        }
    }

    /// <summary>The descriptor of a map.</summary>
    public int Map(string name) => Libbpf.bpf_map__fd(Libbpf.bpf_object__find_map_by_name(_object, name));

    /// <summary>Lets the program see frames that come in at an interface.</summary>
    /// <param name="device">The agent's own device there: it gets only what is left to it.</param>
    /// <param name="hook">Where.</param>
    /// <exception cref="DeviceException">The kernel refuses.</exception>
    public void Attach(AfPacketDevice device, FastPathHook hook)
    {
        if (hook == FastPathHook.Xdp)
        {
            var options = new Libbpf.LinkOptions { Size = (nuint)sizeof(Libbpf.LinkOptions), Flags = Libbpf.XDP_FLAGS_DRV_MODE };
            var link = Libbpf.bpf_link_create(Find("pass_xdp"), (int)device.InterfaceIndex, Libbpf.BPF_XDP, &options);
            if (link < 0)
            {
                throw Failure($"{device.Name}: XDP in the driver is not to be had", link);
            }

            _undo.Add(() => _ = Libc.close(link));
            return;
        }

        AttachTc(device);
        device.Filter(Find("decide"));
        _undo.Add(device.Unfilter);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (var i = _undo.Count - 1; i >= 0; i--)
        {
            _undo[i]();
        }

        _undo.Clear();
        if (_object != 0)
        {
            Libbpf.bpf_object__close(_object);
            _object = 0;
        }
    }

    private static DeviceException Failure(string what, int result) =>
        new(-result is Libc.EPERM or Libc.EACCES ? $"{what}: no permission; the process needs CAP_BPF and CAP_NET_ADMIN" : $"{what} (error {-result})");

    private void AttachTc(AfPacketDevice device)
    {
        var hook = new Libbpf.TcHook { Size = (nuint)sizeof(Libbpf.TcHook), InterfaceIndex = (int)device.InterfaceIndex, AttachPoint = Libbpf.BPF_TC_INGRESS };
        var result = Libbpf.bpf_tc_hook_create(&hook);
        if (result is not (0 or -EEXIST))
        {
            throw Failure($"{device.Name}: tc has no place for the program", result);
        }

        if (result == 0)
        {
            _undo.Add(() =>
            {
                var whole = new Libbpf.TcHook { Size = (nuint)sizeof(Libbpf.TcHook), InterfaceIndex = (int)device.InterfaceIndex, AttachPoint = Libbpf.BPF_TC_INGRESS | Libbpf.BPF_TC_EGRESS };
                _ = Libbpf.bpf_tc_hook_destroy(&whole);
            });
        }

        var options = new Libbpf.TcOptions { Size = (nuint)sizeof(Libbpf.TcOptions), Program = Find("pass_tc"), Flags = Libbpf.BPF_TC_F_REPLACE, Handle = TcHandle, Priority = TcPriority };
        result = Libbpf.bpf_tc_attach(&hook, &options);
        if (result != 0)
        {
            throw Failure($"{device.Name}: tc does not take the program", result);
        }

        _undo.Add(() =>
        {
            var same = new Libbpf.TcHook { Size = (nuint)sizeof(Libbpf.TcHook), InterfaceIndex = (int)device.InterfaceIndex, AttachPoint = Libbpf.BPF_TC_INGRESS };
            var place = new Libbpf.TcOptions { Size = (nuint)sizeof(Libbpf.TcOptions), Handle = TcHandle, Priority = TcPriority };
            _ = Libbpf.bpf_tc_detach(&same, &place);
        });
    }

    private int Find(string name) => Libbpf.bpf_program__fd(Libbpf.bpf_object__find_program_by_name(_object, name));

    private void Resize(string map, int entries)
    {
        if (Libbpf.bpf_map__set_max_entries(Libbpf.bpf_object__find_map_by_name(_object, map), (uint)entries) is not 0 and var result)
        {
            throw Failure($"the map {map} cannot have {entries} entries", result);
        }
    }
}
