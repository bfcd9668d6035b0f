using System.Runtime.InteropServices;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.AccessPoint.Agent.Devices;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>What the command line asks for: read, check, print or run a configuration.</summary>
internal static class AgentProgram
{
    private const int Good = 0;
    private const int CannotRun = 1;
    private const int Mistakes = 2;

    public static async Task<int> RunAsync(
        string path, bool check, bool print, string? eventsFile, TextWriter output, TextWriter log, CancellationToken cancel)
    {
        byte[] text;
        try
        {
            text = await File.ReadAllBytesAsync(path, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await log.WriteLineAsync($"{path}: {e.Message}").ConfigureAwait(false);
            return Mistakes;
        }

        var config = ConfigFile.Read(text, out var mistakes);
        if (config is null)
        {
            foreach (var mistake in mistakes)
            {
                await log.WriteLineAsync($"{path}: {mistake}").ConfigureAwait(false);
            }

            await log.WriteLineAsync($"{path}: {mistakes.Count} mistake{(mistakes.Count == 1 ? string.Empty : "s")}").ConfigureAwait(false);
            return Mistakes;
        }

        config = eventsFile is null ? config : config with { EventsFile = eventsFile };
        if (print)
        {
            await output.WriteLineAsync(EffectiveConfig.Write(config)).ConfigureAwait(false);
        }

        if (check || print)
        {
            return Good;
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        try
        {
            await new AgentHost(config, log).RunAsync(stop.Token).ConfigureAwait(false);
            return Good;
        }
        catch (Exception e) when (e is DeviceException or IOException or System.Net.Sockets.SocketException or UnauthorizedAccessException)
        {
            await log.WriteLineAsync($"masq-agent: {e.Message}").ConfigureAwait(false);
            return CannotRun;
        }

        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }
}
