using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

namespace Masquerade.Cli.Site;

/// <summary>Asks a coordinator's API.</summary>
internal sealed class ApiClient : IDisposable
{
    private const int PageRows = 1_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly HttpClient _http;

    /// <summary>A client that has not asked yet.</summary>
    /// <param name="url">Where the API is.</param>
    /// <param name="tokenFile">A file with the token; null for none.</param>
    /// <param name="authorities">A file with the certificates of authorities; null for those of this machine.</param>
    /// <exception cref="CliException">One of them cannot be used.</exception>
    public ApiClient(string url, string? tokenFile, string? authorities)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https") || address.PathAndQuery is not "/")
        {
            throw new CliException($"{url} is not the address of an API, such as http://127.0.0.1:4751");
        }

        var token = tokenFile is null ? null : ReadToken(tokenFile);
        if (token is not null && address.Scheme is "http" && !address.IsLoopback)
        {
            throw new CliException($"{url}: a token must not travel unencrypted; use https");
        }

        _http = new HttpClient(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(5), SslOptions = Trust(authorities), UseProxy = !address.IsLoopback })
        {
            BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan,
        };
        if (token is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
    }

    /// <summary>One document.</summary>
    public Task<JsonElement> GetAsync(string path, CancellationToken cancel) => AskAsync(HttpMethod.Get, path, cancel);

    /// <summary>Has something done; the answer says what.</summary>
    public Task<JsonElement> PostAsync(string path, CancellationToken cancel) => AskAsync(HttpMethod.Post, path, cancel);

    /// <summary>Has something undone; the answer says what.</summary>
    public Task<JsonElement> DeleteAsync(string path, CancellationToken cancel) => AskAsync(HttpMethod.Delete, path, cancel);

    /// <summary>Replaces a document; the answer says what has changed.</summary>
    /// <param name="path">Which.</param>
    /// <param name="document">What takes its place.</param>
    /// <param name="tag">The tag of the one that is replaced; null: whichever it is.</param>
    /// <param name="cancel">Ends it.</param>
    public Task<JsonElement> PutAsync(string path, byte[] document, string? tag, CancellationToken cancel) => AskAsync(HttpMethod.Put, path, cancel, document, tag);

    private async Task<JsonElement> AskAsync(HttpMethod method, string path, CancellationToken cancel, byte[]? document = null, string? tag = null)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Patience);
        try
        {
            using var response = await OpenAsync(method, path, limit.Token, document, tag).ConfigureAwait(false);
            using var answer = await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync(limit.Token).ConfigureAwait(false), default, limit.Token).ConfigureAwait(false);
            return answer.RootElement.Clone();
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new CliException($"{_http.BaseAddress} has not answered in {Patience.TotalSeconds:0} seconds");
        }
        catch (JsonException e)
        {
            throw new CliException($"{_http.BaseAddress} answers with something else than JSON: {e.Message}");
        }
    }

    /// <summary>A list, page after page, up to a number of rows.</summary>
    /// <returns>The rows, and whether there are more.</returns>
    public async Task<(IReadOnlyList<JsonElement> Rows, bool More)> ListAsync(string path, int most, CancellationToken cancel)
    {
        var rows = new List<JsonElement>();
        var next = string.Empty;
        var join = path.Contains('?', StringComparison.Ordinal) ? '&' : '?';
        while (rows.Count < most)
        {
            var page = await GetAsync($"{path}{join}limit={Math.Min(PageRows, most - rows.Count)}{next}", cancel).ConfigureAwait(false);
            rows.AddRange(page.GetProperty("items").EnumerateArray());
            if (page.GetProperty("next").GetString() is not { } more)
            {
                return (rows, false);
            }

            next = $"&next={Uri.EscapeDataString(more)}";
        }

        return (rows, true);
    }

    /// <summary>Opens a document or stream.</summary>
    /// <exception cref="CliException">It cannot be had.</exception>
    public Task<HttpResponseMessage> OpenAsync(string path, CancellationToken cancel) => OpenAsync(HttpMethod.Get, path, cancel);

    private async Task<HttpResponseMessage> OpenAsync(HttpMethod method, string path, CancellationToken cancel, byte[]? document = null, string? tag = null)
    {
        HttpResponseMessage response;
        try
        {
            using var request = new HttpRequestMessage(method, path) { Content = document is null ? null : new ByteArrayContent(document) };
            if (tag is not null)
            {
                request.Headers.TryAddWithoutValidation("If-Match", $"\"{tag}\"");
            }

            response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or SocketException)
        {
            throw new CliException(e is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError }
                ? $"{_http.BaseAddress} cannot be trusted: {Innermost(e)}; --ca names the authority of its certificate"
                : $"{_http.BaseAddress} cannot be reached: {Innermost(e)}; the coordinator's api.listen says where it is, --url where to ask");
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            var told = await DetailAsync(response, cancel).ConfigureAwait(false);
            throw new CliException(response.StatusCode == HttpStatusCode.Unauthorized
                ? $"{_http.BaseAddress} asks for a token, or for another one; --token-file names the file that has it (masq token makes one)"
                : $"{_http.BaseAddress} answers {(int)response.StatusCode}: {told}");
        }
    }

    public void Dispose() => _http.Dispose();

    private static string Innermost(Exception e) => e.GetBaseException().Message.TrimEnd('.');

    private static async Task<string> DetailAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        try
        {
            using var document = await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false), default, cancel).ConfigureAwait(false);
            var detail = Printable.Of(document.RootElement.GetProperty("detail").GetString() ?? string.Empty);
            return document.RootElement.TryGetProperty("mistakes", out var mistakes)
                ? string.Join(Environment.NewLine, mistakes.EnumerateArray().Select(m => "  " + Printable.Of(m.GetString() ?? string.Empty)).Prepend(detail))
                : detail;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or HttpRequestException)
        {
            return response.ReasonPhrase ?? "an error";
        }
    }

    private static string ReadToken(string path)
    {
        try
        {
            if ((File.GetUnixFileMode(path) & (UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            {
                throw new CliException($"{path}: others than its owner may read the token; chmod 600 it");
            }

            var token = File.ReadAllText(path).Trim();
            return token.Length is > 0 and <= 500 && token.All(c => c is > ' ' and < '\u007f') ? token : throw new CliException($"{path} has no token in it");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"{path}: {e.Message}");
        }
    }

    private static SslClientAuthenticationOptions Trust(string? path)
    {
        if (path is null)
        {
            return new SslClientAuthenticationOptions();
        }

        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(path);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new CliException($"{path}: {e.Message}");
        }

        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities);
        return new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
    }
}
