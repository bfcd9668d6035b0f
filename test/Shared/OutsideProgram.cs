using System.Diagnostics;

namespace Masquerade.Testing;

/// <summary>Programs of the machine: somebody else's opinion.</summary>
public static class OutsideProgram
{
    /// <summary>Runs one to its end.</summary>
    /// <param name="program">Its name or path.</param>
    /// <param name="arguments">What it is called with.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="seconds">How long it may take.</param>
    /// <returns>Its exit code, and what it wrote to its two outputs.</returns>
    public static (int Code, string Output, string Errors) Run(string program, IEnumerable<string> arguments, string input = "", int seconds = 120)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended early; its exit code and what it said tell why.
        }

        if (!process.WaitForExit(TimeSpan.FromSeconds(seconds)))
        {
            process.Kill();
            Assert.Fail($"{program} does not end: {string.Join(' ', arguments)}");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult(), errors.GetAwaiter().GetResult());
    }
}
