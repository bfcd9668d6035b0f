using System.Diagnostics;
using System.Text.Json;

namespace Masquerade.Api.Tests;

/// <summary>The metrics, judged by a parser of the published format that shares nothing with the writer, and by the Python client library of the Prometheus project.</summary>
public sealed class MetricsTests
{
    [Fact]
    public async Task Figures_are_right_and_the_format_is_kept()
    {
        await using var site = await TestSite.StartAsync();
        var (first, second) = (await site.AgentAsync(1), await site.AgentAsync(2));
        var epoch = (await first.ArriveAsync(1)).Epoch;
        await first.OpenAsync(1, epoch, 3);
        await first.DepartAsync(1, epoch);
        await Task.Delay(30);
        await second.ArriveAsync(1);
        await second.ArriveAsync(2);
        await second.ClaimNonsenseAsync(4);
        await TestSite.UntilAsync(async () => await site.MetricAsync("masq_refusals_total{reason=\"invalid\"}") == 4, "refusals are not counted");
        using var response = await site.Http.GetAsync("/metrics");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        var text = await response.Content.ReadAsStringAsync();
        var families = PrometheusJudge.Parse(text);

        double Value(string sample) => families.SelectMany(f => f.Samples).Single(s => $"{s.Name}{s.Labels}" == sample).Value;
        Assert.Equal(2, Value("masq_sessions"));
        Assert.Equal(2, Value("masq_clients"));
        Assert.Equal(3, Value("masq_mappings"));
        Assert.Equal(3, Value("masq_connections"));
        Assert.Equal(2, Value("masq_arrivals_total"));
        Assert.Equal(1, Value("masq_departures_total"));
        Assert.Equal(1, Value("masq_roams_total{outcome=\"complete\"}"));
        Assert.Equal(1, Value("masq_roam_gap_seconds_count"));
        Assert.InRange(Value("masq_roam_gap_seconds_sum"), 0.026, 10);
        Assert.Equal(0, Value("masq_roam_gap_seconds_bucket{le=\"0.025\"}"));
        Assert.Equal(1, Value("masq_roam_gap_seconds_bucket{le=\"+Inf\"}"));
        Assert.Equal(7, Value("masq_messages_received_total{type=\"Arrive\"}"));
        Assert.Equal(2, Value("masq_messages_sent_total{type=\"Welcome\"}"));
        Assert.Equal(0, Value("masq_store_failures_total{reason=\"timed_out\"}"));
        Assert.True(Value("masq_outbox_messages") >= 1, "pushes were not acknowledged, so some wait");
        Assert.True(Value("process_resident_memory_bytes") > 1e6);

        // No client and no access point is a label.
        Assert.DoesNotContain("02:00:00", text, StringComparison.Ordinal);
        Assert.DoesNotContain("ap1", text, StringComparison.Ordinal);
        Assert.All(families.SelectMany(f => f.Samples).GroupBy(s => s.Name, StringComparer.Ordinal), g => Assert.InRange(g.Count(), 1, 40));
        Assert.Equal(families.SelectMany(f => f.Samples).Select(s => (s.Name, s.Labels, s.Value)).Order(), (await ByPythonAsync(text)).Order());
    }

    [Theory]
    [InlineData("a_total 1\n")]
    [InlineData("# TYPE a counter\n# HELP a b\na 1\n")]
    [InlineData("# HELP a b\n# TYPE a gauge\na 1\na 2\n")]
    [InlineData("# HELP a b\n# TYPE a gauge\na 1")]
    [InlineData("# HELP a b\n# TYPE a gauge\na{x=\"1} 1\n")]
    [InlineData("# HELP a b\n# TYPE a gauge\na one\n")]
    [InlineData("# HELP a_seconds b\n# TYPE a_seconds histogram\na_seconds_bucket{le=\"1\"} 2\na_seconds_bucket{le=\"+Inf\"} 1\na_seconds_sum 1\na_seconds_count 1\n")]
    [InlineData("# HELP a_milliseconds b\n# TYPE a_milliseconds gauge\na_milliseconds 1\n")]
    public void The_judge_notices_what_is_wrong(string text) => Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => PrometheusJudge.Parse(text));

    private static async Task<List<(string Name, string Labels, double Value)>> ByPythonAsync(string text)
    {
        const string Program = """
            import json, sys
            from prometheus_client.parser import text_string_to_metric_families
            rows = []
            for family in text_string_to_metric_families(sys.stdin.read()):
                assert family.type in ("counter", "gauge", "histogram"), family
                assert family.documentation, family
                for s in family.samples:
                    rows.append([s.name, "{%s}" % ",".join('%s="%s"' % i for i in s.labels.items()) if s.labels else "", s.value])
            json.dump(rows, sys.stdout)
            """;
        using var python = Process.Start(new ProcessStartInfo("/usr/bin/python3", ["-c", Program]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        var error = python.StandardError.ReadToEndAsync();
        await python.StandardInput.WriteAsync(text);
        python.StandardInput.Close();
        var output = await python.StandardOutput.ReadToEndAsync();
        await python.WaitForExitAsync();
        Assert.True(python.ExitCode == 0, await error);
        using var rows = JsonDocument.Parse(output);
        return [.. rows.RootElement.EnumerateArray().Select(r => (r[0].GetString()!, r[1].GetString()!, r[2].GetDouble()))];
    }
}
