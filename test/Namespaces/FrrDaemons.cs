using System.Diagnostics;
using System.Globalization;
using Masquerade.Lab.Net;

namespace Masquerade.Namespaces.Tests;

/// <summary>Debian's FRR (zebra and bgpd) in one namespace, with sockets and files in a folder of its own.</summary>
internal sealed class FrrDaemons : IDisposable
{
    private const string Programs = "/usr/lib/frr/";
    private readonly List<Process> _running = [];
    private readonly List<string> _said = [];

    /// <param name="where">The namespace.</param>
    /// <param name="folder">A folder of its own; what an earlier life has left there is deleted.</param>
    /// <param name="configuration">What bgpd is told.</param>
    public FrrDaemons(NetNamespace where, string folder, string configuration)
    {
        Folder = folder;
        Directory.CreateDirectory(folder);
        foreach (var left in Directory.GetFiles(folder))
        {
            // Of a life before this one.
            File.Delete(left);
        }

        File.WriteAllText(Path.Combine(folder, "zebra.conf"), string.Empty);
        File.WriteAllText(Path.Combine(folder, "bgpd.conf"), configuration);

        // They drop root's rights, as Debian has it.
        Tool.Run("chown", ["-R", "frr:frr", folder]);
        try
        {
            Start(where, "zebra");
            Start(where, "bgpd");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where its sockets are.</summary>
    public string Folder { get; }

    /// <summary>What an operator is shown.</summary>
    public string Show(string what) => Tool.Run("vtysh", ["--vty_socket", Folder, "-c", "show " + what]);

    /// <summary>All that it has said.</summary>
    public string Said
    {
        get
        {
            lock (_said)
            {
                return string.Join('\n', _said);
            }
        }
    }

    /// <summary>Ends it, process by process, from one moment to the next.</summary>
    public void Dispose()
    {
        foreach (var process in Enumerable.Reverse(_running))
        {
            process.Kill();
            process.WaitForExit(2_000);
            process.Dispose();
        }

        _running.Clear();
    }

    private void Start(NetNamespace where, string program)
    {
        var start = new ProcessStartInfo("ip") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        string[] arguments =
        [
            "netns", "exec", where.Name, Programs + program, "-f", Path.Combine(Folder, program + ".conf"), "-i", Path.Combine(Folder, program + ".pid"),
            "-z", Path.Combine(Folder, "zserv.api"), "--vty_socket", Folder, "-P", 0.ToString(CultureInfo.InvariantCulture), "--log", "stdout",
        ];
        Array.ForEach(arguments, start.ArgumentList.Add);
        var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
        _running.Add(process);
        process.StandardInput.Close();
        process.OutputDataReceived += (_, e) => Note(e.Data);
        process.ErrorDataReceived += (_, e) => Note(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var socket = Path.Combine(Folder, program + ".vty");
        for (var i = 0; !File.Exists(socket); i++)
        {
            Assert.True(i < 500 && !process.HasExited, $"{program} does not come up: {Said}");
            Thread.Sleep(20);
        }
    }

    private void Note(string? line)
    {
        if (line is not null)
        {
            lock (_said)
            {
                _said.Add(line);
            }
        }
    }
}
