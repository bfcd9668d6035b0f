using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>A program of the machine that runs beside a run, in a namespace or outside all, and what it says, line by line. It is ended with the run, by its process id.</summary>
internal sealed class Companion : IDisposable
{
    private const int TailLines = 12;
    private readonly Process _process;
    private readonly Action<string>? _heard;
    private readonly ConcurrentQueue<string> _said = new();

    /// <param name="where">Where it runs; null: where the caller runs.</param>
    /// <param name="heard">Is given each line, on a thread of its own; null: nobody listens.</param>
    /// <param name="command">Program and arguments.</param>
    public Companion(NetNamespace? where, Action<string>? heard, params string[] command)
    {
        _heard = heard;
        // Who is started from a shell's background has SIGINT ignored, and hands that down.
        string[] all = [.. where is null ? (string[])[] : ["ip", "netns", "exec", where.Name], "env", "--default-signal=INT", .. command];
        var start = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false };
        _process = Process.Start(start) ?? throw new LabException($"{command[0]} did not start");
        _process.OutputDataReceived += (_, e) => Note(e.Data);
        _process.ErrorDataReceived += (_, e) => Note(e.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>What it has said, in order.</summary>
    public IReadOnlyCollection<string> Said => _said;

    public bool HasEnded => _process.HasExited;

    /// <summary>Forgets what it has said.</summary>
    public void Clear() => _said.Clear();

    /// <summary>Says a line to it.</summary>
    public void Say(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }

    /// <summary>Asks it to end (SIGINT), and waits for that.</summary>
    public void Interrupt()
    {
        _ = Tool.TryRun("kill", ["-INT", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        if (!_process.WaitForExit(TimeSpan.FromSeconds(30)))
        {
            throw new LabException("it does not end");
        }

        _process.WaitForExit();
    }

    /// <summary>Waits until it says a line.</summary>
    public void WaitFor(string line, TimeSpan within)
    {
        for (var clock = Stopwatch.StartNew(); !_said.Contains(line, StringComparer.Ordinal); Thread.Sleep(10))
        {
            if (HasEnded)
            {
                // Its last words may still be on their way.
                _process.WaitForExit();
                if (!_said.Contains(line, StringComparer.Ordinal))
                {
                    throw new LabException($"it has ended ({_process.ExitCode}) without saying '{line}': {Tail()}");
                }
            }

            if (clock.Elapsed > within)
            {
                throw new LabException($"it does not say '{line}': {Tail()}");
            }
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit(3_000);
        }

        _process.Dispose();
    }

    private string Tail() => string.Join('\n', _said.TakeLast(TailLines));

    private void Note(string? line)
    {
        if (line is null)
        {
            return;
        }

        _said.Enqueue(line);
        _heard?.Invoke(line);
    }
}
