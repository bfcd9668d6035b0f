using System.Globalization;
using System.Text.Json;

namespace Masquerade.Bench;

/// <summary>What one lane has measured against its floor.</summary>
/// <param name="Store">Which store.</param>
/// <param name="Lane">What was done.</param>
/// <param name="Unit">Of <paramref name="Values"/> and <paramref name="Floors"/>.</param>
/// <param name="Values">One per pair.</param>
/// <param name="FloorName">What it is compared with; empty if with nothing.</param>
/// <param name="Floors">One per pair, the mean of what was measured right before and right after.</param>
internal sealed record Result(string Store, string Lane, string Unit, double[] Values, string FloorName, double[] Floors)
{
    /// <summary>The row of the goals that it belongs to, and the goal; empty if there is none.</summary>
    public string Goal { get; init; } = string.Empty;

    /// <summary>The row's number; empty if there is none.</summary>
    public string Row { get; init; } = string.Empty;

    /// <summary>Whether the goal is met; null if there is none.</summary>
    public bool? IsMet { get; init; }

    /// <summary>Requests and pushes that had to be sent again.</summary>
    public long Repeated { get; init; }

    /// <summary>Answers and pushes that were looked at and were right.</summary>
    public long Checks { get; init; }

    /// <summary>How busy load, coordinator and Redis were, in percent of a core; empty where it was not taken.</summary>
    public string Cpu { get; init; } = string.Empty;

    /// <summary>What else there is to say.</summary>
    public string Note { get; init; } = string.Empty;

    public double Value => Statistics.Median(Values);

    public double Floor => Statistics.Median(Floors);

    public double[] Ratios => [.. Values.Zip(Floors, (v, f) => v / f)];

    public double Ratio => Statistics.Median(Ratios);

    /// <summary>The line for people; what is the same for the whole run comes first, so that a line can be taken out and still says what it is.</summary>
    public string Line(string run) => string.Create(
        CultureInfo.InvariantCulture,
        $"{run} | {Store}: {Lane}: {Number(Value)} {Unit}; {FloorText}; {Values.Length} pairs, median ratio {RatioText}{GoalText("; ")}; repeated {Repeated:#,0}; {Checks:#,0} checks passed{After("; ", Cpu)}{After("; ", Note)}");

    public string MarkdownRow() => string.Create(
        CultureInfo.InvariantCulture,
        $"| {Store} | {Lane} | {Number(Value)} {Unit} | {FloorText} | {RatioText} | {Values.Length} | {(Goal.Length == 0 ? "none" : Goal)}{(IsMet is { } met ? met ? ": **met**" : ": not met" : string.Empty)} | {Repeated:#,0} | {Checks:#,0} | {string.Join("; ", new[] { Cpu, Note }.Where(t => t.Length > 0))} |");

    /// <summary>The line for programs that look at the goals.</summary>
    public string RowJson() => JsonSerializer.Serialize(new { row = Row, name = Lane + (FloorName.Length == 0 ? string.Empty : ", " + FloorName), ratio = Rounded(Ratio), goal = Goal, met = IsMet });

    public const string MarkdownHead = """
        | store | lane | measured | floor | ratio [q1..q3] | pairs | goal | repeated | checks passed | remarks |
        | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | --- |
        """;

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("store", Store);
        json.WriteString("lane", Lane);
        json.WriteString("unit", Unit);
        json.WriteNumber("value", Rounded(Value));
        if (FloorName.Length > 0)
        {
            json.WriteString("floorName", FloorName);
            json.WriteNumber("floor", Rounded(Floor));
        }

        json.WriteNumber("pairs", Values.Length);
        if (FloorName.Length > 0)
        {
            json.WriteNumber("ratio", Rounded(Ratio));
            json.WriteNumber("ratioQ1", Rounded(Statistics.Quantile(Ratios, 0.25)));
            json.WriteNumber("ratioQ3", Rounded(Statistics.Quantile(Ratios, 0.75)));
        }

        json.WriteString("goal", Goal);
        if (IsMet is { } met)
        {
            json.WriteBoolean("met", met);
        }

        json.WriteNumber("repeated", Repeated);
        json.WriteNumber("checks", Checks);
        json.WriteString("cpu", Cpu);
        json.WriteString("note", Note);
        json.WriteEndObject();
    }

    /// <summary>Three digits, or all before the point.</summary>
    public static string Number(double value) => value.ToString(Math.Abs(value) >= 100 ? "#,0" : Math.Abs(value) >= 10 ? "0.0" : "0.00", CultureInfo.InvariantCulture);

    private static double Rounded(double value) => double.IsFinite(value) ? Math.Round(value, 4) : 0;

    private string FloorText => FloorName.Length == 0 ? "no floor" : $"{FloorName} {Number(Floor)} {Unit}";

    private string RatioText => FloorName.Length == 0 ? "none" : $"{Number(Ratio)} [{Number(Statistics.Quantile(Ratios, 0.25))}..{Number(Statistics.Quantile(Ratios, 0.75))}]";

    private string GoalText(string before) => Goal.Length == 0 ? string.Empty : $"{before}goal {Goal}: {(IsMet switch { true => "met", false => "not met", _ => "not judged" })}";

    private static string After(string before, string text) => text.Length == 0 ? string.Empty : before + text;
}
