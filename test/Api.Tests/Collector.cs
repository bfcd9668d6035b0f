using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Masquerade.Api.Tests;

/// <summary>What a collector was sent in one request.</summary>
internal sealed record Delivery(string Path, string Authorization, long At, ProtobufFields Body)
{
    /// <summary>Attributes of the resource, by the published messages: ResourceMetrics and ResourceSpans have the same numbers.</summary>
    public IReadOnlyDictionary<string, string> Resource => Body.Message(1).Message(1).Attributes(1);

    public IEnumerable<ProtobufFields> Metrics => Body.Message(1).Messages(2).SelectMany(s => s.Messages(2));

    /// <summary>All samples as Prometheus would name them, and what each is.</summary>
    public Dictionary<string, (string Type, double Value)> Samples()
    {
        var samples = new Dictionary<string, (string, double)>(StringComparer.Ordinal);
        foreach (var metric in Metrics)
        {
            var name = metric.Text(1);
            var (type, data) = metric.Has(7) ? ("counter", metric.Message(7)) : metric.Has(5) ? ("gauge", metric.Message(5)) : ("histogram", metric.Message(9));
            if (metric.Has(7))
            {
                // Cumulative (2), and only ever growing.
                Assert.Equal((2ul, 1ul), (data.Number(2), data.Number(3)));
            }

            foreach (var point in data.Messages(1))
            {
                if (metric.Has(9))
                {
                    Histogram(samples, name, point);
                    continue;
                }

                var labels = string.Join(',', point.Attributes(7).Select(a => $"{a.Key}=\"{a.Value}\""));
                samples.Add(labels.Length == 0 ? name : $"{name}{{{labels}}}", (type, point.Has(6) ? (long)point.Number(6) : point.Double(4)));
            }
        }

        return samples;
    }

    private static void Histogram(Dictionary<string, (string, double)> samples, string name, ProtobufFields point)
    {
        var bounds = point.Packed(7).Select(BitConverter.UInt64BitsToDouble).ToList();
        var total = 0ul;
        foreach (var (index, count) in point.Packed(6).Index())
        {
            total += count;
            var bound = index < bounds.Count ? bounds[index].ToString("R", CultureInfo.InvariantCulture) : "+Inf";
            samples.Add($"{name}_bucket{{le=\"{bound}\"}}", ("histogram", total));
        }

        samples.Add(name + "_sum", ("histogram", point.Double(5)));
        samples.Add(name + "_count", ("histogram", point.Number(4)));
    }
}

/// <summary>An OpenTelemetry collector's door on loopback: protobuf over HTTP, or gRPC over HTTP/2 in plain text.</summary>
internal sealed class Collector : IAsyncDisposable
{
    private readonly WebApplication _server;
    private readonly ConcurrentQueue<Delivery> _deliveries = new();

    private Collector(IPEndPoint listen, bool isGrpc)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(listen, e => e.Protocols = isGrpc ? HttpProtocols.Http2 : HttpProtocols.Http1));
        _server = builder.Build();
        _server.Run(context => TakeAsync(context, isGrpc));
        Address = new Uri($"http://{listen}");
    }

    public Uri Address { get; }

    public IReadOnlyCollection<Delivery> Deliveries => _deliveries;

    public static async Task<Collector> StartAsync(IPEndPoint listen, bool isGrpc = false)
    {
        var collector = new Collector(listen, isGrpc);
        await collector._server.StartAsync();
        return collector;
    }

    /// <summary>The first delivery of figures that begins after now, which is seen from two that arrive after it.</summary>
    public async Task<Delivery> NextMetricsAsync()
    {
        var from = Stopwatch.GetTimestamp();
        List<Delivery> Later() => [.. _deliveries.Where(d => d.At > from && d.Path.Contains("metrics", StringComparison.OrdinalIgnoreCase))];
        await TestSite.UntilAsync(() => Task.FromResult(Later().Count >= 2), "no figures are delivered");
        return Later()[1];
    }

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _server.StopAsync(limit.Token);
        await _server.DisposeAsync();
    }

    private async Task TakeAsync(HttpContext context, bool isGrpc)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var octets = body.ToArray();
        if (isGrpc)
        {
            // A frame: not compressed, its length, the message.
            Assert.Equal((byte)0, octets[0]);
            octets = octets[5..];
        }

        _deliveries.Enqueue(new Delivery(context.Request.Path, context.Request.Headers.Authorization.ToString(), Stopwatch.GetTimestamp(), new ProtobufFields(octets)));
        context.Response.ContentType = isGrpc ? "application/grpc" : "application/x-protobuf";
        if (isGrpc)
        {
            await context.Response.Body.WriteAsync(new byte[5]);
            context.Response.AppendTrailer("grpc-status", "0");
        }
    }
}
