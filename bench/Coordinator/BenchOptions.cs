using System.Globalization;

namespace Masquerade.Bench.Coordinator;

/// <summary>What the command line asks for.</summary>
internal sealed record BenchOptions
{
    public const string Help = """
        ./masq bench coordinator [options]: a real masq-coordinator, alone and over a real redis-server, under a load that plays access points on the wire
          --quick          for function, not for figures: two short pairs of everything
          --json           one JSON object instead of lines
          --markdown       a table for bench/RESULTS.md instead of lines
          --store NAME     memory, redis or both (both)
          --pairs N        pairs of measurement and floor (7)
          --connections N  connections of which the memory is measured (200000)
          --swap           load on core 0, servers on core 1
        """;

    public bool IsQuick { get; init; }

    public bool Json { get; init; }

    public bool Markdown { get; init; }

    public bool Memory { get; init; } = true;

    public bool Redis { get; init; } = true;

    public bool Swap { get; init; }

    public int Pairs { get; init; } = 7;

    public int Connections { get; init; } = 200_000;

    /// <summary>Access points that the load plays.</summary>
    public int Nodes { get; init; } = 16;

    /// <summary>Requests under way at once where the coordinator is to be saturated: 16 for each access point.</summary>
    public int InFlight => Nodes * 16;

    /// <summary>How long one measurement should take, in seconds.</summary>
    public double Seconds => IsQuick ? 0.1 : 0.5;

    /// <summary>Samples of one latency.</summary>
    public int Samples => IsQuick ? 50 : 500;

    /// <summary>Commands of one run of redis-benchmark.</summary>
    public int FloorCommands => IsQuick ? 5_000 : 40_000;

    /// <summary>Null, and a mistake, if the arguments make no sense.</summary>
    public static BenchOptions? Read(string[] arguments, out string mistake)
    {
        mistake = string.Empty;
        var options = new BenchOptions();
        for (var i = 0; i < arguments.Length; i++)
        {
            string? Value() => i + 1 < arguments.Length ? arguments[++i] : null;
            var argument = arguments[i];
            var read = argument switch
            {
                "--quick" => options with { IsQuick = true, Pairs = 2, Connections = 5_000 },
                "--json" => options with { Json = true },
                "--markdown" => options with { Markdown = true },
                "--swap" => options with { Swap = true },
                "--pairs" => Number(Value(), 1, 1_000) is { } pairs ? options with { Pairs = pairs } : null,
                "--connections" => Number(Value(), 1_000, 10_000_000) is { } connections ? options with { Connections = connections } : null,
                "--store" => Value() switch
                {
                    "both" => options with { Memory = true, Redis = true },
                    "memory" => options with { Memory = true, Redis = false },
                    "redis" => options with { Memory = false, Redis = true },
                    _ => null,
                },
                _ => null,
            };
            if (read is null)
            {
                mistake = $"{argument}: not understood";
                return null;
            }

            options = read;
        }

        return options;
    }

    private static int? Number(string? text, int minimum, int maximum) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= minimum && value <= maximum ? value : null;
}
