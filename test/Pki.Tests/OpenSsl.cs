using System.Diagnostics;

namespace Masquerade.Pki.Tests;

/// <summary>Debian's openssl: somebody else's opinion.</summary>
internal static class OpenSsl
{
    public static (int Code, string Output) Run(params string[] arguments) => Run(string.Empty, arguments);

    public static (int Code, string Output) Run(string input, string[] arguments) => Start("openssl", input, arguments);

    /// <summary>Runs a program to its end, a minute at most, and returns all it printed.</summary>
    public static (int Code, string Output) Start(string program, string input, string[] arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        if (!process.WaitForExit(60_000))
        {
            process.Kill();
            Assert.Fail($"{program} {string.Join(' ', arguments)} does not end");
        }

        return (process.ExitCode, output.Result + errors.Result);
    }
}
