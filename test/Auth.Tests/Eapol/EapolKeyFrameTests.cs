using Masquerade.Auth.Eapol;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Eapol;

[Trait("Req", "A-24")]
public sealed class EapolKeyFrameTests(ITestOutputHelper output)
{
    // Message 2 of a 4-way handshake with WPA2-PSK, laid out by hand from IEEE 802.11-2020 figure 12-34; no field has the value of another.
    private static readonly byte[] Message2 = Convert.FromHexString(
        "01030075" + "02" + "010a" + "0000" + "0000000000000001" +
        "59168bc3a5df18d71efb6423f340088dab9e1ba2bbc58659e07b3764b0de8570" +
        "000102030405060708090a0b0c0d0e0f" + "1011121314151617" + "0000000000000000" +
        "202122232425262728292a2b2c2d2e2f" + "0016" + "30140100000fac040100000fac040100000fac020000");

    [Fact]
    public void Every_field_is_where_the_standard_has_it()
    {
        Assert.True(EapolKeyFrame.TryParse(Message2, out var key, out var fault));
        Assert.Equal(EapolFault.None, fault);
        Assert.Equal(1, key.Version);
        Assert.Equal(KeyInformation.Pairwise | KeyInformation.Mic, key.Information);
        Assert.Equal(2, key.DescriptorVersion);
        Assert.Equal(0, key.KeyLength);
        Assert.Equal(1ul, key.ReplayCounter);
        Assert.Equal(0x59, key.Nonce[0]);
        Assert.Equal(0x70, key.Nonce[31]);
        Assert.Equal(0x0F, key.Iv[15]);
        Assert.Equal(0x10, key.ReceiveCounter[0]);
        Assert.Equal(0x20, key.Mic[0]);
        Assert.Equal(0x2F, key.Mic[15]);
        Assert.Equal(22, key.KeyData.Length);
        Assert.Equal(0x20, EapolKeyFrame.MicOf(Message2.ToArray())[0]);
        var reader = new KeyDataReader(key.KeyData);
        Assert.True(reader.TryRead(out var rsn));
        Assert.Equal(KeyDataElement.RsnId, rsn.Id);
        Assert.Equal(20, rsn.Content.Length);
        Assert.False(reader.TryRead(out _));
        Assert.False(reader.IsMalformed);
    }

    [Fact]
    public void Fields_written_are_the_octets_of_the_standard_with_no_MIC_yet()
    {
        Assert.True(EapolKeyFrame.TryParse(Message2, out var key, out _));
        var buffer = new byte[200];
        buffer.AsSpan().Fill(0xEE);
        Assert.True(EapolKeyFrame.TryWrite(buffer, new EapolKeyFields
        {
            Version = 1,
            Information = key.Information,
            DescriptorVersion = key.DescriptorVersion,
            KeyLength = key.KeyLength,
            ReplayCounter = key.ReplayCounter,
            Nonce = key.Nonce,
            Iv = key.Iv,
            ReceiveCounter = key.ReceiveCounter,
            KeyData = key.KeyData,
        }, out var written));
        var expected = new byte[Message2.Length];
        Assert.Equal(expected.Length, key.CopyWithoutMic(expected));
        Assert.Equal(expected, buffer[..written]);
        Assert.Equal(0xEE, buffer[written]);
        Assert.Equal(Message2[..EapolKeyFrame.MicOffset], expected[..EapolKeyFrame.MicOffset]);
        Assert.Equal(new byte[16], expected[EapolKeyFrame.MicOffset..(EapolKeyFrame.MicOffset + 16)]);
    }

    [Fact]
    public void Padding_behind_the_frame_is_not_under_the_MIC()
    {
        byte[] padded = [.. Message2, 9, 9, 9];
        Assert.True(EapolKeyFrame.TryParse(padded, out var key, out _));
        Assert.Equal(Message2, key.Pdu.ToArray());
    }

    [Fact]
    public void A_frame_cut_off_anywhere_is_refused_even_if_its_length_is_made_to_fit()
    {
        for (var length = 0; length < Message2.Length; length++)
        {
            var cut = Message2[..length];
            Assert.False(EapolKeyFrame.TryParse(cut, out _, out _));
            if (length >= 4)
            {
                cut[2] = 0;
                cut[3] = (byte)(length - 4);
                Assert.False(EapolKeyFrame.TryParse(cut, out _, out var fault));
                Assert.Equal(length < EapolKeyFrame.KeyDataOffset ? EapolFault.TooShort : EapolFault.KeyDataLength, fault);
            }
        }
    }

    [Fact]
    public void Other_types_and_descriptors_are_refused()
    {
        var other = Message2.ToArray();
        other[1] = 0;
        Assert.False(EapolKeyFrame.TryParse(other, out _, out var fault));
        Assert.Equal(EapolFault.NotKey, fault);
        foreach (byte descriptor in new byte[] { 0, 1, 3, 254 })
        {
            other = Message2.ToArray();
            other[4] = descriptor;
            Assert.False(EapolKeyFrame.TryParse(other, out _, out fault));
            Assert.Equal(EapolFault.Descriptor, fault);
        }
    }

    [Fact]
    public void A_writer_refuses_wrong_lengths_and_too_little_room()
    {
        var buffer = new byte[300];
        Assert.False(EapolKeyFrame.TryWrite(buffer.AsSpan(0, 98), new EapolKeyFields(), out _));
        Assert.True(EapolKeyFrame.TryWrite(buffer.AsSpan(0, 99), new EapolKeyFields(), out _));
        Assert.False(EapolKeyFrame.TryWrite(buffer, new EapolKeyFields { Nonce = new byte[31] }, out _));
        Assert.False(EapolKeyFrame.TryWrite(buffer, new EapolKeyFields { Iv = new byte[8] }, out _));
        Assert.False(EapolKeyFrame.TryWrite(buffer, new EapolKeyFields { ReceiveCounter = new byte[6] }, out _));
        Assert.False(EapolKeyFrame.TryWrite(buffer, new EapolKeyFields { DescriptorVersion = 8 }, out _));
        Assert.False(EapolKeyFrame.TryWrite(new byte[70_000], new EapolKeyFields { KeyData = new byte[65_441] }, out _));
    }

    [Fact]
    public void Entries_of_key_data_come_back_as_they_were_written()
    {
        var buffer = new byte[64];
        var writer = new KeyDataWriter(buffer);
        Assert.True(writer.TryAddElement(KeyDataElement.RsnId, [1, 0]));
        Assert.True(writer.TryAddKde(KeyDataElement.Ieee80211Oui, 4, [7, 8, 9]));
        Assert.True(writer.TryAddKde(0xABCDEF, 1, []));
        Assert.Equal("30020100DD07000FAC04070809DD04ABCDEF01", Convert.ToHexString(writer.Written));
        Assert.True(writer.TryPadForKeyWrap());
        Assert.Equal(24, writer.Length);
        Assert.Equal(0xDD, writer.Written[19]);

        var reader = new KeyDataReader(writer.Written);
        Assert.True(reader.TryRead(out var first));
        Assert.False(first.IsKde);
        Assert.Equal(0u, first.Oui);
        Assert.True(first.Data.IsEmpty);
        Assert.True(reader.TryRead(out var second));
        Assert.True(second.Is(KeyDataElement.Ieee80211Oui, 4));
        Assert.Equal(new byte[] { 7, 8, 9 }, second.Data.ToArray());
        Assert.True(reader.TryRead(out var third));
        Assert.Equal(0xABCDEFu, third.Oui);
        Assert.False(reader.TryRead(out _));
        Assert.False(reader.IsMalformed);
    }

    [Theory]
    [InlineData(0, 16)]
    [InlineData(15, 16)]
    [InlineData(16, 16)]
    [InlineData(17, 24)]
    [InlineData(23, 24)]
    public void Key_data_is_padded_for_the_key_wrap_and_the_padding_is_not_read(int length, int padded)
    {
        var buffer = new byte[24];
        var writer = new KeyDataWriter(buffer);
        if (length > 0)
        {
            Assert.True(writer.TryAddElement(1, new byte[length - 2]));
        }

        Assert.True(writer.TryPadForKeyWrap());
        Assert.Equal(padded, writer.Length);
        var reader = new KeyDataReader(writer.Written);
        Assert.Equal(length > 0, reader.TryRead(out _));
        Assert.False(reader.TryRead(out _));
        Assert.False(reader.IsMalformed);
    }

    [Theory]
    [InlineData("30")]
    [InlineData("3001")]
    [InlineData("DD05000FAC04")]
    [InlineData("DD04000FAC0430")]
    [InlineData("DD000001")]
    public void Malformed_key_data_yields_nothing_that_was_looked_for(string hex)
    {
        var data = Convert.FromHexString(hex);
        var reader = new KeyDataReader(data);
        while (reader.TryRead(out _))
        {
        }

        Assert.True(reader.IsMalformed);
        Assert.False(KeyDataReader.TryFind(data, KeyDataElement.Ieee80211Oui, 4, out _));
    }

    [Fact]
    public void A_KDE_that_is_there_twice_is_not_found()
    {
        var once = Convert.FromHexString("DD05000FAC04AA");
        Assert.True(KeyDataReader.TryFind(once, KeyDataElement.Ieee80211Oui, 4, out var data));
        Assert.Equal(0xAA, data[0]);
        Assert.False(KeyDataReader.TryFind([.. once, .. once], KeyDataElement.Ieee80211Oui, 4, out _));
        Assert.False(KeyDataReader.TryFind(once, KeyDataElement.Ieee80211Oui, 1, out _));
    }

    [Fact]
    public void A_writer_of_key_data_refuses_what_does_not_fit_and_keeps_what_is_there()
    {
        var buffer = new byte[10];
        var writer = new KeyDataWriter(buffer);
        Assert.True(writer.TryAddElement(1, [1, 2]));
        Assert.False(writer.TryAddElement(1, new byte[5]));
        Assert.False(writer.TryAddKde(1, 1, [1]));
        Assert.False(writer.TryPadForKeyWrap());
        Assert.Equal(4, writer.Length);
        Assert.True(writer.TryAddKde(1, 1, []));
        writer = new KeyDataWriter(new byte[600]);
        Assert.False(writer.TryAddElement(1, new byte[256]));
        Assert.False(writer.TryAddKde(1, 1, new byte[252]));
        Assert.True(writer.TryAddKde(1, 1, new byte[251]));
    }

    [Fact]
    public void Mutated_frames_are_refused_or_read_within_their_bounds()
    {
        var random = Seed.Fresh(output);
        for (var round = 0; round < 20_000; round++)
        {
            var mutated = Message2.ToArray();
            for (var changes = random.NextInt(4); changes >= 0; changes--)
            {
                mutated[random.NextInt(mutated.Length)] = (byte)random.NextInt(256);
            }

            if (EapolKeyFrame.TryParse(mutated, out var key, out _))
            {
                Assert.Equal(key.Pdu.Length, EapolKeyFrame.KeyDataOffset + key.KeyData.Length);
                var reader = new KeyDataReader(key.KeyData);
                var total = 0;
                while (reader.TryRead(out var element))
                {
                    total += 2 + element.Content.Length;
                }

                Assert.True(total <= key.KeyData.Length);
            }
        }
    }
}
