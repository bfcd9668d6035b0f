using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Core.Tests.Wire;

/// <summary>RFC 5508, row by row, as far as it is the parser's and the rewriter's.</summary>
[Trait("Req", "N-04")]
public sealed class IcmpRowTests
{
    private static readonly IpAddress RouterV4 = IpAddress.Parse("198.51.100.1");
    private static readonly IpAddress RouterV6 = IpAddress.Parse("2001:db8::fe");

    [Theory, Trait("Rfc", "5508 REQ-3")]
    [InlineData(false)]
    [InlineData(true)]
    public void An_error_with_a_wrong_checksum_is_dropped(bool v6)
    {
        var error = Error(v6, About(v6), 100);
        error[^1] ^= 1;
        Assert.Equal(DropReason.BadTransportChecksum, PacketParser.Parse(error, out _));
    }

    [Fact, Trait("Rfc", "5508 REQ-3")]
    public void An_error_about_a_header_with_a_wrong_checksum_is_dropped()
    {
        var about = About(v6: false);
        about[8]--;
        Assert.Equal(DropReason.BadTransportChecksum, PacketParser.Parse(Error(v6: false, about, 100), out _));
    }

    [Theory, Trait("Rfc", "5508 REQ-3")]
    [InlineData(false)]
    [InlineData(true)]
    public void The_embedded_transport_checksum_is_not_looked_at(bool v6)
    {
        var about = About(v6);
        about[^1] ^= 1;
        Assert.Equal(DropReason.None, PacketParser.Parse(Error(v6, about, 100), out var summary));
        Assert.Equal(PacketKind.IcmpError, summary.Kind);
    }

    [Fact, Trait("Rfc", "5508 REQ-3")]
    public void Embedded_options_are_walked_past()
    {
        var about = Packets.Udp(Packets.MasqueradeV4, Packets.ServerV4, new byte[8], optionWords: 10);
        Assert.Equal(DropReason.None, PacketParser.Parse(Error(v6: false, about, 200), out var summary));
        Assert.Equal(Packets.MasqueradeV4, summary.EmbeddedTuple.Source);
        Assert.Equal(summary.EmbeddedOffset + 60, summary.EmbeddedTransportOffset);
    }

    /// <summary>RFC 4884: the quoted packet is padded to 128 octets, and extensions with a checksum of their own follow.</summary>
    [Theory, Trait("Rfc", "5508 REQ-3")]
    [InlineData(false)]
    [InlineData(true)]
    public void Padding_and_extensions_are_left_alone(bool v6)
    {
        var (masquerade, client) = v6 ? (Packets.MasqueradeV6, Packets.ClientV6) : (Packets.MasqueradeV4, Packets.ClientV4);
        foreach (var protocol in new[] { 6, 17 })
        {
            var server = v6 ? Packets.ServerV6 : Packets.ServerV4;
            byte[] Sent(TransportEndpoint from) => protocol == 6 ? Packets.Tcp(from, server, 0x10, new byte[400]) : Packets.Udp(from, server, new byte[400]);
            byte[] Quote(TransportEndpoint from)
            {
                // An extension object as MPLS has it (RFC 4950); the quote ends after the transport header and is padded.
                var quoted = Sent(from).AsSpan(0, (v6 ? 40 : 20) + (protocol == 6 ? 20 : 8)).ToArray();
                return [.. quoted, .. new byte[128 - quoted.Length], 0x20, 0, 0xAB, 0xCD, 0, 8, 1, 1, 0x12, 0x34, 0x51, 0x3F];
            }

            var error = WithLength(Error(v6, Quote(masquerade), 500, type: v6 ? (byte)3 : (byte)11), v6);
            Assert.Equal(DropReason.None, PacketParser.Parse(error, out var summary));
            Assert.Equal(128, summary.EmbeddedLength);
            PacketRewriter.ErrorInbound(error, summary, new PacketRewriter.Rewrite(masquerade, client));
            Assert.True(Packets.AreChecksumsRight(error));
            Assert.Equal(Quote(client), error[summary.EmbeddedOffset..]);
        }
    }

    /// <summary>A hostile length cannot move what is written.</summary>
    [Fact, Trait("Rfc", "5508 REQ-3"), Trait("Req", "A-29")]
    public void Nothing_is_written_behind_the_quoted_packet()
    {
        var about = Packets.Tcp(Packets.MasqueradeV4, Packets.ServerV4, 0x10, []);
        for (var length = 0; length < 16; length++)
        {
            var error = Error(v6: false, [.. about, .. new byte[40]], 200);
            error[20 + 5] = (byte)length;
            Fix(error);
            var reason = PacketParser.Parse(error, out var summary);
            if (length is > 0 and < 7)
            {
                Assert.Equal(DropReason.Truncated, reason);
                continue;
            }

            Assert.Equal(DropReason.None, reason);
            var before = error[(summary.EmbeddedOffset + summary.EmbeddedLength)..];
            PacketRewriter.ErrorInbound(error, summary, new PacketRewriter.Rewrite(Packets.MasqueradeV4, Packets.ClientV4));
            Assert.Equal(before, error[(summary.EmbeddedOffset + summary.EmbeddedLength)..]);
            Assert.True(Packets.AreChecksumsRight(error));
        }
    }

    [Theory, Trait("Rfc", "5508 REQ-4"), Trait("Req", "N-11")]
    [InlineData(false)]
    [InlineData(true)]
    public void An_error_that_does_not_go_to_who_sent_the_packet_is_dropped(bool v6)
    {
        var other = IpAddress.Parse(v6 ? "fd00:10:1:1::11" : "10.1.1.11");
        var error = Packets.Error(v6 ? RouterV6 : RouterV4, other, v6 ? (byte)1 : (byte)3, 1, About(v6), 100);
        Assert.Equal(DropReason.UnrelatedIcmpError, PacketParser.Parse(error, out _));
    }

    [Theory, Trait("Rfc", "5508 REQ-3"), Trait("Req", "N-05")]
    [InlineData(false)]
    [InlineData(true)]
    public void An_error_about_a_first_fragment_is_translated_and_one_about_a_later_fragment_is_dropped(bool v6)
    {
        var (masquerade, client, server) = v6 ? (Packets.MasqueradeV6, Packets.ClientV6, Packets.ServerV6) : (Packets.MasqueradeV4, Packets.ClientV4, Packets.ServerV4);
        var error = Error(v6, Pieces.Cut(Packets.Udp(masquerade, server, new byte[200]), 64, 5)[0], 200);
        Assert.Equal(DropReason.None, PacketParser.Parse(error, out var summary));
        Assert.Equal(masquerade, summary.EmbeddedTuple.Source);
        PacketRewriter.ErrorInbound(error, summary, new PacketRewriter.Rewrite(masquerade, client));
        Assert.Equal(Packets.Error(v6 ? RouterV6 : RouterV4, client.Address, v6 ? (byte)1 : (byte)3, 1, Pieces.Cut(Packets.Udp(client, server, new byte[200]), 64, 5)[0], 200), error);
        Assert.Equal(DropReason.Fragment, PacketParser.Parse(Error(v6, Pieces.Cut(Packets.Udp(masquerade, server, new byte[200]), 64, 5)[1], 200), out _));
    }

    /// <summary>What REQ-10 and 11 leave to RFC 1812: redirects and source quenches are between neighbours or deprecated (RFC 6633), and are dropped.</summary>
    [Theory, Trait("Rfc", "5508 REQ-10"), Trait("Rfc", "5508 REQ-11")]
    [InlineData(3, DropReason.None)]
    [InlineData(11, DropReason.None)]
    [InlineData(12, DropReason.None)]
    [InlineData(4, DropReason.UnsupportedIcmp)]
    [InlineData(5, DropReason.UnsupportedIcmp)]
    [InlineData(17, DropReason.UnsupportedIcmp)]
    public void Types_pass_or_are_dropped(byte type, DropReason wanted) =>
        Assert.Equal(wanted, PacketParser.Parse(Error(v6: false, About(v6: false), 100, type), out _));

    private static byte[] About(bool v6) => v6
        ? Packets.Udp(Packets.MasqueradeV6, Packets.ServerV6, new byte[8])
        : Packets.Udp(Packets.MasqueradeV4, Packets.ServerV4, new byte[8]);

    private static byte[] Error(bool v6, byte[] about, int carried, byte? type = null) => v6
        ? Packets.Error(RouterV6, Packets.MasqueradeV6.Address, type ?? 1, 1, about, carried)
        : Packets.Error(RouterV4, Packets.MasqueradeV4.Address, type ?? 3, 1, about, carried);

    private static byte[] WithLength(byte[] error, bool v6)
    {
        error[v6 ? 44 : 25] = (byte)(v6 ? 128 / 8 : 128 / 4);
        Fix(error);
        return error;
    }

    private static void Fix(byte[] error)
    {
        var v6 = error[0] >> 4 == 6;
        var at = v6 ? 40 : 20;
        error.AsSpan(at + 2, 2).Clear();
        var pseudo = v6 ? Packets.Pseudo(IpAddress.FromBytes(error.AsSpan(8, 16)), IpAddress.FromBytes(error.AsSpan(24, 16)), 58, error.Length - at) : 0;
        BinaryPrimitives.WriteUInt16BigEndian(error.AsSpan(at + 2), Packets.Complement(Packets.Add(pseudo, error.AsSpan(at))));
    }
}
