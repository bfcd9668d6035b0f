namespace Masquerade.RoamingCoordinator.Api.Telemetry;

/// <summary>Adds the headers that stand in a file to every request. The file is read again when it has changed, so that a secret can be replaced without a restart.</summary>
internal sealed class HeaderFile(string path, Action<string> trouble, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    private const int MaxBytes = 64 * 1024;

    private readonly Lock _gate = new();
    private (DateTime Written, long Length) _stamp;
    private IReadOnlyList<(string Name, string Value)> _headers = [];

    /// <summary>Reads a file; the text says what is wrong with it, and is empty if nothing is.</summary>
    public static IReadOnlyList<(string Name, string Value)> Read(string path, out string mistake)
    {
        mistake = string.Empty;
        try
        {
            var mode = File.GetUnixFileMode(path);
            if ((mode & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute)) != 0)
            {
                mistake = $"{path}: others than its owner may use it; chmod 600 it";
                return [];
            }

            if (new FileInfo(path).Length > MaxBytes)
            {
                mistake = $"{path}: over {MaxBytes} octets";
                return [];
            }

            var headers = new List<(string, string)>();
            var number = 0;
            foreach (var line in File.ReadLines(path))
            {
                number++;
                if (line.Trim().Length == 0 || line.StartsWith('#'))
                {
                    continue;
                }

                var colon = line.IndexOf(':', StringComparison.Ordinal);
                var (name, value) = colon < 0 ? (string.Empty, string.Empty) : (line[..colon].Trim(), line[(colon + 1)..].Trim());
                if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') || value.Any(char.IsControl))
                {
                    // The line itself is not shown: it may hold a secret.
                    mistake = $"{path}: line {number} is not \"name: value\"";
                    return [];
                }

                headers.Add((name, value));
            }

            return headers;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            mistake = $"{path}: {e.Message}";
            return [];
        }
    }

    /// <inheritdoc/>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) => base.Send(Complete(request), cancellationToken);

    /// <inheritdoc/>
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => base.SendAsync(Complete(request), cancellationToken);

    private HttpRequestMessage Complete(HttpRequestMessage request)
    {
        foreach (var (name, value) in Current())
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    private IReadOnlyList<(string Name, string Value)> Current()
    {
        lock (_gate)
        {
            var file = new FileInfo(path);
            var stamp = file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
            if (stamp != _stamp)
            {
                _stamp = stamp;
                var headers = Read(path, out var mistake);
                if (mistake.Length == 0)
                {
                    _headers = headers;
                }
                else
                {
                    trouble($"{mistake}; the headers that were read before stay");
                }
            }

            return _headers;
        }
    }
}
