using Masquerade.Auth.Protection;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Protection;

/// <summary>The frames of IEEE 802.1AE: the standard's vectors, and scapy as the other end.</summary>
public sealed class MacsecJudgeTests(ITestOutputHelper output)
{
    /// <summary>IEEE 802.1AE-2018 annex C: packet of 60 octets with confidentiality protection by GCM-AES-128.</summary>
    [Fact]
    [Trait("Req", "A-24")]
    public void The_standards_packet_of_60_octets_comes_out_octet_by_octet()
    {
        var addresses = "D609B1F056637A0D46DF998D";
        var plain = Convert.FromHexString(addresses + "08000F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A0002");
        var expected = Convert.FromHexString(addresses + "88E52E00B2C2846512153524C0895E81" +
            "701AFA1CC039C0D765128A665DAB69243899BF7318CCDC81C9931DA17FBE8EDD7D17CB8B4C26FC81E3284F2B7FBA713D4F8D55E7D3F06FD5A13C0C29B9D5B880");
        var sender = Sci.FromBytes(Convert.FromHexString("12153524C0895E81"));
        var key = Convert.FromHexString("AD7A2BD03EAC835A6F620FDCB506B345");

        using var sending = new MacsecChannel();
        Assert.Equal(KeyInstall.Installed, sending.Install(key, new LinkAssociation(sender, Channels.Client, 2, 0xB2C28465, 1)));
        Assert.True(sending.StartTransmit(2));
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(Channels.Protect(sending, plain)));

        using var receiving = new MacsecChannel();
        Assert.Equal(KeyInstall.Installed, receiving.Install(key, new LinkAssociation(Channels.Client, sender, 2, 1, 0xB2C28465)));
        Assert.Equal(plain, Channels.Validate(receiving, expected).Frame);
    }

    /// <summary>IEEE 802.1AE-2018 annex C: packet of 54 octets, likewise; with a short length, and the sender's identifier left out (the ES bit).</summary>
    [Fact]
    [Trait("Req", "A-24")]
    public void The_standards_packet_of_54_octets_is_read()
    {
        var addresses = "E20106D7CD0DF0761E8DCD3D";
        var secured = Convert.FromHexString(addresses + "88E54C2A76D457ED" +
            "13B4C72B389DC5018E72A171DD85A5D3752274D3A019FBCAED09A425CD9B2E1C9B72EEE7C9DE7D52B3F3D6A5284F4A6D3FE22A5D6C2B960494C3");
        var plain = addresses + "08000F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F30313233340004";
        using var receiving = new MacsecChannel();
        Assert.Equal(KeyInstall.Installed, receiving.Install(Convert.FromHexString("071B113B0CA743FECCCF3D051F737382"),
            new LinkAssociation(Channels.Client, Sci.FromBytes(Convert.FromHexString("F0761E8DCD3D0001")), 0, 1, 1)));
        Assert.Equal(plain, Convert.ToHexString(Channels.Validate(receiving, secured).Frame));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Scapy_reads_what_is_written_here_and_writes_what_is_read_here()
    {
        var chance = Seed.Fresh(output);
        var (accessPoint, client) = Channels.Pair(first: 0x10);
        var key = Convert.ToHexString(Channels.Key(1));
        var sci = new byte[Sci.Length];
        Channels.Client.WriteTo(sci);
        var sender = Convert.ToHexString(sci);
        ushort[] types = [EtherType.IPv4, EtherType.IPv6, EtherType.Arp, 0x8100, 0x88B5];

        var lines = new List<string>();
        var frames = new List<byte[]>();
        var own = new List<byte[]>();
        for (var i = 0; i < 200; i++)
        {
            // All lengths around the short length rule, then any.
            var frame = Channels.Frame(i < 80 ? EthernetHeader.Length + i : 14 + chance.NextInt(1500), types[chance.NextInt(types.Length)], chance.NextUInt64());
            frames.Add(frame);
            own.Add(Channels.Protect(client, frame));
            lines.Add($"open {key} {sender} 0 {Convert.ToHexString(own[i])}");
            lines.Add($"seal {key} {sender} 0 {0x10 + i} {Convert.ToHexString(frame)}");
            var altered = own[i].ToArray();

            // Behind type, TCI and SL, so that scapy still sees a frame of this kind under this key.
            var bit = (16 * 8) + chance.NextInt((altered.Length - 16) * 8);
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            lines.Add($"open {key} {sender} 0 {Convert.ToHexString(altered)}");
        }

        var answers = KeyJudge.Ask("Protection/Judges/macsec.py", lines);
        Assert.Equal(lines.Count, answers.Length);
        for (var i = 0; i < frames.Count; i++)
        {
            Assert.Equal(Convert.ToHexStringLower(frames[i]), answers[3 * i]);
            Assert.Equal(Convert.ToHexStringLower(own[i]), answers[(3 * i) + 1]);

            // scapy takes the identifier from its configuration, so a wrong one in the frame is wrong associated data to it, too.
            Assert.Equal("refused", answers[(3 * i) + 2]);
            Assert.Equal(frames[i], Channels.Validate(accessPoint, Convert.FromHexString(answers[(3 * i) + 1])).Frame);
        }
    }
}
