using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Masquerade.AccessPoint.Tests.Devices;

/// <summary>A network namespace of this test process: its name carries the process id, and it is gone when disposed.</summary>
internal sealed partial class NetNamespace : IDisposable
{
    private const int CloneNewNet = 0x40000000;
    private static int _counter;

    public NetNamespace(string role)
    {
        Name = string.Create(CultureInfo.InvariantCulture, $"masqdev-{Environment.ProcessId}-{Interlocked.Increment(ref _counter)}-{role}");
        Tool("ip", "netns", "add", Name);
        try
        {
            // No router solicitations and multicast reports of the kernel's own between the frames that a test counts.
            Exec("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.default.accept_dad=0");
            Exec("ip", "link", "set", "lo", "up");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Name { get; }

    /// <summary>Creates a veth with one end here and the other in another namespace, both up.</summary>
    public void Connect(string here, NetNamespace other, string there)
    {
        Exec("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", other.Name);
        Exec("ip", "link", "set", here, "up");
        other.Exec("ip", "link", "set", there, "up");
    }

    /// <summary>Runs a program in the namespace.</summary>
    public string Exec(params string[] command) => Tool("ip", ["netns", "exec", Name, .. command]);

    /// <summary>Starts work on a thread of its own inside the namespace. Join it; its exception comes out there.</summary>
    public Work<T> Start<T>(Func<T> work) => new(Name, work);

    /// <summary>Runs work on a thread of its own inside the namespace and waits for it.</summary>
    public T Run<T>(Func<T> work) => Start(work).Join();

    /// <summary>Takes every capability from the calling thread, and only from it, for the rest of its life.</summary>
    public static unsafe void DropCapabilities()
    {
        // struct __user_cap_header_struct, version 3, and two empty struct __user_cap_data_struct.
        var header = stackalloc uint[2] { 0x2008_0522, 0 };
        var data = stackalloc uint[6];
        new Span<uint>(data, 6).Clear();
        if (capset(header, data) != 0)
        {
            throw new InvalidOperationException($"cannot drop capabilities: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    public void Dispose() => Tool("ip", "netns", "del", Name);

    private static string Tool(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: exit {process.ExitCode}: {error.Result}{output}");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(int fd, int type);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int capset(uint* header, uint* data);

    internal sealed class Work<T>
    {
        private readonly Thread _thread;
        private T? _result;
        private ExceptionDispatchInfo? _failure;

        public Work(string name, Func<T> work)
        {
            _thread = new Thread(() =>
            {
                try
                {
                    using var handle = File.OpenHandle($"/var/run/netns/{name}");
                    if (setns((int)handle.DangerousGetHandle(), CloneNewNet) != 0)
                    {
                        throw new InvalidOperationException($"cannot enter {name}: {Marshal.GetLastPInvokeErrorMessage()}");
                    }

                    _result = work();
                }
#pragma warning disable CA1031 // Whatever it is, it is thrown again where the thread is joined.
                catch (Exception e)
#pragma warning restore CA1031
                {
                    _failure = ExceptionDispatchInfo.Capture(e);
                }
            })
            { IsBackground = true };
            _thread.Start();
        }

        public T Join()
        {
            if (!_thread.Join(TimeSpan.FromSeconds(60)))
            {
                throw new TimeoutException("the thread in the namespace does not end");
            }

            _failure?.Throw();
            return _result!;
        }
    }
}
