using System.Globalization;

namespace Masquerade.Auth.Filter;

/// <summary>Rates and sizes in rules.</summary>
internal static class RateText
{
    public const string RateForm = "a rate from 8kbit to 100gbit, such as 500kbit, 5mbit, 1gbit";
    public const string SizeForm = "a size from 2kb to 256mb, such as 64kb, 1mb";

    private const long LeastRate = 1_000;
    private const long MostRate = 12_500_000_000;
    private const int LeastBurst = 2_000;
    private const int MostBurst = 256_000_000;

    /// <summary>What the kernel hands over at once where segments are put together by the network device (64 KiB): less would never let it through.</summary>
    private const int LargestPacket = 65_536;

    /// <summary>A tenth of a second's worth, and never less than the largest packet.</summary>
    public static int UsualBurst(long bytesPerSecond) => (int)Math.Clamp(bytesPerSecond / 10, LargestPacket, MostBurst);

    public static bool TryParseRate(string text, out long bytesPerSecond)
    {
        var unit = text.EndsWith("kbit", StringComparison.Ordinal) ? 125L : text.EndsWith("mbit", StringComparison.Ordinal) ? 125_000L : text.EndsWith("gbit", StringComparison.Ordinal) ? 125_000_000L : 0;
        bytesPerSecond = 0;
        if (unit == 0 || !uint.TryParse(text.AsSpan(0, text.Length - 4), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return false;
        }

        bytesPerSecond = number * unit;
        return bytesPerSecond is >= LeastRate and <= MostRate;
    }

    public static bool TryParseSize(string text, out int bytes)
    {
        var unit = text.EndsWith("kb", StringComparison.Ordinal) ? 1_000L : text.EndsWith("mb", StringComparison.Ordinal) ? 1_000_000L : 0;
        bytes = 0;
        if (unit == 0 || !uint.TryParse(text.AsSpan(0, text.Length - 2), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number * unit is < LeastBurst or > MostBurst)
        {
            return false;
        }

        bytes = (int)(number * unit);
        return true;
    }
}
