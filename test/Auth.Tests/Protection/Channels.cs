using Masquerade.Auth.Protection;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Auth.Tests.Protection;

/// <summary>Two ends of one protected link.</summary>
internal static class Channels
{
    public static readonly Sci Client = new(MacAddress.Parse("02:00:00:00:00:01"), Sci.ClientPort);
    public static readonly Sci AccessPoint = new(MacAddress.Parse("02:00:00:00:aa:01"), 7);

    public static (MacsecChannel AccessPoint, MacsecChannel Client) Pair(MacsecConfig? config = null, uint first = 1)
    {
        var (a, c) = (new MacsecChannel(config), new MacsecChannel(config));
        Renew(a, c, 1, 0, first);
        return (a, c);
    }

    /// <summary>Gives both ends a key and has both send under it.</summary>
    public static void Renew(MacsecChannel accessPoint, MacsecChannel client, ulong seed, byte number, uint first = 1)
    {
        Assert.Equal(KeyInstall.Installed, accessPoint.Install(Key(seed), new LinkAssociation(AccessPoint, Client, number, first, first)));
        Assert.Equal(KeyInstall.Installed, client.Install(Key(seed), new LinkAssociation(Client, AccessPoint, number, first, first)));
        Assert.True(client.StartTransmit(number));
        Assert.True(accessPoint.StartTransmit(number));
    }

    public static byte[] Key(ulong seed) => KeyJudge.Draw(new SeededRandom(seed), 16);

    /// <summary>A frame of this many octets from client to access point.</summary>
    public static byte[] Frame(int length, ushort type = EtherType.IPv4, ulong seed = 5)
    {
        var frame = KeyJudge.Draw(new SeededRandom(seed), length);
        EthernetHeader.Write(frame, AccessPoint.Address, Client.Address, type);
        return frame;
    }

    public static byte[] Protect(MacsecChannel channel, byte[] frame)
    {
        var output = new byte[frame.Length + MacsecChannel.FrameOverhead];
        Assert.Equal(ProtectionDrop.None, channel.Protect(frame, output, out var written));
        return output[..written];
    }

    /// <summary>The frame, or why there is none.</summary>
    public static (ProtectionDrop Drop, byte[] Frame) Validate(MacsecChannel channel, ReadOnlySpan<byte> frame, Instant now = default)
    {
        var output = new byte[Math.Max(frame.Length, 1)];
        var drop = channel.Validate(frame, output, now, out var written);
        Assert.True(drop == ProtectionDrop.None || written == 0);
        if (drop != ProtectionDrop.None)
        {
            Assert.False(output.AsSpan().ContainsAnyExcept((byte)0), "something of a dropped frame was shown");
        }

        return (drop, output[..written]);
    }
}
