using System.Globalization;
using System.Text.Json;

namespace Masquerade.Cli.Site;

/// <summary>Follows a coordinator's events: the latest ones first, and on as they come; a stream that breaks is taken up where it ended.</summary>
internal sealed class EventFollower(ApiClient api, IReadOnlyList<string> clients, Action<JsonElement> show, Action<string> trouble)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    private string _place = string.Empty;

    /// <summary>Shows the latest events, as many as asked for; follows on if asked to, until cancelled.</summary>
    public async Task RunAsync(int latest, bool follow, CancellationToken cancel)
    {
        var asOf = (await api.GetAsync("/v1/status", cancel).ConfigureAwait(false)).GetProperty("asOf").GetString()!;
        var dot = asOf.IndexOf('.', StringComparison.Ordinal);
        if (dot < 0 || !long.TryParse(asOf.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var last))
        {
            throw new CliException("this is not the API of a coordinator: asOf is missing");
        }

        _place = asOf;
        if (last > 0 && latest > 0)
        {
            // Without the filter: only so the end is sure to be seen.
            var first = string.Create(CultureInfo.InvariantCulture, $"{asOf.AsSpan(0, dot)}.{Math.Max(0, last - latest)}");
            await ReadAsync($"/v1/events?since={first}", last, cancel).ConfigureAwait(false);
        }

        while (follow)
        {
            try
            {
                var filter = string.Concat(clients.Select(c => $"&client={Uri.EscapeDataString(c)}"));
                await ReadAsync($"/v1/events?since={_place}{filter}", long.MaxValue, cancel).ConfigureAwait(false);
                trouble("the stream has ended; trying again");
            }
            catch (Exception e) when (e is IOException or HttpRequestException or System.Net.Sockets.SocketException or CliException)
            {
                trouble($"{e.Message}; trying again");
            }

            await Task.Delay(Pause, cancel).ConfigureAwait(false);
        }
    }

    private async Task ReadAsync(string path, long until, CancellationToken cancel)
    {
        using var response = await api.OpenAsync(path, cancel).ConfigureAwait(false);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false));
        var (id, data) = (string.Empty, string.Empty);
        while (await lines.ReadLineAsync(cancel).ConfigureAwait(false) is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal))
            {
                id = line[4..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                data = line[6..];
            }
            else if (line.Length == 0 && data.Length > 0)
            {
                if (Take(id, data, until == long.MaxValue) >= until)
                {
                    return;
                }

                (id, data) = (string.Empty, string.Empty);
            }
        }
    }

    private long Take(string id, string data, bool isFollowing)
    {
        using var document = JsonDocument.Parse(data);
        var happened = document.RootElement;
        var sequence = happened.TryGetProperty("sequence", out var number) ? number.GetInt64() : 0;
        var isLost = sequence == 0;
        if (isFollowing)
        {
            _place = id;
        }

        if (isLost ? isFollowing : clients.Count == 0 || (happened.TryGetProperty("client", out var client) && clients.Contains(client.GetString()!, StringComparer.OrdinalIgnoreCase)))
        {
            show(happened.Clone());
        }

        return sequence;
    }
}
