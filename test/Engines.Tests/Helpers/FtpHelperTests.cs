using System.Text;
using Masquerade.Core.Flow;
using Masquerade.Fam;
using Xunit.Abstractions;

namespace Masquerade.Engines.Tests.Helpers;

/// <summary>What the FTP helper takes for an endpoint that is named, and what not.</summary>
[Trait("Rfc", "5382 REQ-6")]
public sealed class FtpHelperTests(ITestOutputHelper output)
{
    private static readonly TransportEndpoint s_client = TransportEndpoint.Parse("192.168.77.10:40000");
    private static readonly TransportEndpoint s_clientV6 = TransportEndpoint.Parse("[fd00:77::10]:40000");
    private static readonly TransportEndpoint s_server = TransportEndpoint.Parse("203.0.113.9:21");
    private static readonly TransportEndpoint s_masquerade = TransportEndpoint.Parse("10.1.1.10:5001");
    private static readonly TransportEndpoint s_masqueradeV6 = TransportEndpoint.Parse("[fd00:10:1:1::10]:5001");

    [Theory]
    [InlineData("PORT 192,168,77,10,156,64\r\n", "PORT 10,1,1,10,19,137\r\n", "192.168.77.10:40000")]
    [InlineData("port 192,168,77,10,4,0\r\n", "port 10,1,1,10,19,137\r\n", "192.168.77.10:1024")]
    [InlineData("PORT 192,168,077,010,255,255  \n", "PORT 10,1,1,10,19,137  \n", "192.168.77.10:65535")]
    [InlineData("NOOP\r\nPORT 192,168,77,10,156,64\r\nLIST\r\n", "NOOP\r\nPORT 10,1,1,10,19,137\r\nLIST\r\n", "192.168.77.10:40000")]
    [InlineData("PORT 10,9,8,7,156,64\r\n", "PORT 10,1,1,10,19,137\r\n", "10.9.8.7:40000")]
    [InlineData("EPRT |1|192.168.77.10|40000|\r\n", "EPRT |1|10.1.1.10|5001|\r\n", "192.168.77.10:40000")]
    [InlineData("eprt !1!192.168.77.10!40000!\r\n", "eprt !1!10.1.1.10!5001!\r\n", "192.168.77.10:40000")]
    [InlineData("EPRT |2|fd00:77::10|40000|\r\n", "EPRT |2|fd00:10:1:1::10|5001|\r\n", "[fd00:77::10]:40000")]
    [InlineData("EPRT |2|FD00:77:0:0:0:0:0:10|40000|\r\n", "EPRT |2|fd00:10:1:1::10|5001|\r\n", "[fd00:77::10]:40000")]
    public void A_client_names_its_endpoint_and_another_is_written_in_its_place(string text, string expected, string named)
    {
        var (written, endpoints) = Run(text, isService: false);
        Assert.Equal(expected, written);
        Assert.Equal([TransportEndpoint.Parse(named)], endpoints);
    }

    [Theory]
    [InlineData("227 Entering Passive Mode (192,168,77,10,156,64).\r\n", "227 Entering Passive Mode (10,1,1,10,19,137).\r\n")]
    [InlineData("227 =192,168,77,10,156,64\r\n", "227 =10,1,1,10,19,137\r\n")]
    [InlineData("229 Entering Extended Passive Mode (|||40000|)\r\n", "229 Entering Extended Passive Mode (|||5001|)\r\n")]
    public void So_does_a_server(string text, string expected)
    {
        var (written, endpoints) = Run(text, isService: true);
        Assert.Equal(expected, written);
        Assert.Equal([s_client], endpoints);
    }

    [Theory]
    [InlineData("PORT 192,168,77,10,156\r\n", false)]
    [InlineData("PORT 192,168,77,10,156,64,1\r\n", false)]
    [InlineData("PORT 192,168,77,256,156,64\r\n", false)]
    [InlineData("PORT 0192,168,77,10,156,64\r\n", false)]
    [InlineData("PORT 192,168,77,10,,64\r\n", false)]
    [InlineData("PORT -192,168,77,10,156,64\r\n", false)]
    [InlineData("PORT\r\n", false)]
    [InlineData("XPORT 192,168,77,10,156,64\r\n", false)]
    [InlineData(" PORT 192,168,77,10,156,64\r\n", false)]
    [InlineData("PORT 192,168,77,10,156,64", false)]
    [InlineData("STOR PORT 192,168,77,10,156,64\r\n", false)]
    [InlineData("EPRT |2|192.168.77.10|40000|\r\n", false)]
    [InlineData("EPRT |1|fd00:77::10|40000|\r\n", false)]
    [InlineData("EPRT |1|192.168.77.10|65536|\r\n", false)]
    [InlineData("EPRT |1|192.168.77.10|40000\r\n", false)]
    [InlineData("EPRT |1|192.168.77.10||\r\n", false)]
    [InlineData("EPRT |3|192.168.77.10|40000|\r\n", false)]
    [InlineData("EPRT 1192.168.77.10|40000|\r\n", false)]
    [InlineData("EPRT |1||40000|\r\n", false)]
    [InlineData("PASV\r\nEPSV\r\n", false)]
    [InlineData("227 Entering Passive Mode (192,168,77,10,156,64).\r\n", false)]
    [InlineData("227 Entering Passive Mode (203,0,113,9,156,64).\r\n", true)]
    [InlineData("227-Entering Passive Mode (192,168,77,10,156,64).\r\n", true)]
    [InlineData("229 Entering Extended Passive Mode (||40000|)\r\n", true)]
    [InlineData("229 Entering Extended Passive Mode (|||99999|)\r\n", true)]
    [InlineData("229 (|||\r\n", true)]
    [InlineData("PORT 192,168,77,10,156,64\r\n", true)]
    public void What_is_no_name_is_left_alone(string text, bool isService)
    {
        var (written, endpoints) = Run(text, isService);
        Assert.Equal(text, written);
        Assert.Empty(endpoints);
    }

    [Fact]
    public void It_stops_looking_where_it_is_not_FTP_or_encrypted()
    {
        // What a browser can be made to say to this port.
        AssertSilent(["POST / HTTP/1.1\r\nHost: x\r\n\r\n", "PORT 192,168,77,10,156,64\r\n"]);
        AssertSilent(["AUTH TLS\r\n", "\u0016\u0003\u0001\u0002", "\nPORT 192,168,77,10,156,64\r\n", "USER x\r\n", "PORT 192,168,77,10,156,64\r\n"]);

        // A server that knows no TLS: the client goes on in clear.
        Assert.Single(Find(["AUTH TLS\r\n", "USER x\r\n", "PORT 192,168,77,10,156,64\r\n"]));

        // ABOR goes with commands of Telnet.
        Assert.Single(Find(["USER x\r\n", "\u00FF\u00F4\u00FF\u00F2ABOR\r\n", "PORT 192,168,77,10,156,64\r\n"]));
    }

    [Fact]
    public void A_command_is_known_by_the_end_of_the_line_before()
    {
        AssertSilent(["USER x\r\n", "STOR ", "PORT 192,168,77,10,156,64\r\n"]);
        Assert.Single(Find(["USER x\r\n", "STOR ", "name\r\nPORT 192,168,77,10,156,64\r\n"]));
        AssertSilent(["USER x\r\n", "PORT 192,168,77,10,", "156,64\r\n"]);
        var state = 0u;
        var text = new HelperText("PORT 192,168,77,10,156,64\r\n"u8, isContinuous: true, s_client, s_server, isService: false);
        Assert.False(new FtpHelper(21).TryFind(text, 0, ref state, out _));
    }

    [Fact]
    public void It_covers_the_ports_that_it_is_told()
    {
        var helper = new FtpHelper(21, 2121);
        Assert.True(helper.Covers(s_client, s_server, isService: false));
        Assert.True(helper.Covers(s_client, s_server with { Port = 2121 }, isService: false));
        Assert.False(helper.Covers(s_client with { Port = 21 }, s_server with { Port = 22 }, isService: false));
        Assert.True(helper.Covers(s_client with { Port = 21 }, s_server with { Port = 50_000 }, isService: true));
    }

    [Fact]
    public void Nothing_that_is_sent_breaks_it()
    {
        var random = Seed.Fresh(output);
        string[] words = ["PORT ", "EPRT ", "227 ", "229 ", "(|||", "|1|", "192,168,77,10", ",1", "40000|", "\r\n", "\n", "\r", "192.168.77.10|", "fd00::1|", "220 x\r\n", "USER x\r\n", "\u0000", "|", ")", " "];
        var helper = new FtpHelper(21);
        var buffer = new byte[HelperWish.MaxLength];
        for (var round = 0; round < 20_000; round++)
        {
            var text = new StringBuilder();
            for (var i = random.NextInt(12); i >= 0; i--)
            {
                text.Append(words[random.NextInt(words.Length)]);
            }

            var octets = Encoding.Latin1.GetBytes(text.ToString());
            var (state, isService) = ((uint)random.NextInt(8), random.NextInt(2) == 0);
            var view = new HelperText(octets, random.NextInt(4) > 0, s_client, s_server, isService);
            for (var from = 0; helper.TryFind(view, from, ref state, out var wish);)
            {
                Assert.InRange(wish.Start, from, octets.Length);
                Assert.InRange(wish.Length, 1, Math.Min(octets.Length - wish.Start, HelperWish.MaxLength));
                Assert.InRange(helper.Write(wish, wish.ClientEndpoint.Address.IsIPv4 ? s_masquerade : s_masqueradeV6, buffer), 1, HelperWish.MaxLength);
                from = wish.Start + wish.Length;
            }
        }
    }

    private static void AssertSilent(string[] segments) => Assert.Empty(Find(segments));

    private static List<HelperWish> Find(string[] segments)
    {
        var helper = new FtpHelper(21);
        var (state, wishes) = (helper.Begin, new List<HelperWish>());
        foreach (var segment in segments)
        {
            var text = new HelperText(Encoding.Latin1.GetBytes(segment), isContinuous: true, s_client, s_server, isService: false);
            for (var from = 0; helper.TryFind(text, from, ref state, out var wish); from = wish.Start + wish.Length)
            {
                wishes.Add(wish);
            }
        }

        return wishes;
    }

    private static (string Written, List<TransportEndpoint> Named) Run(string text, bool isService)
    {
        var helper = new FtpHelper(21);
        var state = helper.Begin;
        var octets = Encoding.Latin1.GetBytes((isService ? "220 ready\r\n" : "USER x\r\n") + text);
        var isV6 = text.Contains('|', StringComparison.Ordinal) && text.Contains("00:", StringComparison.Ordinal);
        var view = new HelperText(octets, isContinuous: true, isV6 ? s_clientV6 : s_client, s_server, isService);
        var (written, named, at) = (new StringBuilder(), new List<TransportEndpoint>(), 0);
        Span<byte> buffer = stackalloc byte[HelperWish.MaxLength];
        while (helper.TryFind(view, at, ref state, out var wish))
        {
            var length = helper.Write(wish, wish.ClientEndpoint.Address.IsIPv4 ? s_masquerade : s_masqueradeV6, buffer);
            written.Append(Encoding.Latin1.GetString(octets[at..wish.Start])).Append(Encoding.Latin1.GetString(buffer[..length]));
            named.Add(wish.ClientEndpoint);
            at = wish.Start + wish.Length;
        }

        written.Append(Encoding.Latin1.GetString(octets[at..]));
        return (written.ToString()[(isService ? 11 : 8)..], named);
    }
}
