using System.Text.Json;
using Masquerade.Auth.FastTransition;
using Masquerade.Configuration;

namespace Masquerade.AccessPoint.Agent.Configuration;

/// <summary>Where hostapd asks for keys of clients that come by a fast transition, and under which key (decision 43).</summary>
public sealed class RadioKeysConfig
{
    private const string InterfaceText = "an interface name of 1 to 15 characters: the link to hostapd, not the interface that hostapd itself is on";
    private const string KeyText = "a file that can be read, with 64 hexadecimal digits in its first line, the same as behind r0kh in hostapd's configuration";

    /// <summary>The interface on the link to hostapd.</summary>
    public required string Interface { get; init; }

    /// <summary>The file that the key is in.</summary>
    public required string KeyFile { get; init; }

    /// <summary>The key that is shared with hostapd.</summary>
    internal ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>Reads <c>keys</c>; null: there is none.</summary>
    internal static RadioKeysConfig? Read(ConfigObject radio)
    {
        var keys = radio.Object("keys");
        if (!radio.Has("keys"))
        {
            return null;
        }

        var path = keys.Required("keyFile", Values.Text, KeyText, string.Empty);
        var config = new RadioKeysConfig
        {
            Interface = keys.Required("interface", (JsonElement element, out string value) => Values.Text(element, out value) && value.Length <= 15, InterfaceText, string.Empty),
            KeyFile = path,
            Key = ReadKey(path),
        };
        if (path.Length > 0 && config.Key.Length == 0)
        {
            keys.Mistake("keyFile", path, KeyText);
        }

        keys.Finish();
        return config;
    }

    /// <summary>Writes it in the form in which it is read.</summary>
    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("keys");
        writer.WriteString("interface", Interface);
        writer.WriteString("keyFile", KeyFile);
        writer.WriteEndObject();
    }

    private static byte[] ReadKey(string path)
    {
        try
        {
            var line = path.Length == 0 ? string.Empty : File.ReadLines(path).FirstOrDefault(string.Empty).Trim();
            if (line.Length == 2 * RrbKeyHolderConfig.KeyLength && line.All(char.IsAsciiHexDigit) && line.Any(c => c != '0'))
            {
                return Convert.FromHexString(line);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            // Said by the caller.
        }

        return [];
    }
}
