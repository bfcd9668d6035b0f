using Masquerade.Auth.Eapol;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Eapol;

[Trait("Req", "A-23")]
public sealed class EapolFrameTests(ITestOutputHelper output)
{
    [Fact]
    public void The_padding_of_a_short_frame_is_not_its_body()
    {
        // An EAPOL-Start of version 1, as it comes out of Ethernet: 46 octets, 42 of them padding.
        var octets = new byte[46];
        octets.AsSpan(4).Fill(0xA5);
        octets[0] = 1;
        octets[1] = 1;
        Assert.True(EapolFrame.TryParse(octets, out var frame));
        Assert.Equal(1, frame.Version);
        Assert.Equal(EapolType.Start, frame.Type);
        Assert.True(frame.Body.IsEmpty);
        Assert.Equal(4, frame.Pdu.Length);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(200)]
    public void What_is_written_is_read_whatever_the_version(byte version)
    {
        var buffer = new byte[32];
        Assert.True(EapolFrame.TryWrite(buffer, version, EapolType.AnnouncementSpecific, [1, 2, 3], out var written));
        Assert.Equal(7, written);
        Assert.True(EapolFrame.TryParse(buffer, out var frame));
        Assert.Equal(version, frame.Version);
        Assert.Equal(EapolType.AnnouncementSpecific, frame.Type);
        Assert.Equal(new byte[] { 1, 2, 3 }, frame.Body.ToArray());
    }

    [Fact]
    public void A_frame_cut_off_anywhere_is_refused_with_its_reason()
    {
        var buffer = new byte[14];
        Assert.True(EapolFrame.TryWrite(buffer, 2, EapolType.Packet, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], out _));
        for (var length = 0; length < buffer.Length; length++)
        {
            Assert.False(EapolFrame.TryParse(buffer.AsSpan(0, length), out _, out var fault));
            Assert.Equal(length < 4 ? EapolFault.TooShort : EapolFault.BodyLength, fault);
        }

        Assert.True(EapolFrame.TryParse(buffer, out _, out var none));
        Assert.Equal(EapolFault.None, none);
    }

    [Fact]
    public void Version_zero_is_refused()
    {
        Assert.False(EapolFrame.TryParse([0, 1, 0, 0], out _, out var fault));
        Assert.Equal(EapolFault.Version, fault);
    }

    [Fact]
    public void A_writer_without_room_writes_nothing()
    {
        var buffer = new byte[6];
        Assert.False(EapolFrame.TryWrite(buffer, 2, EapolType.Packet, [1, 2, 3], out var written));
        Assert.Equal(0, written);
        Assert.Equal(new byte[6], buffer);
        Assert.False(EapolFrame.TryWrite(new byte[70_000], 2, EapolType.Packet, new byte[65_536], out _));
    }

    [Fact]
    public void Random_octets_are_refused_or_read_within_their_bounds()
    {
        var random = Seed.Fresh(output);
        var buffer = new byte[200];
        for (var round = 0; round < 20_000; round++)
        {
            var octets = buffer.AsSpan(0, random.NextInt(buffer.Length));
            for (var i = 0; i < octets.Length; i++)
            {
                octets[i] = (byte)random.NextInt(i == 2 ? 1 : 256);
            }

            if (EapolFrame.TryParse(octets, out var frame))
            {
                Assert.True(frame.Pdu.Length <= octets.Length && frame.Body.Length == frame.Pdu.Length - 4);
                if (EapolKeyFrame.TryParse(frame, out var key, out _))
                {
                    Assert.Equal(frame.Pdu.Length, EapolKeyFrame.KeyDataOffset + key.KeyData.Length);
                }
            }
        }
    }
}
