using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Masquerade.Configuration;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>Which lines a mapping has in the log.</summary>
public enum MappingLogRecord
{
    /// <summary>One, when it has ended.</summary>
    Whole,

    /// <summary>One when it begins and one, with everything, when it has ended: for collectors elsewhere that must know of what is alive.</summary>
    BeginAndEnd,
}

/// <summary>The log of mappings (N-12). Without a file and a syslog receiver there is none.</summary>
public sealed record MappingLogConfig
{
    /// <summary>The file; empty if none. Its journal of mappings that live is beside it.</summary>
    public string File { get; init; } = string.Empty;

    /// <summary>Where syslog messages go; null: nowhere.</summary>
    public SyslogTarget? Syslog { get; init; }

    /// <summary>Which lines a mapping has: `whole` or `beginAndEnd`.</summary>
    public MappingLogRecord Record { get; init; }

    /// <summary>The size of the file at which it is moved aside, in octets.</summary>
    [Range(65_536, 1 << 30)]
    public int MaxBytes { get; init; } = 16 << 20;

    /// <summary>How many earlier files are kept.</summary>
    [Range(0, 1_000)]
    public int Keep { get; init; } = 8;

    /// <summary>Whether each connection has a line with its destination, at the access point where it was opened (RFC 6888 REQ-12 advises against it).</summary>
    public bool Destinations { get; init; }

    /// <summary>How long after a restart mappings may be given back before their records are closed.</summary>
    [Range(0, 86_400_000)]
    public TimeSpan RecoveryTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>The facility of syslog messages: 0 to 23 (RFC 5424 table 1); 16 is local0. Their severity is informational.</summary>
    [Range(0, 23)]
    public int SyslogFacility { get; init; } = 16;

    /// <summary>Whether there is a log.</summary>
    public bool IsOn => File.Length > 0 || Syslog is not null;

    internal static MappingLogConfig Read(ConfigObject source)
    {
        var config = new MappingLogConfig
        {
            File = source.Optional("file", Values.Text, Values.TextText, string.Empty),
            Syslog = source.Optional<SyslogTarget?>("syslog", SyslogTarget.TryRead, SyslogTarget.Allowed, null),
        };
        OptionGroup.Read(source, config);
        return config;
    }

    internal void Write(Utf8JsonWriter writer)
    {
        if (!IsOn)
        {
            return;
        }

        writer.WriteStartObject("mappingLog");
        if (File.Length > 0)
        {
            writer.WriteString("file", File);
        }

        if (Syslog is not null)
        {
            writer.WriteString("syslog", Syslog.ToString());
        }

        OptionGroup.WriteMembers(writer, this);
        writer.WriteEndObject();
    }
}
