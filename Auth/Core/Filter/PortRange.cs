using System.Globalization;

namespace Masquerade.Auth.Filter;

/// <summary>Ports from one to another, both counted.</summary>
/// <param name="First">The first port.</param>
/// <param name="Last">The last port, not below the first.</param>
public readonly record struct PortRange(ushort First, ushort Last)
{
    /// <summary>Whether a port is in the range.</summary>
    public bool Contains(ushort port) => port >= First && port <= Last;

    /// <summary>Parses <c>443</c> or <c>8000-8100</c>.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PortRange range)
    {
        range = default;
        var dash = text.IndexOf('-');
        if (!ushort.TryParse(dash < 0 ? text : text[..dash], NumberStyles.None, CultureInfo.InvariantCulture, out var first))
        {
            return false;
        }

        var last = first;
        if (dash >= 0 && !ushort.TryParse(text[(dash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out last))
        {
            return false;
        }

        range = new PortRange(first, last);
        return last >= first;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        First == Last ? First.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");
}
