using System.Text;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>Reads what the log has written.</summary>
internal static class LogReader
{
    /// <summary>Nothing that is written here has longer lines.</summary>
    private const int LongestLine = 16_384;

    /// <summary>The lines of a file that are about mappings, in order; none if there is no such file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="lastBytes">Only so much of its end.</param>
    public static IEnumerable<(string Record, LoggedMapping Mapping)> Mappings(string path, long lastBytes = long.MaxValue)
    {
        foreach (var line in Lines(path, lastBytes))
        {
            if (LogLine.TryRead(line, out var record, out var mapping))
            {
                yield return (record, mapping);
            }
        }
    }

    /// <summary>The lines of a file, in order; none if there is no such file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="lastBytes">Only so much of its end.</param>
    public static IEnumerable<byte[]> Lines(string path, long lastBytes = long.MaxValue)
    {
        if (!File.Exists(path))
        {
            yield break;
        }

        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Position = Math.Max(0, file.Length - lastBytes);
        using var reader = new StreamReader(file, Encoding.UTF8);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length is > 0 and <= LongestLine)
            {
                yield return Encoding.UTF8.GetBytes(line);
            }
        }
    }
}
