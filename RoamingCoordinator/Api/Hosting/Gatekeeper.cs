using System.Net;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Hosting;

/// <summary>Decides who may ask.</summary>
/// <param name="tokens">The tokens; null lets everybody in who can reach loopback.</param>
/// <param name="guests">Tokens that open <c>/v1/guests</c> and nothing else: a portal's. Null: there are none.</param>
/// <param name="trouble">Hears of a token file that cannot be used.</param>
internal sealed class Gatekeeper(TokenFile? tokens, TokenFile? guests, Action<string> trouble)
{
    private const string Bearer = "Bearer ";
    private const int MaxToken = 512;

    /// <summary>Probes of load balancers have no token, and are told nothing but whether to come.</summary>
    private static readonly string[] Open = ["/v1/health/live", "/v1/health/ready"];

    private long _unauthorized;
    private long _wrongHost;

    /// <summary>Requests without a good token.</summary>
    public long Unauthorized => Interlocked.Read(ref _unauthorized);

    /// <summary>Requests for another host.</summary>
    public long WrongHost => Interlocked.Read(ref _wrongHost);

    /// <summary>Lets a request pass, or answers it.</summary>
    public async Task PassAsync(HttpContext context, Func<Task> next)
    {
        if (tokens is null)
        {
            // Without a token a name that a web page's author made point at loopback would open the API to that page.
            if (!IsLoopback(context.Request.Host.Host))
            {
                Interlocked.Increment(ref _wrongHost);
                await Problem.WriteAsync(context, StatusCodes.Status421MisdirectedRequest, "without a token only requests to localhost or to a loopback address are answered").ConfigureAwait(false);
                return;
            }
        }
        else if (!Open.Contains(context.Request.Path.Value, StringComparer.Ordinal) && !HasToken(context.Request, tokens) && !IsPortal(context.Request))
        {
            Interlocked.Increment(ref _unauthorized);
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await Problem.WriteAsync(context, StatusCodes.Status401Unauthorized, "a bearer token is needed (Authorization: Bearer TOKEN)").ConfigureAwait(false);
            return;
        }

        await next().ConfigureAwait(false);
    }

    private bool IsPortal(HttpRequest request) => guests is not null && request.Path.StartsWithSegments("/v1/guests", StringComparison.Ordinal) && HasToken(request, guests);

    private static bool IsLoopback(string host) =>
        string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    private bool HasToken(HttpRequest request, TokenFile known)
    {
        var header = request.Headers.Authorization;
        return header is [{ Length: > 0 and <= MaxToken } text]
            && text.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
            && known.Accepts(text[Bearer.Length..].Trim(), trouble);
    }
}
