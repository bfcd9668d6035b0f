using System.Net;
using System.Security.Cryptography;
using System.Text.Json;

namespace Masquerade.Lab.Scenario;

/// <summary>Who may use the site, as an operator writes it down.</summary>
/// <param name="Radius">The RADIUS server, where the coordinators reach it.</param>
/// <param name="Accounting">Where it is told what users use.</param>
/// <param name="Secret">What the coordinators share with it.</param>
internal sealed record LabUsers(IPEndPoint Radius, IPEndPoint Accounting, string Secret)
{
    /// <summary>A policy document; null: whoever is known may do everything.</summary>
    public string? Policies { get; init; }

    /// <summary>Whether who is not known is let in with the role <c>guest</c>.</summary>
    public bool Guests { get; init; }

    /// <summary>Keys of the coordinators' <c>users</c> object besides, with their values as they stand in JSON.</summary>
    public IReadOnlyDictionary<string, string> Coordinator { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Keys of the agents' <c>users</c> object besides, with their values as they stand in JSON.</summary>
    public IReadOnlyDictionary<string, string> Agent { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    public void WriteCoordinator(Utf8JsonWriter json, string directory)
    {
        var files = Directory.CreateDirectory(Path.Combine(directory, "users")).FullName;
        var siteKeys = Path.Combine(files, "site.keys");
        if (!File.Exists(siteKeys))
        {
            // The same for all coordinators.
            File.WriteAllText(siteKeys, $"1 {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32))}\n");
        }

        json.WriteStartObject("users");
        json.WriteStartArray("radius");
        json.WriteStartObject();
        json.WriteString("server", Radius.ToString());
        json.WriteString("accounting", Accounting.ToString());
        json.WriteString("secretFile", Write(files, "radius.secret", Secret + "\n"));
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteString("network", "lab");
        json.WriteString("siteKeyFile", siteKeys);
        json.WriteString("deniedFile", Path.Combine(files, "denied"));
        json.WriteBoolean("guests", Guests);
        if (Policies is not null)
        {
            json.WriteString("policies", Write(files, "policies.json", Policies));
        }

        Write(json, Coordinator);
        json.WriteEndObject();
    }

    public void WriteAgent(Utf8JsonWriter json)
    {
        json.WriteStartObject("users");
        json.WriteBoolean("enabled", true);
        Write(json, Agent);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, IReadOnlyDictionary<string, string> keys)
    {
        foreach (var (key, value) in keys)
        {
            json.WritePropertyName(key);
            json.WriteRawValue(value);
        }
    }

    private static string Write(string directory, string name, string text)
    {
        var path = Path.Combine(directory, name);
        File.WriteAllText(path, text);
        return path;
    }
}
