using Masquerade.Auth.Protection;
using Masquerade.Core.Time;

namespace Masquerade.Auth.Tests.Protection;

/// <summary>Keys of a protected link: they come once, their counters only grow, and one follows another without loss.</summary>
public sealed class MacsecKeysTests
{
    private static LinkAssociation AtClient(byte number, uint first = 1) => new(Channels.Client, Channels.AccessPoint, number, first, first);

    [Fact]
    [Trait("Req", "A-24")]
    public void Keys_that_cannot_be_are_refused()
    {
        using var channel = new MacsecChannel();
        Assert.Equal(KeyInstall.NotAKey, channel.Install(new byte[16], AtClient(0)));
        for (var length = 0; length < 40; length++)
        {
            var bytes = Enumerable.Repeat((byte)1, length).ToArray();
            Assert.Equal(length == 16, channel.Install(bytes, AtClient(0)) == KeyInstall.Installed);
        }

        Assert.Equal(KeyInstall.BadNumber, channel.Install(Channels.Key(1), AtClient(4)));
        Assert.Equal(KeyInstall.BadPacketNumber, channel.Install(Channels.Key(1), AtClient(1, 0)));
        Assert.Equal(KeyInstall.BadSender, channel.Install(Channels.Key(1), AtClient(1) with { Receive = default }));
        Assert.False(channel.StartTransmit(1));
        Assert.False(channel.StartTransmit(200));
        Assert.Throws<ArgumentException>(() => new MacsecChannel(new MacsecConfig { ReplayWindow = 5000 }));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void The_same_key_a_thousand_times_resets_no_counter()
    {
        var (accessPoint, client) = Channels.Pair();
        var first = Channels.Protect(client, Channels.Frame(60));
        Assert.Equal(ProtectionDrop.None, Channels.Validate(accessPoint, first).Drop);
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(KeyInstall.AlreadyInstalled, client.Install(Channels.Key(1), AtClient(0)));
            Assert.Equal(KeyInstall.AlreadyInstalled, accessPoint.Install(Channels.Key(1), new LinkAssociation(Channels.AccessPoint, Channels.Client, 0, 1, 1)));
            Assert.True(client.StartTransmit(0));
        }

        Assert.Equal((long)uint.MaxValue - 1, client.PacketNumbersLeft);
        Assert.Equal(ProtectionDrop.Replayed, Channels.Validate(accessPoint, first).Drop);
        Assert.Equal(KeyInstall.UsedBefore, client.Install(Channels.Key(1), AtClient(1)));
        Assert.Equal(KeyInstall.UsedBefore, client.Install(Channels.Key(1), AtClient(0, 5)));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_key_that_was_replaced_or_taken_away_does_not_come_back()
    {
        var (accessPoint, client) = Channels.Pair();
        for (byte i = 1; i < 9; i++)
        {
            Channels.Renew(accessPoint, client, 1UL + i, (byte)(i % 4));
        }

        for (ulong i = 1; i < 9; i++)
        {
            Assert.Equal(KeyInstall.UsedBefore, client.Install(Channels.Key(i), AtClient(3)));
        }

        client.Dispose();
        Assert.Equal(KeyInstall.UsedBefore, client.Install(Channels.Key(3), AtClient(3)));
        Assert.Equal(KeyInstall.Installed, client.Install(Channels.Key(99), AtClient(3)));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_new_key_takes_over_without_loss_and_the_old_one_goes_after_its_time()
    {
        var config = new MacsecConfig { OldKeyStays = TimeSpan.FromSeconds(2) };
        var (accessPoint, client) = Channels.Pair(config);
        var underWay = Channels.Protect(client, Channels.Frame(60));
        var late = Channels.Protect(client, Channels.Frame(60));

        // The access point receives first; the client takes it and sends; the access point sends last.
        Assert.Equal(KeyInstall.Installed, accessPoint.Install(Channels.Key(2), new LinkAssociation(Channels.AccessPoint, Channels.Client, 1, 1, 1)));
        Assert.Equal(KeyInstall.Installed, client.Install(Channels.Key(2), AtClient(1)));
        Assert.Equal(ProtectionDrop.None, Channels.Validate(client, Channels.Protect(accessPoint, Channels.Frame(60))).Drop);
        Assert.True(client.StartTransmit(1));
        var now = Instant.FromMilliseconds(1000);
        Assert.Equal(ProtectionDrop.None, Channels.Validate(accessPoint, Channels.Protect(client, Channels.Frame(60)), now).Drop);
        Assert.Equal(ProtectionDrop.None, Channels.Validate(client, Channels.Protect(accessPoint, Channels.Frame(60)), now).Drop);
        Assert.True(accessPoint.StartTransmit(1));
        Assert.Equal(ProtectionDrop.None, Channels.Validate(accessPoint, underWay, now).Drop);
        Assert.Equal(ProtectionDrop.None, Channels.Validate(accessPoint, Channels.Protect(client, Channels.Frame(60)), now).Drop);
        Assert.Equal(now + config.OldKeyStays, accessPoint.NextDeadline);
        Assert.Equal(ProtectionDrop.UnknownKey, Channels.Validate(accessPoint, late, now + config.OldKeyStays).Drop);
        Assert.Equal(Instant.Never, accessPoint.NextDeadline);
        Assert.False(accessPoint.StartTransmit(0));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_key_takes_the_place_of_one_with_its_number_and_nothing_goes_back_to_an_older_key()
    {
        var (_, client) = Channels.Pair();
        Assert.Equal(KeyInstall.Installed, client.Install(Channels.Key(2), AtClient(0)));
        Assert.Equal(ProtectionDrop.NoKey, client.Protect(Channels.Frame(60), new byte[200], out _));
        Assert.True(client.StartTransmit(0));
        Assert.Equal(ProtectionDrop.None, client.Protect(Channels.Frame(60), new byte[200], out _));
        Assert.Equal(KeyInstall.Installed, client.Install(Channels.Key(3), AtClient(1)));
        Assert.Equal(KeyInstall.Installed, client.Install(Channels.Key(4), AtClient(1)));
        Assert.True(client.StartTransmit(0));
        Assert.True(client.StartTransmit(1));
        Assert.False(client.StartTransmit(0), "back to an older key");
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Behind_the_last_packet_number_nothing_is_sent_until_there_is_a_new_key()
    {
        var (accessPoint, client) = Channels.Pair(first: 0xBFFF_FFFF);
        Assert.False(client.WantsNewKey);
        Channels.Validate(accessPoint, Channels.Protect(client, Channels.Frame(60)));
        Assert.True(client.WantsNewKey);
        Assert.True(accessPoint.WantsNewKey, "it sees how far the other end is");

        (accessPoint, client) = Channels.Pair(first: uint.MaxValue - 2);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(ProtectionDrop.None, Channels.Validate(accessPoint, Channels.Protect(client, Channels.Frame(60))).Drop);
        }

        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(ProtectionDrop.PacketNumbersExhausted, client.Protect(Channels.Frame(60), new byte[200], out _));
        }

        Assert.Equal(10, client.Counters[ProtectionDrop.PacketNumbersExhausted]);
        Assert.Equal(0, client.PacketNumbersLeft);
        Channels.Renew(accessPoint, client, 2, 1);
        Assert.False(client.WantsNewKey);
        Assert.Equal(ProtectionDrop.None, Channels.Validate(accessPoint, Channels.Protect(client, Channels.Frame(60))).Drop);
    }
}
