using System.Text.Json;
using Masquerade.Configuration;

namespace Masquerade.Client.Run;

/// <summary>A file with the client's settings: one JSON object, whose keys are the options of the command line.</summary>
public static class ClientFile
{
    private static readonly JsonDocumentOptions Options = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>Reads a method's name; false if it is none.</summary>
    public static bool TryMethod(string? name, out ClientMethod method)
    {
        method = name switch
        {
            "ttls-pap" => ClientMethod.TtlsPap,
            "ttls-mschapv2" => ClientMethod.TtlsMsChapV2,
            _ => ClientMethod.Tls,
        };
        return name is "tls" or "ttls-pap" or "ttls-mschapv2";
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="ClientException">It cannot be read, or has mistakes: all of them are named.</exception>
    public static ClientSettings Read(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ClientException(e.Message, e);
        }
    }

    /// <summary>Reads a text.</summary>
    /// <exception cref="ClientException">It has mistakes: all of them are named.</exception>
    public static ClientSettings Parse(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text, Options);
            var mistakes = new List<ConfigMistake>();
            var root = new ConfigObject(document.RootElement, string.Empty, mistakes);
            var defaults = new ClientSettings();
            var settings = new ClientSettings
            {
                Interface = Word("interface", defaults.Interface),
                Identity = Word("identity", defaults.Identity),
                Anonymous = Word("anonymous", defaults.Anonymous),
                Method = root.Optional("method", Method, "\"tls\", \"ttls-pap\" or \"ttls-mschapv2\"", defaults.Method),
                AuthorityFile = Word("ca", defaults.AuthorityFile),
                ServerName = Word("serverName", defaults.ServerName),
                CertificateFile = Word("certificate", defaults.CertificateFile),
                KeyFile = Word("key", defaults.KeyFile),
                PasswordFile = Word("passwordFile", defaults.PasswordFile),
                Tap = Word("tap", defaults.Tap),
                PlainIsGood = root.Optional("plainOk", Flag, "true or false", defaults.PlainIsGood),
            };
            root.Finish();
            return mistakes.Count == 0 ? settings : throw new ClientException(string.Join(Environment.NewLine, mistakes));

            string Word(string key, string otherwise) => root.Optional(key, Text, "a text that is not empty", otherwise);
        }
        catch (JsonException e)
        {
            throw new ClientException($"the configuration is no JSON: {e.Message}", e);
        }
    }

    private static bool Text(JsonElement element, out string value)
    {
        value = element.ValueKind == JsonValueKind.String ? element.GetString()! : string.Empty;
        return value.Length > 0;
    }

    private static bool Flag(JsonElement element, out bool value)
    {
        value = element.ValueKind == JsonValueKind.True;
        return element.ValueKind is JsonValueKind.True or JsonValueKind.False;
    }

    private static bool Method(JsonElement element, out ClientMethod value)
    {
        value = default;
        return element.ValueKind == JsonValueKind.String && TryMethod(element.GetString(), out value);
    }
}
