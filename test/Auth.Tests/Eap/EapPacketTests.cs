using Masquerade.Auth.Eap;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Eap;

[Trait("Req", "A-23")]
public sealed class EapPacketTests(ITestOutputHelper output)
{
    [Fact]
    public void An_identity_is_read_without_the_padding_of_its_frame()
    {
        var octets = Convert.FromHexString("0207000A01" + "616C696365" + "000000");
        Assert.True(EapPacket.TryParse(octets, out var packet));
        Assert.Equal(EapCode.Response, packet.Code);
        Assert.Equal(7, packet.Identifier);
        Assert.Equal(EapType.Identity, packet.Type);
        Assert.Equal("alice"u8.ToArray(), packet.TypeData.ToArray());
        Assert.Equal(10, packet.Octets.Length);
    }

    [Fact]
    public void An_expanded_type_has_a_vendor_and_a_type()
    {
        // Wi-Fi Protected Setup: vendor 14122, type 1.
        Assert.True(EapPacket.TryParse(Convert.FromHexString("0101000EFE00372A00000001ABCD"), out var packet));
        Assert.Equal(EapType.Expanded, packet.Type);
        Assert.Equal(EapType.Expanded, packet.Meaning);
        Assert.Equal(14_122, packet.Vendor);
        Assert.Equal(1u, packet.VendorType);
        Assert.Equal(new byte[] { 0xAB, 0xCD }, packet.TypeData.ToArray());
    }

    [Theory]
    [InlineData("0101000CFE00000000000004", EapType.Md5Challenge)]
    [InlineData("0101000CFE00000000000003", EapType.Nak)]
    [InlineData("0101000CFE00000000000104", EapType.None)]
    [InlineData("0101000CFE00000100000004", EapType.Expanded)]
    [InlineData("0101000504", EapType.Md5Challenge)]
    public void A_type_means_the_same_in_both_its_encodings(string hex, EapType meaning)
    {
        Assert.True(EapPacket.TryParse(Convert.FromHexString(hex), out var packet));
        Assert.Equal(meaning, packet.Meaning);
    }

    [Theory]
    [InlineData("", EapFault.TooShort)]
    [InlineData("010100", EapFault.TooShort)]
    [InlineData("01010004", EapFault.Length)]
    [InlineData("0101000301", EapFault.Length)]
    [InlineData("0101000601", EapFault.Length)]
    [InlineData("0301000500", EapFault.Length)]
    [InlineData("04010003", EapFault.Length)]
    [InlineData("0001000501", EapFault.Code)]
    [InlineData("0501000501", EapFault.Code)]
    [InlineData("0101000BFE000000000000", EapFault.ExpandedType)]
    public void What_is_no_packet_is_refused_with_its_reason(string hex, EapFault expected)
    {
        Assert.False(EapPacket.TryParse(Convert.FromHexString(hex), out _, out var fault));
        Assert.Equal(expected, fault);
    }

    [Fact]
    public void Packets_written_are_read_back()
    {
        var buffer = new byte[40];
        Assert.True(EapPacket.TryWrite(buffer, EapCode.Request, 9, EapType.Tls, [1, 2, 3], out var written));
        Assert.Equal("010900080D010203", Convert.ToHexString(buffer.AsSpan(0, written)));
        Assert.True(EapPacket.TryWriteNak(buffer, 9, [], out written));
        Assert.Equal("020900060300", Convert.ToHexString(buffer.AsSpan(0, written)));
        Assert.True(EapPacket.TryWriteNak(buffer, 9, [13, 25], out written));
        Assert.Equal("02090007030D19", Convert.ToHexString(buffer.AsSpan(0, written)));
        EapPacket.WriteSuccess(buffer, 4);
        Assert.Equal("03040004", Convert.ToHexString(buffer.AsSpan(0, 4)));
        EapPacket.WriteFailure(buffer, 5);
        Assert.True(EapPacket.TryParse(buffer.AsSpan(0, 4), out var failure));
        Assert.Equal(EapCode.Failure, failure.Code);
        Assert.Equal(EapType.None, failure.Type);
        Assert.True(failure.TypeData.IsEmpty);
    }

    [Fact]
    public void A_writer_refuses_what_does_not_fit_or_has_no_meaning()
    {
        var buffer = new byte[8];
        Assert.False(EapPacket.TryWrite(buffer, EapCode.Request, 1, EapType.Tls, new byte[4], out var written));
        Assert.Equal(0, written);
        Assert.False(EapPacket.TryWrite(buffer, EapCode.Success, 1, EapType.Tls, [], out _));
        Assert.False(EapPacket.TryWrite(buffer, EapCode.Request, 1, EapType.Expanded, [], out _));
        Assert.False(EapPacket.TryWrite(new byte[70_000], EapCode.Request, 1, EapType.Tls, new byte[65_531], out _));
        Assert.Equal(new byte[8], buffer);
    }

    [Fact]
    public void Random_and_cut_off_packets_are_refused_or_read_within_their_bounds()
    {
        var random = Seed.Fresh(output);
        var buffer = new byte[64];
        for (var round = 0; round < 50_000; round++)
        {
            var octets = buffer.AsSpan(0, random.NextInt(buffer.Length));
            for (var i = 0; i < octets.Length; i++)
            {
                octets[i] = (byte)random.NextInt(i == 2 ? 1 : i is 0 or 3 ? octets.Length : 256);
            }

            if (octets.Length > 4 && random.Chance(0.3))
            {
                octets[4] = (byte)EapType.Expanded;
            }

            if (EapPacket.TryParse(octets, out var packet))
            {
                Assert.True(packet.Octets.Length <= octets.Length && packet.TypeData.Length < octets.Length);
                _ = (packet.Meaning, packet.Vendor, packet.VendorType, packet.Identifier);
            }
        }
    }
}
