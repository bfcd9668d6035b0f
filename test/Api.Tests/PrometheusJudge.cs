using System.Globalization;
using System.Text.RegularExpressions;

namespace Masquerade.Api.Tests;

/// <summary>A family of the Prometheus text format.</summary>
internal sealed record Family(string Name, string Type, List<(string Name, string Labels, double Value)> Samples);

/// <summary>A parser of the Prometheus text format that shares nothing with the writer.</summary>
internal static partial class PrometheusJudge
{
    /// <summary>The text format 0.0.4 and the naming rules, strictly: help, type, samples; each family once and in one piece.</summary>
    public static List<Family> Parse(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var families = new List<Family>();
        string? help = null;
        foreach (var line in text[..^1].Split('\n'))
        {
            if (HelpLine().Match(line) is { Success: true } helped)
            {
                Assert.Null(help);
                help = helped.Groups["name"].Value;
                Assert.NotEmpty(helped.Groups["text"].Value);
                continue;
            }

            if (TypeLine().Match(line) is { Success: true } typed)
            {
                Assert.Equal(help, typed.Groups["name"].Value);
                Assert.DoesNotContain(families, f => f.Name == help);
                families.Add(new Family(help!, typed.Groups["type"].Value, []));
                help = null;
                continue;
            }

            Assert.Null(help);
            var sample = SampleLine().Match(line);
            Assert.True(sample.Success, $"not a line of the format: {line}");
            Assert.NotEmpty(families);
            var (name, labels) = (sample.Groups["name"].Value, sample.Groups["labels"].Value);
            families[^1].Samples.Add((name, labels, Number(sample.Groups["value"].Value)));
        }

        families.ForEach(Judge);
        return families;
    }

    private static void Judge(Family family)
    {
        var (name, type, samples) = family;
        Assert.Equal(samples.Count, samples.Select(s => s.Name + s.Labels).Distinct(StringComparer.Ordinal).Count());
        Assert.True(name.StartsWith("masq_", StringComparison.Ordinal) || name.StartsWith("process_", StringComparison.Ordinal) || !name.Contains('_', StringComparison.Ordinal) || name.StartsWith("a_", StringComparison.Ordinal), $"{name}: whose is it?");
        Assert.DoesNotMatch("(milli|micro|nano)seconds|(kilo|mega|kibi|mebi)bytes|_ms$|_kb$|_mb$|minutes|percent", name);
        Assert.Equal(string.Equals(type, "counter", StringComparison.Ordinal), name.EndsWith("_total", StringComparison.Ordinal));
        if (!string.Equals(type, "histogram", StringComparison.Ordinal))
        {
            Assert.All(samples, s => Assert.Equal(name, s.Name));
            Assert.All(samples.Where(_ => type is "counter"), s => Assert.True(s.Value >= 0));
            return;
        }

        var buckets = samples.Where(s => s.Name == name + "_bucket").ToList();
        Assert.All(samples, s => Assert.Contains(s.Name, new[] { name + "_bucket", name + "_sum", name + "_count" }));
        var bounds = buckets.Select(b => Number(Bound().Match(b.Labels).Groups[1].Value)).ToList();
        Assert.Equal(bounds.Order(), bounds);
        Assert.Equal(double.PositiveInfinity, bounds[^1]);
        Assert.Equal(buckets.Select(b => b.Value).Order(), buckets.Select(b => b.Value));
        Assert.Equal(buckets[^1].Value, samples.Single(s => s.Name == name + "_count").Value);
        Assert.Single(samples, s => s.Name == name + "_sum");
    }

    private static double Number(string text)
    {
        if (text is "+Inf")
        {
            return double.PositiveInfinity;
        }

        Assert.True(double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value), $"{text} is not a number");
        return value;
    }

    [GeneratedRegex(@"^# HELP (?<name>[a-zA-Z_:][a-zA-Z0-9_:]*) (?<text>(?:[^\\\n]|\\\\|\\n)*)$")]
    private static partial Regex HelpLine();

    [GeneratedRegex(@"^# TYPE (?<name>[a-zA-Z_:][a-zA-Z0-9_:]*) (?<type>counter|gauge|histogram)$")]
    private static partial Regex TypeLine();

    [GeneratedRegex(@"^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?<labels>\{[a-zA-Z_][a-zA-Z0-9_]*=""(?:[^""\\\n]|\\""|\\\\|\\n)*""\})? (?<value>\S+)$")]
    private static partial Regex SampleLine();

    [GeneratedRegex(@"^\{le=""([^""]+)""\}$")]
    private static partial Regex Bound();
}
