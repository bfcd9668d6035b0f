using System.Runtime.InteropServices;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.Configuration;
using Masquerade.Pki;
using Masquerade.Pki.Channel;

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
        CredentialStore? credentials = null;
        if (config?.Tls is { } tls)
        {
            var files = new CredentialFiles(tls.Files.Ca, tls.Files.Certificate, tls.Files.Key, tls.Files.Crl);
            credentials = CredentialStore.Open(files, new SiteIdentity(SiteRole.Agent, config.Model.Node), TimeSpan.FromDays(tls.WarnDays), TimeProvider.System, out var problems);
            mistakes = [.. problems.Select(p => new ConfigMistake("tls." + p.Key, p.Value, p.Allowed))];
        }

        if (config is null || mistakes.Count > 0)
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
        var host = new AgentHost(config, credentials, log);
        using var hangUp = credentials is null && !config.MappingLog.IsOn ? null : PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            credentials?.Poke();
            host.Reopen();
        });
        try
        {
            await host.RunAsync(stop.Token).ConfigureAwait(false);
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
