using System.Collections.Concurrent;
using System.Diagnostics;
using Masquerade.Lab.Net;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>A program of the machine that runs beside a test, in a namespace or outside all, and what it says, line by line. It is ended with the test.</summary>
internal sealed class Companion : IDisposable
{
    private readonly Process _process;
    private readonly ITestOutputHelper _output;
    private readonly ConcurrentQueue<string> _said = new();

    /// <param name="output">Where what it says is put, unless it is quiet.</param>
    /// <param name="where">Where it runs; null: where the test runs.</param>
    /// <param name="command">Program and arguments.</param>
    public Companion(ITestOutputHelper output, NetNamespace? where, params string[] command)
    {
        _output = output;
        var all = where is null ? command : ["ip", "netns", "exec", where.Name, .. command];
        var start = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false };
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, e) => Note(e.Data);
        _process.ErrorDataReceived += (_, e) => Note(e.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>What it has said, in order.</summary>
    public IReadOnlyCollection<string> Said => _said;

    public bool HasEnded => _process.HasExited;

    /// <summary>Whether what it says is kept out of the test's output.</summary>
    public bool IsQuiet { get; init; }

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
        _ = Tool.TryRun("kill", ["-INT", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        Assert.True(_process.WaitForExit(TimeSpan.FromSeconds(30)), "it does not end");
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
                Assert.True(_said.Contains(line, StringComparer.Ordinal), $"it has ended ({_process.ExitCode}) without saying '{line}': {string.Join('\n', _said.TakeLast(12))}");
            }

            Assert.True(clock.Elapsed < within, $"it does not say '{line}': {string.Join('\n', _said.TakeLast(12))}");
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

    private void Note(string? line)
    {
        if (line is null)
        {
            return;
        }

        _said.Enqueue(line);
        try
        {
            if (!IsQuiet)
            {
                _output.WriteLine(line);
            }
        }
        catch (InvalidOperationException)
        {
            // The last words of a program that is ended with the test.
        }
    }
}
