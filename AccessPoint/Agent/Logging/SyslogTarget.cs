using System.Globalization;
using System.Text.Json;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.Configuration;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>How syslog messages travel.</summary>
public enum SyslogTransport
{
    /// <summary>To the daemon of this machine, by its Unix datagram socket.</summary>
    Unix,

    /// <summary>UDP (RFC 5426). What is lost is lost.</summary>
    Udp,

    /// <summary>TCP with octet counting (RFC 6587 section 3.4.1). What was under way when the connection broke may be lost.</summary>
    Tcp,
}

/// <summary>Where syslog messages go.</summary>
/// <param name="Transport">How.</param>
/// <param name="Place">A host, or the path of a socket.</param>
/// <param name="Port">The port; 0 for a socket.</param>
public sealed record SyslogTarget(SyslogTransport Transport, string Place, ushort Port)
{
    internal const string Allowed = "\"unix:/dev/log\", \"udp:host:port\" or \"tcp:host:port\"";

    /// <inheritdoc/>
    public override string ToString() => Transport == SyslogTransport.Unix
        ? $"unix:{Place}"
        : string.Create(CultureInfo.InvariantCulture, $"{(Transport == SyslogTransport.Udp ? "udp" : "tcp")}:{new CoordinatorAddress(Place, Port)}");

    internal static bool TryRead(JsonElement element, out SyslogTarget? value)
    {
        value = null;
        if (!Values.Text(element, out var text) || text.IndexOf(':', StringComparison.Ordinal) is not (> 0 and var colon))
        {
            return false;
        }

        var (kind, rest) = (text[..colon], text[(colon + 1)..]);
        if (string.Equals(kind, "unix", StringComparison.Ordinal) && rest.StartsWith('/') && rest.Length <= 107)
        {
            value = new SyslogTarget(SyslogTransport.Unix, rest, 0);
        }
        else if (kind is "udp" or "tcp" && CoordinatorAddress.TryParse(rest, out var address))
        {
            value = new SyslogTarget(kind is "udp" ? SyslogTransport.Udp : SyslogTransport.Tcp, address!.Host, address.Port);
        }

        return value is not null;
    }
}
