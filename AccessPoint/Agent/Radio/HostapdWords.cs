using System.Text;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Radio;

/// <summary>What has happened to a station.</summary>
internal enum HostapdWord
{
    /// <summary>Its port is open: frames pass. hostapd also says so of a station that it remembers, before the new link has proved a key.</summary>
    Connected,

    /// <summary>It is gone.</summary>
    Disconnected,

    /// <summary>It has completed a 4-way handshake: the first one of a link, or one that renews keys.</summary>
    Proved,
}

/// <summary>A station, as hostapd describes it.</summary>
/// <param name="Mac">Its address.</param>
/// <param name="IsOpen">Whether frames pass.</param>
/// <param name="User">Whose key the link has proved (the name by which the RADIUS server has let him in); null: no key has been proved, or it is not known whose.</param>
internal readonly record struct HostapdStation(MacAddress Mac, bool IsOpen, string? User);

/// <summary>
/// The words of hostapd's control interface. A user's name is a word of the server, and before it has spoken one of the client; either may have line feeds, and hostapd writes it as it is. So what counts
/// stands before it, it counts if hostapd's own next line follows, and nothing may come twice.
/// </summary>
internal static class HostapdWords
{
    /// <summary>The longest name of a user, octets (RFC 2865 section 5.1).</summary>
    public const int MaxUser = 253;

    private const int MacLength = 17;

    /// <summary>AUTHENTICATED of the port's machine (IEEE 802.1X-2004 8.2.4). While somebody authenticates anew the port stays open, and the name is what he says of himself.</summary>
    private static ReadOnlySpan<byte> Settled => "5"u8;

    /// <summary>PTKINITDONE of the authenticator's machine (IEEE 802.11-2020 12.7.9): the pairwise key is proved and installed, by the 4-way handshake or by the fast transition.</summary>
    private static ReadOnlySpan<byte> Proved => "11"u8;

    /// <summary>Whether this is an event: it was not asked for.</summary>
    public static bool IsEvent(ReadOnlySpan<byte> said) => said.Length > 0 && said[0] == (byte)'<';

    /// <summary>An event about a station: <c>&lt;3&gt;AP-STA-CONNECTED 02:00:00:00:00:01</c>, perhaps with more words behind; the number is a log level.</summary>
    public static bool TryParseEvent(ReadOnlySpan<byte> said, out HostapdWord word, out MacAddress station)
    {
        (word, station) = (default, default);
        var end = said.IndexOf((byte)'>');
        if (!IsEvent(said) || end is < 2 or > 4 || said[1..end].ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return false;
        }

        said = said[(end + 1)..].TrimEnd("\n"u8);
        var space = said.IndexOf((byte)' ');
        if (space < 0)
        {
            return false;
        }

        var name = said[..space];
        if (name.SequenceEqual("AP-STA-CONNECTED"u8))
        {
            word = HostapdWord.Connected;
        }
        else if (name.SequenceEqual("AP-STA-DISCONNECTED"u8))
        {
            word = HostapdWord.Disconnected;
        }
        else if (name.SequenceEqual("EAPOL-4WAY-HS-COMPLETED"u8))
        {
            word = HostapdWord.Proved;
        }
        else
        {
            return false;
        }

        said = said[(space + 1)..];
        return TryParseMac(said, out station) && (said.Length == MacLength || said[MacLength] == (byte)' ');
    }

    /// <summary>Whether a question was refused: of a station that is not there, say.</summary>
    public static bool IsFailure(ReadOnlySpan<byte> answer) => answer.TrimEnd("\n"u8).SequenceEqual("FAIL"u8);

    /// <summary>The answer to <c>STA</c>, <c>STA-FIRST</c> and <c>STA-NEXT</c>: the address, then lines of the form <c>key=value</c>.</summary>
    public static bool TryParseStation(ReadOnlySpan<byte> answer, out HostapdStation station)
    {
        station = default;
        var rest = answer;
        if (!TryParseMac(TakeLine(ref rest), out var mac) || !TakeLine(ref rest).StartsWithAfter("flags="u8, out var flags))
        {
            return false;
        }

        var isOpen = flags.IndexOf("[AUTHORIZED]"u8) >= 0;
        var isProved = false;
        var isSettled = false;
        while (!rest.IsEmpty)
        {
            var line = TakeLine(ref rest);
            if (line.StartsWithAfter("hostapdWPAPTKState="u8, out var state))
            {
                isProved = state.SequenceEqual(Proved);
            }
            else if (line.StartsWithAfter("dot1xAuthPaeState="u8, out var port))
            {
                isSettled = port.SequenceEqual(Settled);
            }
            else if (line.StartsWithAfter("dot1xAuthSessionUserName="u8, out var name))
            {
                station = new HostapdStation(mac, isOpen, isOpen && isProved && isSettled && IsWhole(name, rest) ? Encoding.UTF8.GetString(name) : null);
                return true;
            }
        }

        station = new HostapdStation(mac, isOpen, null);
        return true;
    }

    /// <summary>Whether a name is all of the name: what follows it is hostapd's, and not the rest of a name with line feeds that looks like it.</summary>
    private static bool IsWhole(ReadOnlySpan<byte> name, ReadOnlySpan<byte> rest)
    {
        if (name.Length is 0 or > MaxUser || name.ContainsAnyInRange((byte)0, (byte)0x1F))
        {
            return false;
        }

        var next = TakeLine(ref rest);
        next = next.StartsWith(Accounting) ? TakeLine(ref rest) : next;
        if (!next.StartsWith(Method))
        {
            return false;
        }

        while (!rest.IsEmpty)
        {
            next = TakeLine(ref rest);
            if (next.StartsWith(Accounting) || next.StartsWith(Method))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The line behind the name, which is there unless the number is 0.</summary>
    private static ReadOnlySpan<byte> Accounting => "authMultiSessionId="u8;

    /// <summary>The line behind that.</summary>
    private static ReadOnlySpan<byte> Method => "last_eap_type_as="u8;

    private static ReadOnlySpan<byte> TakeLine(ref ReadOnlySpan<byte> text)
    {
        var end = text.IndexOf((byte)'\n');
        var line = end < 0 ? text : text[..end];
        text = end < 0 ? [] : text[(end + 1)..];
        return line;
    }

    private static bool StartsWithAfter(this ReadOnlySpan<byte> line, ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        value = line.StartsWith(key) ? line[key.Length..] : [];
        return line.StartsWith(key);
    }

    private static bool TryParseMac(ReadOnlySpan<byte> text, out MacAddress mac)
    {
        mac = default;
        return text.Length >= MacLength && !text[..MacLength].ContainsAnyExceptInRange((byte)'0', (byte)'f') && MacAddress.TryParse(Encoding.ASCII.GetString(text[..MacLength]), out mac)
            && !mac.IsGroup && !mac.IsNone;
    }
}
