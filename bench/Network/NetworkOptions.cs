using System.Globalization;

namespace Masquerade.Bench.Network;

/// <summary>What the benchmark of the network is to do.</summary>
internal sealed record NetworkOptions(CancellationToken Cancel)
{
    public const string Help = """
        ./masq bench network [options]: packets through the agent and through the kernel's own translation, in namespaces (needs root)
          --lane NAME   only this one: passing (row 7a), datagrams (7b), bulk (7c), latency (7d), handoff (10); may be given more than once
          --quick       for function, not for figures
          --markdown    a table for bench/RESULTS.md instead of lines
          --json        one line for each row of the goals: row, name, ratio, goal, met
          --swap        the access point on the other core
        """;

    public static readonly string[] Lanes = ["passing", "datagrams", "bulk", "latency", "handoff"];

    public IReadOnlyList<string> Chosen { get; init; } = Lanes;

    public bool IsQuick { get; init; }

    public bool IsMarkdown { get; init; }

    public bool IsJson { get; init; }

    public bool IsSwapped { get; init; }

    public int Pairs => IsQuick ? 2 : 15;

    public TimeSpan Window => TimeSpan.FromSeconds(IsQuick ? 0.5 : 2);

    public int Handoffs => IsQuick ? 20 : 300;

    /// <summary>Datagrams a second each way while a client walks.</summary>
    public int HandoffRate => IsQuick ? 2_000 : 10_000;

    public static NetworkOptions? Read(string[] arguments, CancellationToken cancel, out string mistake)
    {
        var options = new NetworkOptions(cancel);
        List<string> lanes = [];
        mistake = string.Empty;
        for (var i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--quick":
                    options = options with { IsQuick = true };
                    break;
                case "--markdown":
                    options = options with { IsMarkdown = true };
                    break;
                case "--json":
                    options = options with { IsJson = true };
                    break;
                case "--swap":
                    options = options with { IsSwapped = true };
                    break;
                case "--lane" when i + 1 < arguments.Length && Lanes.Contains(arguments[i + 1], StringComparer.Ordinal):
                    lanes.Add(arguments[++i]);
                    break;
                case "--lane":
                    mistake = string.Create(CultureInfo.InvariantCulture, $"--lane: allowed are {string.Join(", ", Lanes)}");
                    return null;
                default:
                    mistake = $"'{arguments[i]}' is not understood";
                    return null;
            }
        }

        return lanes.Count > 0 ? options with { Chosen = lanes } : options;
    }
}
