using System.Globalization;
using System.Text;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>
/// A line of the log as a syslog message. To other machines it is one of RFC 5424 with the line as its text. The daemon of this machine is spoken to as everybody does by <c>syslog(3)</c>, for
/// daemons expect nothing else on that socket (RFC 3164 section 4.1, without the host).
/// </summary>
internal static class SyslogMessage
{
    private const int Informational = 6;
    private const string Program = "masq-agent";
    private const string MessageId = "mapping";

    /// <summary>The message.</summary>
    /// <param name="transport">How it travels.</param>
    /// <param name="facility">0 to 23.</param>
    /// <param name="host">This machine's name.</param>
    /// <param name="process">This process's number.</param>
    /// <param name="at">When it is sent.</param>
    /// <param name="line">The line; its end of line is left out.</param>
    public static byte[] Of(SyslogTransport transport, int facility, string host, int process, DateTimeOffset at, ReadOnlySpan<byte> line)
    {
        var priority = (facility * 8) + Informational;
        var header = transport == SyslogTransport.Unix
            ? string.Create(CultureInfo.InvariantCulture, $"<{priority}>{at.LocalDateTime:MMM} {at.LocalDateTime.Day,2} {at.LocalDateTime:HH:mm:ss} {Program}[{process}]: ")
            : string.Create(CultureInfo.InvariantCulture, $"<{priority}>1 {at.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ} {NameOf(host)} {Program} {process} {MessageId} - ");
        line = line.TrimEnd((byte)'\n');
        var length = header.Length + line.Length;
        var count = transport == SyslogTransport.Tcp ? string.Create(CultureInfo.InvariantCulture, $"{length} ") : string.Empty;
        var message = new byte[count.Length + length];
        Encoding.ASCII.GetBytes(count, message);
        Encoding.ASCII.GetBytes(header, message.AsSpan(count.Length));
        line.CopyTo(message.AsSpan(count.Length + header.Length));
        return message;
    }

    /// <summary>HOSTNAME (RFC 5424 section 6.2.4): printable ASCII without spaces, at most 255 characters.</summary>
    private static string NameOf(string host)
    {
        var name = string.Concat(host.Where(c => c is > ' ' and < '\x7F').Take(255));
        return name.Length == 0 ? "-" : name;
    }
}
