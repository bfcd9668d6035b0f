using System.Buffers.Binary;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Core.Tests.Wire;

/// <summary>ICMP errors that a node makes itself.</summary>
public sealed class IcmpErrorTests
{
    private static readonly IpAddress RouterV4 = IpAddress.Parse("192.168.77.1");
    private static readonly IpAddress RouterV6 = IpAddress.Parse("fd00:77::1");

    public static TheoryData<IcmpErrorKind, int, int, int, int> Kinds => new()
    {
        { IcmpErrorKind.TimeExceeded, 11, 0, 3, 0 },
        { IcmpErrorKind.TooBig, 3, 4, 2, 0 },
        { IcmpErrorKind.HostUnreachable, 3, 1, 1, 3 },
        { IcmpErrorKind.PortUnreachable, 3, 3, 1, 4 },
        { IcmpErrorKind.Prohibited, 3, 13, 1, 1 },
    };

    [Theory, MemberData(nameof(Kinds)), Trait("Req", "N-04"), Trait("Rfc", "5508 REQ-10")]
    public void An_error_has_the_type_of_its_family_and_quotes_the_packet(IcmpErrorKind kind, int typeV4, int codeV4, int typeV6, int codeV6)
    {
        foreach (var v6 in new[] { false, true })
        {
            foreach (var payload in new[] { 0, 1, 400, 1_400, 8_000 })
            {
                var (client, server, router) = v6 ? (Packets.ClientV6, Packets.ServerV6, RouterV6) : (Packets.ClientV4, Packets.ServerV4, RouterV4);
                var about = Packets.Udp(client, server, new byte[payload]);
                var buffer = new byte[IcmpError.MaxIPv6];
                var length = new IcmpError(kind, kind == IcmpErrorKind.TooBig ? 1_400 : 0).Write(buffer, router, about);
                var error = buffer[..length];

                // RFC 1812 section 4.3.2.3 and RFC 4443 section 2.4 (c): as much as fits.
                Assert.Equal(Math.Min(about.Length + (v6 ? 48 : 28), v6 ? 1_280 : 576), length);
                Assert.True(Packets.AreChecksumsRight(error));
                Assert.Equal(DropReason.None, PacketParser.Parse(error, out var summary));
                Assert.Equal((router, client.Address), (summary.Tuple.Source.Address, summary.Tuple.Destination.Address));
                Assert.Equal(PacketKind.IcmpError, summary.Kind);
                Assert.Equal(new FlowTuple(client, server, TransportProtocol.Udp), summary.EmbeddedTuple);
                var message = error.AsSpan(summary.TransportOffset);
                Assert.Equal(v6 ? (typeV6, codeV6) : (typeV4, codeV4), (message[0], message[1]));
                Assert.Equal(kind == IcmpErrorKind.TooBig ? 1_400U : 0, BinaryPrimitives.ReadUInt32BigEndian(message[4..]));
                Assert.Equal(about[..(length - summary.EmbeddedOffset)], error[summary.EmbeddedOffset..]);
                if (!v6)
                {
                    // RFC 1812 section 4.3.2.5.
                    Assert.Equal(0xC0, error[1]);
                }
            }
        }
    }

    [Fact, Trait("Req", "N-04"), Trait("Rfc", "5508 REQ-9")]
    public void No_error_is_sent_about_an_error_or_a_later_fragment()
    {
        var about = Packets.Udp(Packets.ClientV4, Packets.ServerV4, []);
        Assert.Equal(DropReason.None, PacketParser.Parse(about, out var packet));
        Assert.True(IcmpError.MayAnswer(packet));
        Assert.Equal(DropReason.None, PacketParser.Parse(Packets.Error(RouterV4, Packets.ClientV4.Address, 3, 1, about, 100), out var error));
        Assert.False(IcmpError.MayAnswer(error));
        packet.Part = FragmentPart.Later;
        Assert.False(IcmpError.MayAnswer(packet));
    }
}
