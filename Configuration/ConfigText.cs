using System.Text.Json;

namespace Masquerade.Configuration;

/// <summary>From the text of a configuration to settings.</summary>
public static class ConfigText
{
    private static readonly JsonDocumentOptions Lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 16 };

    /// <summary>Reads a text, from its root object down.</summary>
    /// <param name="text">JSON in UTF-8; comments and trailing commas may stay.</param>
    /// <param name="read">Takes the settings from the root object.</param>
    /// <param name="mistakes">Every mistake, not only the first.</param>
    /// <returns>The settings, or null if there are mistakes.</returns>
    public static T? Read<T>(ReadOnlyMemory<byte> text, Func<ConfigObject, T> read, out IReadOnlyList<ConfigMistake> mistakes)
        where T : class
    {
        var found = new List<ConfigMistake>();
        mistakes = found;
        try
        {
            using var document = JsonDocument.Parse(text, Lenient);
            var settings = read(new ConfigObject(document.RootElement, string.Empty, found));
            return found.Count == 0 ? settings : null;
        }
        catch (JsonException e)
        {
            found.Add(new ConfigMistake(string.Empty, $"line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}: {e.Message}", "JSON (comments and trailing commas may stay)"));
            return null;
        }
    }
}
