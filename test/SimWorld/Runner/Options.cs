using System.Globalization;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Runner;

/// <summary>What <c>./masq sim</c> is asked for.</summary>
internal sealed record Options
{
    public const string Usage = """
        usage: ./masq sim [--seeds N] [--start S] [--kind KIND] [--jobs J] [--json]
               ./masq sim --seed S [--kind KIND] [--json]
        Runs whole sites in virtual time, each made by its seed, and checks that what must hold does.
          --seeds N     how many worlds (default 100)
          --start S     the first seed (default: at random; it is printed)
          --seed S      one world, once more; what happened is written to artifacts/sim
          --kind KIND   walk, deaths, many, failover, takeover, storm, balance, odd, links or dense; without it the seed decides
          --jobs J      worlds at once (default: one per core)
          --json        one JSON object instead of lines
        Ends with 1 if a world failed, and lists the seeds that did.
        """;

    public ulong Seeds { get; init; } = 100;

    public ulong? Start { get; init; }

    public bool IsReplay { get; init; }

    public WorldKind? Kind { get; init; }

    public int Jobs { get; init; } = Environment.ProcessorCount;

    public bool Json { get; init; }

    public bool Help { get; init; }

    /// <summary>The name of a kind on the command line.</summary>
    public static string NameOf(WorldKind kind) => kind switch
    {
        WorldKind.Walk => "walk",
        WorldKind.Deaths => "deaths",
        WorldKind.Many => "many",
        WorldKind.FailOver => "failover",
        WorldKind.Takeover => "takeover",
        WorldKind.Storm => "storm",
        WorldKind.Balance => "balance",
        WorldKind.Odd => "odd",
        WorldKind.Links => "links",
        _ => "dense",
    };

    /// <summary>The kind of world that a seed makes if nothing else is said.</summary>
    public static WorldKind KindOf(ulong seed) => (WorldKind)(seed % (ulong)Enum.GetValues<WorldKind>().Length);

    /// <summary>Reads a command line; null with the reason if it makes no sense.</summary>
    public static Options? Parse(IReadOnlyList<string> args, out string error)
    {
        var options = new Options();
        error = string.Empty;
        for (var i = 0; i < args.Count && error.Length == 0; i++)
        {
            var value = i + 1 < args.Count ? args[i + 1] : string.Empty;
            var takesValue = true;
            switch (args[i])
            {
                case "--seeds" when ulong.TryParse(value, CultureInfo.InvariantCulture, out var count) && count > 0:
                    options = options with { Seeds = count };
                    break;
                case "--start" when ulong.TryParse(value, CultureInfo.InvariantCulture, out var start):
                    options = options with { Start = start };
                    break;
                case "--seed" when ulong.TryParse(value, CultureInfo.InvariantCulture, out var seed):
                    options = options with { Start = seed, Seeds = 1, IsReplay = true };
                    break;
                case "--jobs" when int.TryParse(value, CultureInfo.InvariantCulture, out var jobs) && jobs > 0:
                    options = options with { Jobs = jobs };
                    break;
                case "--kind" when Enum.GetValues<WorldKind>().Where(k => string.Equals(NameOf(k), value, StringComparison.Ordinal)).ToArray() is [var kind]:
                    options = options with { Kind = kind };
                    break;
                case "--json":
                    options = options with { Json = true };
                    takesValue = false;
                    break;
                case "--help" or "-h" or "-?":
                    options = options with { Help = true };
                    takesValue = false;
                    break;
                default:
                    error = $"{args[i]} {value}".TrimEnd();
                    break;
            }

            i += takesValue ? 1 : 0;
        }

        return error.Length == 0 ? options : null;
    }
}
