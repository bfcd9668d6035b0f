using System.Diagnostics;
using System.Text;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>A program of the product, running as its own process inside a namespace.</summary>
internal sealed class ProgramUnderTest : IDisposable
{
    private const int TailLines = 12;
    private readonly Process _process;
    private readonly Queue<string> _tail = [];
    private readonly StreamWriter? _log;
    private readonly string _name;
    private volatile bool _stopping;

    /// <summary>Starts it.</summary>
    /// <param name="networkNamespace">Where it runs.</param>
    /// <param name="name">What people call it.</param>
    /// <param name="assembly">What it is.</param>
    /// <param name="arguments">What it is called with.</param>
    /// <param name="logDirectory">Where its output is kept; null: nowhere.</param>
    /// <param name="again">Whether it has been started before in this run: its log goes on.</param>
    /// <param name="isEmulated">Whether the processor is emulated, so that compiling counts for more than what has been compiled.</param>
    public ProgramUnderTest(NetNamespace networkNamespace, string name, string assembly, IEnumerable<string> arguments, string? logDirectory, bool again = false, bool isEmulated = false)
    {
        _name = name;
        if (logDirectory is not null)
        {
            Directory.CreateDirectory(logDirectory);
            _log = new StreamWriter(Path.Combine(logDirectory, name + ".log"), append: again, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };
        }

        var start = new ProcessStartInfo("nice") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (var argument in (string[])["-n", "-10", "ip", "netns", "exec", networkNamespace.Name, Environment.ProcessPath is { } host && Path.GetFileName(host) is "dotnet" ? host : "dotnet", assembly, .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        // Five programs of the product share this machine with the laboratory; each has one busy thread.
        start.Environment["DOTNET_gcServer"] = "0";
        // Code that runs once in a roam would otherwise stay in its first, slow compilation.
        start.Environment["DOTNET_TieredCompilation"] = isEmulated ? "1" : "0";
        if (isEmulated)
        {
            // Nothing is compiled twice (hexadecimal), and nobody waits by turning.
            start.Environment["DOTNET_TC_CallCountThreshold"] = "7fff";
            start.Environment["DOTNET_ThreadPool_UnfairSemaphoreSpinLimit"] = "0";
        }

        // Priority, and what has come from the network taken where it comes: as docs/operations.md has it.
        start.Environment["DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS"] = "1";
        _process = Process.Start(start) ?? throw new LabException($"{name} did not start");
        _process.StandardInput.Close();
        _process.OutputDataReceived += (_, e) => Line(e.Data);
        _process.ErrorDataReceived += (_, e) => Line(e.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>A sentence if the program has ended by itself, with the last lines it printed.</summary>
    public string? Failure
    {
        get
        {
            if (_stopping || !_process.HasExited)
            {
                return null;
            }

            lock (_tail)
            {
                return $"{_name} ended by itself with code {_process.ExitCode}: {string.Join(" | ", _tail)}";
            }
        }
    }

    /// <summary>Ends the program where it stands (SIGKILL).</summary>
    public void KillAtOnce()
    {
        _stopping = true;
        _process.Kill();
        _process.WaitForExit(3000);
    }

    /// <summary>Asks the program to end (SIGTERM), without waiting.</summary>
    public void RequestStop()
    {
        _stopping = true;
        if (!_process.HasExited)
        {
            _ = Libc.Kill(_process.Id, 15);
        }
    }

    public void Dispose()
    {
        RequestStop();
        if (!_process.WaitForExit(3000))
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit(1000);
        }

        _process.Dispose();
        _log?.Dispose();
    }

    private void Line(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_tail)
        {
            _tail.Enqueue(line);
            if (_tail.Count > TailLines)
            {
                _tail.Dequeue();
            }

            try
            {
                _log?.WriteLine(line);
            }
            catch (ObjectDisposedException)
            {
                // The last lines of a program that was killed may come after its log was closed.
            }
        }
    }
}
