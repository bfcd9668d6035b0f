using System.Text.Json;
using Masquerade.Configuration;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>What the command line asks for: check or run a configuration.</summary>
internal static class CoordinatorProgram
{
    private const int Good = 0;
    private const int Mistakes = 2;

    public static async Task<int> RunAsync(string? path, string? listen, bool check, TextWriter output, TextWriter log, LogFormat format, CancellationToken cancel)
    {
        var text = "{}"u8.ToArray();
        try
        {
            text = path is null ? text : await File.ReadAllBytesAsync(path, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await log.WriteLineAsync($"{path}: {e.Message}").ConfigureAwait(false);
            return Mistakes;
        }

        var config = ServerConfig.Read(text, out var found);
        var mistakes = found.Select(m => $"{path}: {m}").ToList();
        if (listen is not null)
        {
            using var quoted = JsonDocument.Parse(JsonSerializer.Serialize(listen));
            if (ServerConfig.EndPoint(quoted.RootElement, out var endpoint))
            {
                config = config is null ? null : config with { Listen = endpoint };
            }
            else
            {
                mistakes.Add($"--{new ConfigMistake("listen", listen, ServerConfig.ListenText)}");
            }
        }

        if (config is not null)
        {
            var insecure = new List<ConfigMistake>();
            config = config.Secure(insecure);
            mistakes.AddRange(insecure.Select(m => $"{path}: {m}"));
        }

        if (config is null || mistakes.Count > 0)
        {
            mistakes.Add($"{mistakes.Count} mistake{(mistakes.Count == 1 ? string.Empty : "s")}");
            await log.WriteLineAsync(string.Join(Environment.NewLine, mistakes)).ConfigureAwait(false);
            return Mistakes;
        }

        if (check)
        {
            await output.WriteLineAsync("the configuration is good").ConfigureAwait(false);
            return Good;
        }

        return await CoordinatorServer.RunAsync(config, new LineLog(log, format), cancel).ConfigureAwait(false);
    }
}
