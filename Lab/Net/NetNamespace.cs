using System.Runtime.ExceptionServices;

namespace Masquerade.Lab.Net;

/// <summary>A named network namespace that this process created and will delete.</summary>
public sealed class NetNamespace
{
    private const string Directory = "/var/run/netns/";

    /// <summary>Creates the namespace, with its loopback device up.</summary>
    /// <param name="name">Unique on this machine.</param>
    internal NetNamespace(string name)
    {
        Name = name;
        Tool.Run("ip", ["netns", "add", name]);
        Tool.IpBatch(name, "link set lo up");
    }

    /// <summary>The name as <c>ip netns</c> lists it.</summary>
    public string Name { get; }

    /// <summary>
    /// Runs <paramref name="function"/> on a thread inside the namespace. Sockets made there belong to the namespace for ever, whichever thread uses them later.
    /// The thread ends afterwards: a pooled thread must never come back from another namespace.
    /// </summary>
    public T Invoke<T>(Func<T> function)
    {
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Enter();
                result = function();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        { IsBackground = true, Name = Name };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    /// <summary>Writes sysctl values inside the namespace.</summary>
    internal void Sysctl(params string[] assignments) => Tool.Run("ip", ["netns", "exec", Name, "sysctl", "-q", "-w", .. assignments]);

    /// <summary>Deletes the namespace, and with it its interfaces; processes still inside are killed first, because they would keep it alive without a name.</summary>
    internal static void Delete(string name)
    {
        var (code, output, _) = Tool.TryRun("ip", ["netns", "pids", name]);
        if (code == 0)
        {
            foreach (var line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                if (int.TryParse(line, System.Globalization.CultureInfo.InvariantCulture, out var pid) && pid != Environment.ProcessId)
                {
                    _ = Libc.Kill(pid, 9);
                }
            }
        }

        _ = Tool.TryRun("ip", ["netns", "del", name]);
    }

    /// <summary>The names of all network namespaces of this machine.</summary>
    public static IReadOnlyList<string> List() =>
        System.IO.Directory.Exists(Directory) ? [.. System.IO.Directory.EnumerateFiles(Directory).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)] : [];

    private void Enter()
    {
        var fd = Libc.Check(Libc.Open(Directory + Name, Libc.ReadOnlyCloseOnExec), $"open namespace {Name}");
        try
        {
            Libc.Check(Libc.SetNs(fd, Libc.CloneNewNet), $"setns {Name}");
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }
}
