using System.Globalization;

namespace Masquerade.Bench.Users;

/// <summary>What the command line asks for.</summary>
internal sealed record UsersOptions
{
    public const string Help = """
        ./masq bench users [options]: authentications through the coordinator against FreeRADIUS's own limit, and a roam with a session against a full PEAP authentication; needs root
          --quick        for function, not for figures
          --json         one JSON object instead of lines
          --markdown     a table for bench/RESULTS.md instead of lines
          --lane NAME    eap, reattach or both (both)
          --pairs N      pairs of measurement and floor (7), 1 to 100
          --roams N      walks to the next access point (30), 1 to 1000
        """;

    public bool IsQuick { get; init; }

    public bool Json { get; init; }

    public bool Markdown { get; init; }

    public bool Eap { get; init; } = true;

    public bool Reattach { get; init; } = true;

    public int Pairs { get; init; } = 7;

    public int Roams { get; init; } = 30;

    /// <summary>Authentications at a time.</summary>
    public int InFlight { get; init; } = 32;

    /// <summary>How long one measurement takes.</summary>
    public double Seconds => IsQuick ? 0.5 : 3;

    /// <summary>Null, and a mistake, if the arguments make no sense.</summary>
    public static UsersOptions? Read(string[] arguments, out string mistake)
    {
        mistake = string.Empty;
        var options = new UsersOptions();
        for (var i = 0; i < arguments.Length; i++)
        {
            var value = i + 1 < arguments.Length ? arguments[i + 1] : null;
            var read = arguments[i] switch
            {
                "--quick" => options with { IsQuick = true, Pairs = 2, Roams = 4 },
                "--json" => options with { Json = true },
                "--markdown" => options with { Markdown = true },
                "--lane" when value is "eap" or "reattach" or "both" => options with { Eap = value is not "reattach", Reattach = value is not "eap" },
                "--pairs" when Number(value, 100) is { } pairs => options with { Pairs = pairs },
                "--roams" when Number(value, 1_000) is { } roams => options with { Roams = roams },
                _ => null,
            };
            if (read is null)
            {
                mistake = $"'{arguments[i]}{(value is null ? string.Empty : " " + value)}' is not understood";
                return null;
            }

            i += arguments[i] is "--lane" or "--pairs" or "--roams" ? 1 : 0;
            options = read;
        }

        return options;
    }

    private static int? Number(string? text, int most) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most ? number : null;
}
