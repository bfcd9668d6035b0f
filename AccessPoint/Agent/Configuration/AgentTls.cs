using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Text.Json;
using Masquerade.Configuration;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Configuration;

/// <summary>How the agent speaks to coordinators over TLS: the object <c>tls</c>.</summary>
public sealed record AgentTls
{
    /// <summary>The files.</summary>
    public required TlsFiles Files { get; init; }

    /// <summary>The names that a coordinator may be certified under; if empty its certificate must be for the address that was dialled.</summary>
    public required IReadOnlyList<string> Coordinators { get; init; }

    /// <summary>How often the files are looked at, and the certificate of the coordinator that is connected.</summary>
    [Range(50, 3_600_000)]
    public TimeSpan ReloadInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How many days before its end a certificate is warned about.</summary>
    [Range(1, 3_650)]
    public int WarnDays { get; init; } = 30;

    /// <summary>Reads <c>tls</c> and <c>insecure</c>: whoever speaks to a coordinator elsewhere is secured, or says in so many words that it is not.</summary>
    internal static (AgentTls? Tls, bool Insecure) Read(ConfigObject root, IEnumerable<CoordinatorAddress> coordinators)
    {
        var insecure = root.Optional("insecure", Values.Flag, "true or false", false);
        var present = root.Has("tls");
        var section = root.Object("tls");
        if (!present)
        {
            if (!insecure && coordinators.FirstOrDefault(c => !IsLoopback(c.Host)) is { } outside)
            {
                root.Mistake("tls", $"missing, and {outside} is not on this machine", TlsFiles.Allowed);
            }

            return (null, insecure);
        }

        if (insecure)
        {
            root.Mistake("insecure", "true", "false, or nothing, where tls is set up");
        }

        var names = section.List<NodeId>("coordinators", Values.Node, Values.NodeText, 0, 16);
        var tls = new AgentTls { Files = TlsFiles.Read(section), Coordinators = [.. names.Select(n => n.Name!)] };
        OptionGroup.Read(section, tls);
        return (tls, false);
    }

    /// <summary>Writes the object as it is read.</summary>
    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("tls");
        Files.Write(writer);
        writer.WriteStartArray("coordinators");
        foreach (var name in Coordinators)
        {
            writer.WriteStringValue(name);
        }

        writer.WriteEndArray();
        writer.WriteNumber("reloadIntervalMilliseconds", ReloadInterval.TotalMilliseconds);
        writer.WriteNumber("warnDays", WarnDays);
        writer.WriteEndObject();
    }

    private static bool IsLoopback(string host) =>
        IPAddress.TryParse(host, out var address) ? IPAddress.IsLoopback(address) : string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase);
}
