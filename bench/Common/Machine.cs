using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Masquerade.Bench;

/// <summary>Which program runs on which core, and what the machine is.</summary>
internal sealed class Machine(bool swap)
{
    private const double TicksPerSecond = 100;

    private static readonly bool IsPinned = Environment.ProcessorCount > 1;

    /// <summary>The core of what is measured: coordinator, Redis, the floors' servers.</summary>
    public int ServerCore { get; } = swap ? 1 : 0;

    /// <summary>The core of the load.</summary>
    public int LoadCore { get; } = swap ? 0 : 1;

    public string CoreMap => IsPinned ? string.Create(CultureInfo.InvariantCulture, $"servers on core {ServerCore}, load on core {LoadCore}") : "one core for all";

    public static string Kernel => File.ReadAllText("/proc/sys/kernel/osrelease").Trim();

    public static string Cpu =>
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown";

    public static string LoadAverage => File.ReadAllText("/proc/loadavg").Split(' ')[0];

    /// <summary>A command that runs on a core.</summary>
    public static string[] On(int core, params string[] command) => IsPinned ? ["taskset", "-c", core.ToString(CultureInfo.InvariantCulture), .. command] : command;

    /// <summary>Keeps the main thread of a process on a core.</summary>
    public static void Pin(int process, int core)
    {
        if (IsPinned && OperatingSystem.IsLinux())
        {
            using var found = Process.GetProcessById(process);
            found.ProcessorAffinity = 1 << core;
        }
    }

    /// <summary>Processor time that a process has used, in seconds.</summary>
    public static double CpuSeconds(int process)
    {
        var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/stat"));
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    /// <summary>Resident memory of a process, in octets.</summary>
    public static long ResidentBytes(int process) =>
        long.Parse(File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/statm")).Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;

    /// <summary>A port that is free now.</summary>
    public static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    /// <summary>Runs a program to its end and gives back what it prints.</summary>
    public static string Run(string[] command)
    {
        using var process = Start(command);
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? text : throw new BenchException($"{string.Join(' ', command)} ended with {process.ExitCode}");
    }

    /// <summary>Starts a program.</summary>
    public static Process Start(string[] command)
    {
        var info = new ProcessStartInfo(command[0]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardInput = true };
        foreach (var argument in command[1..])
        {
            info.ArgumentList.Add(argument);
        }

        try
        {
            return Process.Start(info)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new BenchException($"{command[0]} could not be started: {e.Message}", e);
        }
    }
}
