using Masquerade.Auth.Keys;

namespace Masquerade.Auth.Tests.Keys;

/// <summary>The two modes of AES that the runtime does not have, against the vectors of their RFCs.</summary>
public sealed class AesModesTests
{
    private const string CmacKey = "2b7e151628aed2a6abf7158809cf4f3c";
    private const string CmacText = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

    /// <summary>RFC 4493 section 4.</summary>
    [Theory]
    [InlineData(0, "bb1d6929e95937287fa37d129b756746")]
    [InlineData(16, "070a16b46b4d4144f79bdd9dd04a287c")]
    [InlineData(40, "dfa66747de9ae63030ca32611497c827")]
    [InlineData(64, "51f0bebf7e3b9d92fc49741779363cfe")]
    public void Cmac_gives_what_RFC_4493_gives(int length, string expected)
    {
        var mac = new byte[AesCmac.Length];
        AesCmac.Compute(Convert.FromHexString(CmacKey), Convert.FromHexString(CmacText).AsSpan(0, length), mac);
        Assert.Equal(expected, Convert.ToHexStringLower(mac));
    }

    /// <summary>RFC 3394 sections 4.1 to 4.6.</summary>
    [Theory]
    [InlineData(16, "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")]
    [InlineData(24, "00112233445566778899AABBCCDDEEFF", "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D")]
    [InlineData(32, "00112233445566778899AABBCCDDEEFF", "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7")]
    [InlineData(24, "00112233445566778899AABBCCDDEEFF0001020304050607", "031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2")]
    [InlineData(32, "00112233445566778899AABBCCDDEEFF0001020304050607", "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1")]
    [InlineData(32, "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F", "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21")]
    public void Key_wrap_gives_what_RFC_3394_gives(int keyLength, string plain, string expected)
    {
        var key = Enumerable.Range(0, keyLength).Select(i => (byte)i).ToArray();
        var data = Convert.FromHexString(plain);
        var wrapped = new byte[data.Length + AesKeyWrap.Overhead];
        AesKeyWrap.Wrap(key, data, wrapped);
        Assert.Equal(expected, Convert.ToHexString(wrapped));
        var opened = new byte[data.Length];
        Assert.True(AesKeyWrap.TryUnwrap(key, wrapped, opened));
        Assert.Equal(data, opened);
    }

    [Fact]
    public void What_was_altered_or_cut_off_is_not_unwrapped_and_shows_nothing()
    {
        var key = Enumerable.Range(0, 16).Select(i => (byte)i).ToArray();
        var data = Enumerable.Range(0, 40).Select(i => (byte)i).ToArray();
        var wrapped = new byte[data.Length + AesKeyWrap.Overhead];
        AesKeyWrap.Wrap(key, data, wrapped);
        for (var bit = 0; bit < wrapped.Length * 8; bit++)
        {
            var altered = wrapped.ToArray();
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            var opened = data.ToArray();
            Assert.False(AesKeyWrap.TryUnwrap(key, altered, opened));
            Assert.False(opened.AsSpan().ContainsAnyExcept((byte)0));
        }

        for (var length = 0; length < wrapped.Length; length++)
        {
            Assert.False(AesKeyWrap.TryUnwrap(key, wrapped.AsSpan(0, length), new byte[Math.Max(0, length - AesKeyWrap.Overhead)]));
        }

        Assert.Throws<ArgumentException>(() => AesKeyWrap.Wrap(key, new byte[8], new byte[16]));
        Assert.Throws<ArgumentException>(() => AesKeyWrap.Wrap(key, new byte[20], new byte[28]));
    }
}
