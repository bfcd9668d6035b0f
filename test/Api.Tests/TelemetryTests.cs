namespace Masquerade.Api.Tests;

/// <summary>What a collector gets by OTLP, read by a decoder that shares nothing with the exporter, against <c>/metrics</c> before and after.</summary>
public sealed class TelemetryTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_collector_gets_the_figures_that_Prometheus_reads(bool isGrpc)
    {
        var headers = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(headers, "# a comment\nauthorization: Bearer very, secret=1\n");
            File.SetUnixFileMode(headers, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            await using var collector = await Collector.StartAsync(Loopback.FreeEndPoint(), isGrpc);
            await using var site = await TestSite.StartAsync(root: $$"""
                "telemetry": { "otlp": {
                  "endpoint": "{{collector.Address}}", "protocol": "{{(isGrpc ? "grpc" : "http/protobuf")}}", "intervalSeconds": 1, "headersFile": "{{headers}}",
                  "attributes": { "deployment.environment": "lab" } } },
                """);
            await MoveAroundAsync(site);
            var before = await FiguresAsync(site);
            var delivery = await collector.NextMetricsAsync();
            var after = await FiguresAsync(site);

            var sent = delivery.Samples();
            Assert.Equal(before.Keys.Order(StringComparer.Ordinal), sent.Keys.Order(StringComparer.Ordinal));
            foreach (var (sample, (type, value)) in sent)
            {
                Assert.Equal(before[sample].Type, type);
                if (!IsMoving(sample))
                {
                    Assert.True(value >= before[sample].Value && value <= after[sample].Value, $"{sample}: {before[sample].Value} to {after[sample].Value}, sent {value}");
                }
            }

            Assert.Equal(1, sent["masq_roams_total{outcome=\"complete\"}"].Value);
            Assert.Equal(1, sent["masq_roam_gap_seconds_count"].Value);
            Assert.Equal(before["masq_roam_gap_seconds_sum"].Value, sent["masq_roam_gap_seconds_sum"].Value);
            Assert.Equal(before["masq_roam_gap_seconds_bucket{le=\"0.25\"}"].Value, sent["masq_roam_gap_seconds_bucket{le=\"0.25\"}"].Value);
            Assert.Equal("s", delivery.Metrics.Single(m => m.Text(1) == "masq_roam_gap_seconds").Text(3));
            Assert.Equal("By", delivery.Metrics.Single(m => m.Text(1) == "process_resident_memory_bytes").Text(3));
            Assert.Equal(("masq-coordinator", "north", "lab"), (delivery.Resource["service.name"], delivery.Resource["service.instance.id"], delivery.Resource["deployment.environment"]));
            Assert.Equal("Bearer very, secret=1", delivery.Authorization);
            Assert.DoesNotContain("secret", site.Log, StringComparison.Ordinal);

            // A secret that was replaced is used without a restart.
            await File.WriteAllTextAsync(headers, "authorization: Bearer newer\n");
            Assert.Equal("Bearer newer", (await collector.NextMetricsAsync()).Authorization);
        }
        finally
        {
            File.Delete(headers);
        }
    }

    [Fact]
    public async Task A_roam_is_a_span_with_from_to_and_gap()
    {
        await using var collector = await Collector.StartAsync(Loopback.FreeEndPoint());
        await using var site = await TestSite.StartAsync(root: $$"""
            "telemetry": { "otlp": { "endpoint": "{{collector.Address}}", "serviceName": "site", "instance": "one" } },
            """);
        await MoveAroundAsync(site);
        var moves = () => collector.Deliveries.Where(d => d.Path == "/v1/traces").ToList();
        await TestSite.UntilAsync(() => Task.FromResult(moves().Count > 0), "no span is delivered");
        var delivery = Assert.Single(moves());
        Assert.Equal(("site", "one"), (delivery.Resource["service.name"], delivery.Resource["service.instance.id"]));
        var span = Assert.Single(delivery.Body.Message(1).Messages(2).SelectMany(s => s.Messages(2)));
        var attributes = span.Attributes(9);
        Assert.Equal("clientRoamed", span.Text(5));
        Assert.Equal(("02:00:00:00:00:01", "ap1", "ap2", "complete", "3"), (attributes["masq.client"], attributes["masq.from"], attributes["masq.to"], attributes["masq.outcome"], attributes["masq.mappings"]));

        // From the departure to the completed arrival.
        var roam = (await site.GetAsync("/v1/clients/02:00:00:00:00:01")).GetProperty("trail")[0];
        Assert.Equal(roam.GetProperty("gapSeconds").GetDouble(), (span.Number(8) - span.Number(7)) / 1e9, 6);
    }

    [Fact]
    public async Task A_collector_that_is_down_is_said_once_and_gets_everything_when_it_is_back()
    {
        var door = Loopback.FreeEndPoint();
        await using var site = await TestSite.StartAsync(root: $$"""
            "telemetry": { "otlp": { "endpoint": "http://{{door}}", "intervalSeconds": 1 } },
            """);
        await MoveAroundAsync(site);
        await TestSite.UntilAsync(async () => await site.MetricAsync("masq_telemetry_deliveries_total{outcome=\"failed\"}") >= 3, "failed deliveries are not counted");
        Assert.Equal(2, site.Log.Split($"telemetry to http://{door}").Length);
        Assert.Contains("refused", site.Log, StringComparison.OrdinalIgnoreCase);
        await using var collector = await Collector.StartAsync(door);
        Assert.Equal(1, (await collector.NextMetricsAsync()).Samples()["masq_roams_total{outcome=\"complete\"}"].Value);
        Assert.Contains("delivered again", site.Log, StringComparison.Ordinal);
        Assert.True(await site.MetricAsync("masq_telemetry_deliveries_total{outcome=\"delivered\"}") >= 1);
    }

    private static async Task MoveAroundAsync(TestSite site)
    {
        var (first, second) = (await site.AgentAsync(1), await site.AgentAsync(2));
        var epoch = (await first.ArriveAsync(1)).Epoch;
        await first.OpenAsync(1, epoch, 3);
        await first.DepartAsync(1, epoch);
        await Task.Delay(60);
        await second.ArriveAsync(1);
    }

    private static async Task<Dictionary<string, (string Type, double Value)>> FiguresAsync(TestSite site) =>
        PrometheusJudge.Parse(await site.Http.GetStringAsync("/metrics")).SelectMany(f => f.Samples.Select(s => (s.Name, s.Labels, f.Type, s.Value)))
            .ToDictionary(s => s.Name + s.Labels, s => (s.Type, s.Value), StringComparer.Ordinal);

    /// <summary>Goes up and down by itself, or with the requests that look at it.</summary>
    private static bool IsMoving(string sample) => sample is "process_resident_memory_bytes" or "masq_api_connections" or "masq_outbox_messages" or "masq_outbox_bytes";
}
