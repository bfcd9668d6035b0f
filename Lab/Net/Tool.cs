using System.Diagnostics;

namespace Masquerade.Lab.Net;

/// <summary>Runs a system tool to its end and returns what it printed.</summary>
internal static class Tool
{
    /// <summary>Runs <paramref name="file"/>; throws with its error text when it fails.</summary>
    public static string Run(string file, IEnumerable<string> arguments, string? input = null)
    {
        var (code, output, error) = TryRun(file, arguments, input);
        return code == 0 ? output : throw new LabException($"{file} {string.Join(' ', arguments)} failed ({code}): {error.Trim()} {input}");
    }

    /// <summary>Runs <paramref name="file"/> and returns exit code, output and error text.</summary>
    public static (int Code, string Output, string Error) TryRun(string file, IEnumerable<string> arguments, string? input = null)
    {
        var start = new ProcessStartInfo(file)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using var process = Process.Start(start) ?? throw new LabException($"{file} did not start");
            var error = process.StandardError.ReadToEndAsync();
            if (input is not null)
            {
                process.StandardInput.Write(input);
            }

            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output, error.GetAwaiter().GetResult());
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new LabException($"{file} could not be started: {e.Message}", e);
        }
    }

    /// <summary>Runs several <c>ip</c> commands in one namespace with one process.</summary>
    public static void IpBatch(string networkNamespace, params string[] commands) =>
        Run("ip", ["-n", networkNamespace, "-batch", "-"], string.Join('\n', commands) + "\n");
}
