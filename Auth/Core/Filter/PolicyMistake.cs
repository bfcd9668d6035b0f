using System.Globalization;

namespace Masquerade.Auth.Filter;

/// <summary>One mistake in a policy document or a rule.</summary>
/// <param name="Where">The policy, set or key, such as <c>policies.staff</c>; empty if it concerns the document as a whole.</param>
/// <param name="Rule">The number of the rule in its policy, from 1; 0 if it is not in a rule.</param>
/// <param name="Column">The column in the rule, from 1; 0 if it is not in a rule.</param>
/// <param name="Found">What is there; empty if something is missing.</param>
/// <param name="Allowed">What may be there.</param>
public sealed record PolicyMistake(string Where, int Rule, int Column, string Found, string Allowed)
{
    private const int LongEnough = 80;

    /// <inheritdoc/>
    public override string ToString()
    {
        var place = Where.Length == 0 ? "document" : Where;
        if (Rule > 0)
        {
            place += string.Create(CultureInfo.InvariantCulture, $" rule {Rule}");
        }

        if (Column > 0)
        {
            place += string.Create(CultureInfo.InvariantCulture, $", column {Column}");
        }

        return $"{place}: {(Found.Length == 0 ? "missing" : Shown(Found))} - allowed: {Allowed}";
    }

    /// <summary>Documents come from outside: control characters would write into the log.</summary>
    private static string Shown(string text)
    {
        var cut = text.Length <= LongEnough ? text : text[..LongEnough] + "...";
        return string.Create(cut.Length, cut, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) ? '?' : source[i];
            }
        });
    }
}
