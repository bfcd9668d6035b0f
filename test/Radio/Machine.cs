using System.Diagnostics;
using System.Globalization;
using Masquerade.Testing;

namespace Masquerade.Radio.Tests;

/// <summary>The machine in which radios are: a kernel of its own that simulates them (decision 44). A test runs there as a program of its own.</summary>
internal static class Machine
{
    private const int NoMachine = 3;

    /// <summary>How long a test may take, with the machine's start and end; on a machine that nobody else uses it takes a fifth of it.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(12);

    private static readonly Lazy<string?> s_missing = new(Look);

    /// <summary>Whether this is inside.</summary>
    public static bool IsHere { get; set; }

    /// <summary>Why there is no machine; null: there is one.</summary>
    public static string? Missing => s_missing.Value;

    private static string Folder => Path.Combine(SourceTree.Root, "test", "Radio", "machine");

    private static string Cache => Path.Combine(SourceTree.Root, "artifacts", "machine");

    /// <summary>Runs a test in a machine of its own.</summary>
    /// <param name="type">Its class.</param>
    /// <param name="test">Its method.</param>
    /// <param name="said">Is given what it says.</param>
    public static void Run(string type, string test, Action<string> said)
    {
        var share = Directory.CreateTempSubdirectory("masq-machine-").FullName;
        try
        {
            var clock = Stopwatch.StartNew();
            var (status, error) = Start(
                "run", s_limit, string.Create(CultureInfo.InvariantCulture, $"{(int)s_limit.TotalSeconds}"), share, "dotnet", typeof(Machine).Assembly.Location, type, test);
            var text = Read(share, "said") + Read(share, "console");
            said(text);
            said(string.Create(CultureInfo.InvariantCulture, $"{clock.Elapsed.TotalSeconds:F1} s with the machine's start and end"));
            Assert.True(status == 0, $"in the machine ({status}): {error}{Reason(text)}");
        }
        finally
        {
            Directory.Delete(share, recursive: true);
        }
    }

    private static string? Look()
    {
        if (!string.Equals(Environment.UserName, "root", StringComparison.Ordinal))
        {
            return "network namespaces need root";
        }

        var (status, error) = Start("kernel", TimeSpan.FromMinutes(6), Cache);
        return status switch { 0 => null, NoMachine => error.Trim(), _ => throw new InvalidOperationException($"there is no kernel ({status}): {error}") };
    }

    /// <summary>The script ends what it has started when its standard input does, so nothing is left of a run that is broken off.</summary>
    private static (int Status, string Error) Start(string script, TimeSpan limit, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(Folder, script), arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["MASQ_MACHINE_CACHE"] = Cache;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        _ = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(limit + TimeSpan.FromSeconds(30)))
        {
            process.StandardInput.Close();
            process.WaitForExit();
        }

        return (process.ExitCode, error.GetAwaiter().GetResult());
    }

    private static string Read(string folder, string name) => Path.Combine(folder, name) is var path && File.Exists(path) ? File.ReadAllText(path) : string.Empty;

    private static string Reason(string text) => text.IndexOf(Program.Failed, StringComparison.Ordinal) is var at and >= 0 ? text[at..] : text;
}
