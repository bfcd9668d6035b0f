using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xunit.Abstractions;

namespace Masquerade.Client.Tests.Wire;

/// <summary><c>masq client</c> in a namespace, and what it tells.</summary>
internal sealed class ClientProcess : IDisposable
{
    private readonly Process _process;
    private readonly List<JsonElement> _events = [];
    private readonly SharedText _said = new();

    public ClientProcess(ITestOutputHelper output, string space, string? password, params string[] options)
    {
        Output = output;
        var program = SourceTree.Program("Cli", "masq");
        Assert.True(File.Exists(program), $"{program} has not been built");
        var start = new ProcessStartInfo("ip", ["netns", "exec", space, "env", "--default-signal=INT", "dotnet", program, "client", "--json", .. options])
        {
            UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        if (password is not null)
        {
            start.Environment[Run.ClientSettings.PasswordVariable] = password;
        }

        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Hear(line.Data);
        _process.ErrorDataReceived += (_, line) => Note(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Said => _said.ToString();

    public bool HasEnded => _process.HasExited;

    private ITestOutputHelper Output { get; }

    /// <summary>The names of all events so far.</summary>
    public IReadOnlyList<string> Names => [.. Events.Select(e => e.GetProperty("event").GetString()!)];

    public IReadOnlyList<JsonElement> Events
    {
        get
        {
            lock (_events)
            {
                return [.. _events];
            }
        }
    }

    /// <summary>The last event of a name; undefined if there is none.</summary>
    public JsonElement Last(string name) => Events.LastOrDefault(e => e.GetProperty("event").ValueEquals(name));

    /// <summary>How many there were.</summary>
    public int Count(string name) => Names.Count(n => string.Equals(n, name, StringComparison.Ordinal));

    public void Signal(string signal) =>
        Assert.Equal(0, OutsideProgram.Run("kill", [signal, _process.Id.ToString(CultureInfo.InvariantCulture)]).Code);

    /// <summary>Its exit code.</summary>
    public int End()
    {
        Assert.True(_process.WaitForExit(TimeSpan.FromSeconds(30)), "it does not end");
        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        Output.WriteLine(Said);
    }

    private void Hear(string? line)
    {
        Note(line);
        if (line is { Length: > 0 })
        {
            lock (_events)
            {
                _events.Add(JsonElement.Parse(line));
            }
        }
    }

    private void Note(string? line)
    {
        if (line is not null)
        {
            _said.WriteLine(line);
        }
    }
}
