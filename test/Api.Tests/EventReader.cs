using System.Text.Json;

namespace Masquerade.Api.Tests;

/// <summary>An event as it came.</summary>
internal sealed record Received(string Id, string Type, JsonElement Data)
{
    public string? Text(string name) => Data.GetProperty(name).GetString();
}

/// <summary>Reads a stream of server-sent events line by line, by the standard's rules for fields.</summary>
internal sealed class EventReader : IAsyncDisposable
{
    private readonly HttpResponseMessage _response;
    private readonly StreamReader _lines;

    private EventReader(HttpResponseMessage response, Stream stream)
    {
        _response = response;
        _lines = new StreamReader(stream);
    }

    public static async Task<EventReader> OpenAsync(HttpClient http, string path, string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (lastEventId is not null)
        {
            request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
        }

        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.True(response.IsSuccessStatusCode, await (response.IsSuccessStatusCode ? Task.FromResult(string.Empty) : response.Content.ReadAsStringAsync()));
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        var reader = new EventReader(response, await response.Content.ReadAsStreamAsync());

        // The stream has begun when this comes: what happens from now on is in it.
        Assert.Equal("retry: 2000", await reader._lines.ReadLineAsync());
        return reader;
    }

    /// <summary>The next event; null at the end of the stream.</summary>
    public async Task<Received?> NextAsync(double seconds = 20)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        while (await _lines.ReadLineAsync(limit.Token) is { } line)
        {
            if (line.Length == 0)
            {
                if (fields.TryGetValue("data", out var data))
                {
                    using var document = JsonDocument.Parse(data);
                    return new Received(fields["id"], fields["event"], document.RootElement.Clone());
                }

                fields.Clear();
                continue;
            }

            var colon = line.IndexOf(':', StringComparison.Ordinal);
            Assert.True(colon >= 0, $"not a field: {line}");
            if (colon > 0)
            {
                Assert.True(fields.TryAdd(line[..colon], line[(colon + 1)..].TrimStart(' ')), $"{line}: twice");
            }
        }

        return null;
    }

    /// <summary>The next events, as many as asked for.</summary>
    public async Task<List<Received>> TakeAsync(int count)
    {
        var events = new List<Received>();
        while (events.Count < count)
        {
            events.Add(await NextAsync() ?? throw new InvalidOperationException("the stream has ended"));
        }

        return events;
    }

    public ValueTask DisposeAsync()
    {
        _lines.Dispose();
        _response.Dispose();
        return ValueTask.CompletedTask;
    }
}
