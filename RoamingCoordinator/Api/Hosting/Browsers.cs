using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Hosting;

/// <summary>What pages in a browser may do.</summary>
internal static class Browsers
{
    /// <summary>A page that somebody looks at must not change anything behind their back.</summary>
    /// <exception cref="ProblemException">The request is a browser's.</exception>
    public static void MayNotChange(HttpContext context)
    {
        if (context.Request.Headers.Origin.Count > 0 || context.Request.Headers.ContainsKey("Sec-Fetch-Site"))
        {
            throw new ProblemException(StatusCodes.Status403Forbidden, "browsers may look but not change anything");
        }
    }
}
