using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Masquerade.Core.Flow;

namespace Masquerade.Fam;

/// <summary>
/// FTP (RFC 959, RFC 2428). A client names the endpoint at which it waits for the server's data connection in PORT or EPRT; a server at a client names its own in the answers to PASV (227)
/// and EPSV (229). What a server elsewhere answers to PASV is its own address and needs nothing. Only whole lines within one segment are looked at, for implementations write
/// a command at once; a line is known by the end of the one before it, so that nobody can pass off the middle of something else as a command.
/// </summary>
public sealed class FtpHelper : IApplicationHelper
{
    private const uint AtLine = 1;

    /// <summary>The first line was one that an FTP client or server begins with.</summary>
    private const uint Introduced = 2;

    /// <summary>It is not FTP, or it is encrypted from here on (RFC 4217).</summary>
    private const uint Done = 4;

    /// <summary>What a client may say first: whoever has a browser speak to this port cannot have it say one of these.</summary>
    private static readonly string[] s_firstCommands = ["USER", "AUTH", "HOST", "FEAT", "SYST", "OPTS", "CLNT", "NOOP", "HELP", "LANG", "PASS", "ACCT", "PBSZ", "PROT", "REIN", "QUIT"];

    private readonly ushort[] _ports;

    /// <summary>Creates a helper for control connections to these ports of servers.</summary>
    public FtpHelper(params ushort[] ports) => _ports = [.. ports];

    private enum Form : byte
    {
        /// <summary>h1,h2,h3,h4,p1,p2.</summary>
        SixNumbers,

        /// <summary>Protocol, address and port between delimiters.</summary>
        Delimited,

        /// <summary>The port alone.</summary>
        Port,
    }

    /// <inheritdoc/>
    public string Name => "ftp";

    /// <inheritdoc/>
    public uint Begin => AtLine;

    /// <inheritdoc/>
    public bool Covers(TransportEndpoint client, TransportEndpoint server, bool isService) => _ports.Contains(isService ? client.Port : server.Port);

    /// <inheritdoc/>
    /// <remarks>
    /// In passive mode the client connects to a port that the server has just taken. Many servers take such connections only from the address that the control connection has (RFC 2577
    /// section 6), also where that is encrypted and cannot be read.
    /// </remarks>
    public bool Accompanies(TransportEndpoint server) => server.Port >= HelperWish.LeastPort && !_ports.Contains(server.Port);

    /// <inheritdoc/>
    public bool TryFind(in HelperText text, int from, ref uint state, out HelperWish wish)
    {
        wish = default;
        if ((state & Done) != 0)
        {
            return false;
        }

        if ((state & Introduced) == 0 && !text.IsContinuous)
        {
            // Who is met in the middle, or has had its first words come in another order, has not shown that it speaks FTP: a line of some other protocol's text may look like it.
            state |= Done;
            return false;
        }

        var octets = text.Octets;
        var atLine = from == 0 && text.IsContinuous && (state & AtLine) != 0;
        state &= ~AtLine;
        for (var at = from; ;)
        {
            if (atLine)
            {
                if (at == octets.Length)
                {
                    state |= AtLine;
                    return false;
                }

                if (IsNoText(octets[at]))
                {
                    state |= Done;
                    return false;
                }
            }

            var length = octets[at..].IndexOf((byte)'\n');
            if (length < 0)
            {
                return false;
            }

            var line = octets.Slice(at, length);
            if (atLine && line is [.., (byte)'\r'])
            {
                line = line[..^1];
            }

            if (atLine && !Introduces(line, text.IsService, ref state))
            {
                state |= Done;
                return false;
            }

            if (atLine && TryRead(line, at, text.IsService, text.Client.Address, out wish))
            {
                return true;
            }

            at += length + 1;
            atLine = true;
        }
    }

    /// <inheritdoc/>
    public int Write(in HelperWish wish, TransportEndpoint masquerade, Span<byte> text)
    {
        var form = (Form)(wish.Form & 0xFF);
        if (form == Form.SixNumbers)
        {
            var host = masquerade.Address.V4;
            ReadOnlySpan<byte> numbers = [(byte)(host >> 24), (byte)(host >> 16), (byte)(host >> 8), (byte)host, (byte)(masquerade.Port >> 8), (byte)masquerade.Port];
            var at = 0;
            foreach (var number in numbers)
            {
                if (at > 0)
                {
                    text[at++] = (byte)',';
                }

                Utf8Formatter.TryFormat(number, text[at..], out var written);
                at += written;
            }

            return at;
        }

        var start = 0;
        if (form == Form.Delimited)
        {
            start = Encoding.ASCII.GetBytes(masquerade.Address.ToString(), text);
            text[start++] = (byte)(wish.Form >> 8);
        }

        Utf8Formatter.TryFormat(masquerade.Port, text[start..], out var digits);
        return start + digits;
    }

    /// <summary>TLS begins with 0x16, and so do no words. Telnet's commands, which go with ABOR, do not end it (RFC 959 section 4.1.3).</summary>
    private static bool IsNoText(byte octet) => octet < 0x20 && octet is not ((byte)'\r' or (byte)'\n' or (byte)'\t');

    private static bool Introduces(ReadOnlySpan<byte> line, bool isService, ref uint state)
    {
        if ((state & Introduced) != 0)
        {
            return true;
        }

        state |= Introduced;
        if (isService)
        {
            // 220, or 120 and 421 of one that is busy.
            return line.Length >= 3 && line[0] is (byte)'1' or (byte)'2' or (byte)'4' && IsDigit(line[1]) && IsDigit(line[2]);
        }

        foreach (var command in s_firstCommands)
        {
            if (StartsWith(line, command) && (line.Length == command.Length || line[command.Length] == ' '))
            {
                return true;
            }
        }

        return false;
    }

    private static bool TryRead(ReadOnlySpan<byte> line, int at, bool isService, IpAddress own, out HelperWish wish)
    {
        wish = default;
        if (isService)
        {
            return StartsWith(line, "227 ") ? TryReadPassive(line, at, own, out wish) : StartsWith(line, "229 ") && TryReadExtendedPassive(line, at, own, out wish);
        }

        if (StartsWith(line, "PORT "))
        {
            return TryReadNumbers(line[5..], at + 5, out wish, out var end) && line[(5 + end)..].Trim((byte)' ').IsEmpty;
        }

        return StartsWith(line, "EPRT ") && TryReadExtended(line, at, out wish);
    }

    /// <summary>RFC 1123 section 4.1.2.6: the numbers may stand anywhere in the text, in parentheses or not.</summary>
    private static bool TryReadPassive(ReadOnlySpan<byte> line, int at, IpAddress own, out HelperWish wish)
    {
        wish = default;
        for (var i = 4; i < line.Length; i++)
        {
            if (IsDigit(line[i]) && !IsDigit(line[i - 1]) && TryReadNumbers(line[i..], at + i, out wish, out var end) && (i + end == line.Length || !IsDigit(line[i + end])))
            {
                return wish.ClientEndpoint.Address == own;
            }
        }

        return false;
    }

    /// <summary>RFC 2428 section 3: (|||port|), with any printable character as the delimiter; the address is that of the control connection.</summary>
    private static bool TryReadExtendedPassive(ReadOnlySpan<byte> line, int at, IpAddress own, out HelperWish wish)
    {
        wish = default;
        var open = line.IndexOf((byte)'(');
        if (open < 0 || line.Length < open + 7 || !IsDelimiter(line[open + 1]) || line[open + 2] != line[open + 1] || line[open + 3] != line[open + 1]
            || !TryReadPort(line[(open + 4)..], line[open + 1], out var port, out var length) || line[(open + 4 + length)..] is not [_, (byte)')', ..])
        {
            return false;
        }

        wish = new HelperWish(at + open + 4, length, new TransportEndpoint(own, port), (ushort)Form.Port);
        return true;
    }

    /// <summary>RFC 2428 section 2: |protocol|address|port|, with any printable character as the delimiter.</summary>
    private static bool TryReadExtended(ReadOnlySpan<byte> line, int at, out HelperWish wish)
    {
        wish = default;
        if (line.Length < 13 || !IsDelimiter(line[5]) || line[6] is not ((byte)'1' or (byte)'2') || line[7] != line[5])
        {
            return false;
        }

        var rest = line[8..];
        var end = rest.IndexOf(line[5]);
        if (end is < 2 or > 45 || !IpAddress.TryParse(Encoding.ASCII.GetString(rest[..end]), out var address) || address.IsIPv4 != (line[6] == '1')
            || !TryReadPort(rest[(end + 1)..], line[5], out var port, out var length) || !rest[(end + length + 2)..].Trim((byte)' ').IsEmpty)
        {
            return false;
        }

        wish = new HelperWish(at + 8, end + 1 + length, new TransportEndpoint(address, port), (ushort)((ushort)Form.Delimited | (line[5] << 8)));
        return true;
    }

    /// <summary>Six decimal numbers with commas between them.</summary>
    private static bool TryReadNumbers(ReadOnlySpan<byte> text, int at, out HelperWish wish, out int end)
    {
        wish = default;
        end = 0;
        var value = 0UL;
        for (var number = 0; number < 6; number++)
        {
            if (number > 0 && (end == text.Length || text[end++] != ','))
            {
                return false;
            }

            var digits = 0;
            var part = 0;
            for (; digits < 4 && end < text.Length && IsDigit(text[end]); end++, digits++)
            {
                part = (part * 10) + (text[end] - '0');
            }

            if (digits is 0 or 4 || part > byte.MaxValue)
            {
                return false;
            }

            value = (value << 8) | (uint)part;
        }

        wish = new HelperWish(at, end, new TransportEndpoint(IpAddress.FromV4((uint)(value >> 16)), (ushort)value), (ushort)Form.SixNumbers);
        return true;
    }

    /// <summary>A port in decimal with a delimiter behind it.</summary>
    private static bool TryReadPort(ReadOnlySpan<byte> text, byte delimiter, out ushort port, out int length)
    {
        port = 0;
        length = text.IndexOf(delimiter);
        return length is > 0 and <= 5 && IsDigit(text[0]) && ushort.TryParse(text[..length], NumberStyles.None, CultureInfo.InvariantCulture, out port);
    }

    private static bool IsDigit(byte octet) => octet is >= (byte)'0' and <= (byte)'9';

    private static bool IsDelimiter(byte octet) => octet is > 32 and < 127 && !IsDigit(octet);

    private static bool StartsWith(ReadOnlySpan<byte> line, string word) => line.Length >= word.Length && Ascii.EqualsIgnoreCase(line[..word.Length], word);
}
