using System.Buffers.Binary;
using Masquerade.Auth.Radius;
using Xunit.Abstractions;

namespace Masquerade.Radius.Tests;

public sealed class PacketTests(ITestOutputHelper output)
{
    private static readonly RadiusSecret Secret = new("xyzzy5461");

    /// <summary>RFC 5997 section 6.1.</summary>
    private static readonly byte[] StatusServer = Convert.FromHexString("0cda00268a54f4686fb394c52866e302185d062350125a665e2e1e8411f3e243822097c84fa3");

    private static readonly byte[] StatusAnswer = Convert.FromHexString("02da0014ef0d552a4bf2d693ec2b6fe8b5411d66");

    [Fact]
    [Trait("Req", "A-23")]
    public void The_Status_Server_of_RFC_5997_is_read_and_its_Message_Authenticator_is_right()
    {
        var packet = Parse(StatusServer);
        Assert.Equal(RadiusCode.StatusServer, packet.Code);
        Assert.Equal(0xDA, packet.Identifier);
        Assert.True(RadiusAuthenticators.HasRightMessageAuthenticator(packet, packet.Authenticator, Secret));
        Assert.False(RadiusAuthenticators.HasRightMessageAuthenticator(packet, packet.Authenticator, new RadiusSecret("xyzzy5462")));
        Assert.True(RadiusAuthenticators.IsAuthentic(Parse(StatusAnswer), packet.Authenticator, Secret));
    }

    [Fact]
    public void The_Status_Server_of_RFC_5997_is_written_octet_by_octet() =>
        Assert.Equal(StatusServer, RadiusEncoder.Request(RadiusCode.StatusServer, 0xDA, StatusServer.AsSpan(4, 16), new RadiusAttributeWriter(), Secret));

    [Fact]
    [Trait("Req", "A-23")]
    public void Message_Authenticator_is_the_first_attribute_of_all_that_is_sent()
    {
        var attributes = new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob").AddLong(RadiusAttributeType.EapMessage, new byte[600]);
        var authenticator = new byte[16];
        byte[][] all =
        [
            RadiusEncoder.Request(RadiusCode.AccessRequest, 1, authenticator, attributes, Secret),
            RadiusEncoder.ComputedRequest(RadiusCode.CoaRequest, 1, attributes, Secret, withMessageAuthenticator: true),
            RadiusEncoder.Response(RadiusCode.AccessAccept, 1, authenticator, attributes, Secret),
        ];
        foreach (var octets in all)
        {
            Assert.Equal((byte)RadiusAttributeType.MessageAuthenticator, octets[RadiusPacket.HeaderLength]);
            Assert.True(RadiusAuthenticators.HasRightMessageAuthenticator(Parse(octets), authenticator, Secret));
        }
    }

    [Fact]
    public void One_changed_bit_anywhere_is_noticed()
    {
        var authenticator = new byte[16];
        authenticator[3] = 9;
        var good = RadiusEncoder.Response(RadiusCode.AccessAccept, 1, authenticator, new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob"), Secret);
        for (var bit = 0; bit < good.Length * 8; bit++)
        {
            var changed = good.ToArray();
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            if (RadiusPacket.TryParse(changed, out var packet, out _))
            {
                Assert.False(RadiusAuthenticators.IsAuthentic(packet, authenticator, Secret), $"bit {bit}");
                var inAuthenticator = bit / 8 is >= 4 and < 20;
                Assert.Equal(inAuthenticator, RadiusAuthenticators.HasRightMessageAuthenticator(packet, authenticator, Secret));
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(253)]
    [InlineData(254)]
    [InlineData(506)]
    [InlineData(507)]
    [InlineData(1_400)]
    public void A_long_EAP_message_goes_over_several_attributes_and_comes_together_again(int length)
    {
        var eap = new byte[length];
        new Random(length).NextBytes(eap);
        var octets = RadiusEncoder.Request(RadiusCode.AccessRequest, 1, new byte[16], new RadiusAttributeWriter().AddLong(RadiusAttributeType.EapMessage, eap), Secret);
        Assert.Equal(eap, Parse(octets).Concatenate(RadiusAttributeType.EapMessage));
        Assert.Null(Parse(octets).Concatenate(RadiusAttributeType.NasFilterRule));
    }

    [Fact]
    public void What_does_not_fit_is_left_out_whole_and_shows()
    {
        var attributes = new RadiusAttributeWriter();
        while (!attributes.IsOverfull)
        {
            attributes.Add(RadiusAttributeType.Class, new byte[200]);
        }

        var octets = RadiusEncoder.Request(RadiusCode.AccessRequest, 1, new byte[16], attributes, Secret);
        Assert.InRange(octets.Length, RadiusPacket.MaximumLength - 201, RadiusPacket.MaximumLength);
        Parse(octets);
        Assert.True(new RadiusAttributeWriter().Add(RadiusAttributeType.State, new byte[254]).IsOverfull);
        Assert.True(new RadiusAttributeWriter().AddVendor(311, 17, new byte[248]).IsOverfull);
        Assert.True(new RadiusAttributeWriter().Add(RadiusAttributeType.State, []).Octets.IsEmpty);
    }

    [Fact]
    public void A_packet_cut_at_any_length_or_with_a_wrong_length_is_none()
    {
        var attributes = new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob").Add(RadiusAttributeType.SessionTimeout, 7).AddVendor(311, 17, new byte[50]);
        var good = RadiusEncoder.Request(RadiusCode.AccessRequest, 1, new byte[16], attributes, Secret);
        for (var length = 0; length < good.Length; length++)
        {
            Assert.False(RadiusPacket.TryParse(good.AsMemory(0, length), out _, out var fault));
            Assert.Equal(length < RadiusPacket.HeaderLength ? RadiusFault.TooShort : RadiusFault.BadLength, fault);

            // The length field agrees: right only between two attributes.
            var cut = good.AsSpan(0, length).ToArray();
            if (length >= 4)
            {
                BinaryPrimitives.WriteUInt16BigEndian(cut.AsSpan(2), (ushort)length);
            }

            var between = length == 20 || length == 38 || length == 43 || length == 49;
            Assert.Equal(between, RadiusPacket.TryParse(cut, out _, out _));
        }

        Assert.True(RadiusPacket.TryParse(good.Concat(new byte[9]).ToArray(), out var padded, out _));
        Assert.Equal(good.Length, padded.Octets.Length);
    }

    [Fact]
    public void Chance_as_input_is_read_within_its_bounds()
    {
        var chance = Seed.Fresh(output);
        var good = RadiusEncoder.Request(
            RadiusCode.AccessAccept, 1, new byte[16], new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "bob").AddVendor(311, 17, new byte[50]).AddVendor(311, 16, new byte[50]), Secret);
        for (var i = 0; i < 20_000; i++)
        {
            var octets = good.ToArray();
            for (var change = 0; change < 1 + (i % 6); change++)
            {
                octets[chance.NextInt(octets.Length)] = (byte)chance.NextInt(256);
            }

            if (!RadiusPacket.TryParse(octets, out var packet, out var fault))
            {
                Assert.NotEqual(RadiusFault.None, fault);
                continue;
            }

            var sum = RadiusPacket.HeaderLength;
            foreach (var attribute in packet.Attributes)
            {
                sum += 2 + attribute.Value.Length;
                attribute.TryGetText(out _);
                attribute.TryGetNumber(out _);
                attribute.TryGetAddress(out _);
                attribute.TryGetVendor(out _, out _);
            }

            Assert.Equal(packet.Octets.Length, sum);
            Assert.False(MsMppeKeys.TryReadMsk(packet, new byte[16], Secret, out _, out var msk) && msk != MskFault.None);
        }
    }

    [Fact]
    public void A_second_or_misshapen_Message_Authenticator_is_refused()
    {
        var one = RadiusEncoder.Request(RadiusCode.AccessRequest, 1, new byte[16], new RadiusAttributeWriter().Add(RadiusAttributeType.MessageAuthenticator, new byte[16]), Secret);
        Assert.False(RadiusPacket.TryParse(one, out _, out var fault));
        Assert.Equal(RadiusFault.BadMessageAuthenticator, fault);
        var short15 = RadiusEncoder.ComputedRequest(
            RadiusCode.CoaRequest, 1, new RadiusAttributeWriter().Add(RadiusAttributeType.MessageAuthenticator, new byte[15]), Secret, withMessageAuthenticator: false);
        Assert.False(RadiusPacket.TryParse(short15, out _, out fault));
        Assert.Equal(RadiusFault.BadMessageAuthenticator, fault);
    }

    [Fact]
    public void A_secret_is_in_no_text()
    {
        Assert.Equal("(hidden)", Secret.ToString());
        var packet = Parse(RadiusEncoder.Request(RadiusCode.AccessRequest, 1, new byte[16], new RadiusAttributeWriter().Add(RadiusAttributeType.UserName, "marker"), Secret));
        Assert.DoesNotContain("marker", packet.ToString(), StringComparison.Ordinal);
    }

    private static RadiusPacket Parse(byte[] octets)
    {
        Assert.True(RadiusPacket.TryParse(octets, out var packet, out var fault), fault.ToString());
        return packet;
    }
}
