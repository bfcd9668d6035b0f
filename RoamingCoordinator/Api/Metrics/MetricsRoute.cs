using System.Text;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Masquerade.RoamingCoordinator.Api.Routes;
using Microsoft.AspNetCore.Http;

namespace Masquerade.RoamingCoordinator.Api.Metrics;

/// <summary><c>/metrics</c>: the figures in the Prometheus text format.</summary>
internal static class MetricsRoute
{
    public static async Task ServeAsync(HttpContext context, MetricsSource source)
    {
        _ = new Query(context.Request);
        var snapshot = await source.TakeAsync(context.RequestAborted).ConfigureAwait(false);
        await Reply.SendAsync(context, "text/plain; version=0.0.4; charset=utf-8", Encoding.UTF8.GetBytes(PrometheusText.Write(snapshot))).ConfigureAwait(false);
    }
}
