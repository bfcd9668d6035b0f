using System.Buffers.Binary;
using Masquerade.Client.Link;
using Masquerade.Client.Run;
using Xunit.Abstractions;

namespace Masquerade.Client.Tests;

/// <summary>What the client is told by people and by the kernel.</summary>
[Trait("Req", "A-23")]
public sealed class SettingsTests(ITestOutputHelper output)
{
    private const int Interface = 7;
    private const uint Running = 0x1_0041;

    [Fact]
    public void A_file_says_all_that_the_command_line_can()
    {
        var settings = ClientFile.Parse("""
            {
              "interface": "eth0", "identity": "ada", "anonymous": "anonymous@example.org", "method": "ttls-mschapv2", "ca": "ca.pem", "serverName": ".example.org",
              "certificate": "ada.pem", "key": "ada.key", "passwordFile": "password", "tap": "masq7", "plainOk": true, // as it comes
            }
            """);
        Assert.Equal(
            new ClientSettings
            {
                Interface = "eth0", Identity = "ada", Anonymous = "anonymous@example.org", Method = ClientMethod.TtlsMsChapV2, AuthorityFile = "ca.pem", ServerName = ".example.org",
                CertificateFile = "ada.pem", KeyFile = "ada.key", PasswordFile = "password", Tap = "masq7", PlainIsGood = true,
            },
            settings);
        Assert.Empty(settings.Mistakes());
    }

    [Fact]
    public void All_mistakes_of_a_file_are_named_at_once()
    {
        var message = Assert.Throws<ClientException>(() => ClientFile.Parse("""{ "interface": 1, "method": "peap", "password": "secret", "plainOk": "yes" }""")).Message;
        output.WriteLine(message);
        Assert.All(["interface", "method", "password", "plainOk"], word => Assert.Contains(word, message, StringComparison.Ordinal));
        Assert.Throws<ClientException>(() => ClientFile.Parse("{"));
        Assert.Throws<ClientException>(() => ClientFile.Read("/nothere"));
    }

    [Fact]
    public void A_client_that_could_not_tell_servers_apart_does_not_run()
    {
        Assert.Equal(5, new ClientSettings().Mistakes().Count);
        var settings = new ClientSettings { Interface = "eth0", Identity = "ada", AuthorityFile = "ca.pem", ServerName = "radius.test", Method = ClientMethod.TtlsPap };
        Assert.Empty(settings.Mistakes());
        Assert.Single((settings with { AuthorityFile = string.Empty }).Mistakes());
        Assert.Single((settings with { ServerName = "." }).Mistakes());
        Assert.Single((settings with { Method = ClientMethod.Tls }).Mistakes());
    }

    [Fact]
    public void The_kernels_messages_about_the_interface_are_read_and_others_passed_over()
    {
        var messages = (ReadOnlySpan<byte>)(byte[])[.. Message(16, 6, Running), .. Message(16, Interface, 0x1003), .. Message(16, Interface, Running), .. Message(17, Interface, Running), .. Message(20, Interface, Running)];
        var states = new List<bool?>();
        while (LinkChanges.TryTake(ref messages, Interface, out var isUp))
        {
            states.Add(isUp);
        }

        Assert.Equal([null, false, true, false, null], states);
    }

    [Fact]
    public void Messages_that_are_cut_off_or_none_end_the_reading()
    {
        var chance = Seed.Fresh(output);
        byte[] good = [.. Message(16, 6, Running), .. Message(16, Interface, Running)];
        for (var length = 0; length < good.Length; length++)
        {
            var messages = (ReadOnlySpan<byte>)good.AsSpan(0, length);
            while (LinkChanges.TryTake(ref messages, Interface, out var isUp))
            {
                Assert.Null(isUp);
            }
        }

        for (var i = 0; i < 20_000; i++)
        {
            var altered = good.ToArray();
            for (var k = 0; k < 3; k++)
            {
                altered[chance.NextInt(altered.Length)] = (byte)chance.NextInt(256);
            }

            var messages = (ReadOnlySpan<byte>)altered;
            var count = 0;
            while (LinkChanges.TryTake(ref messages, Interface, out _))
            {
                Assert.True(++count < 100);
            }
        }
    }

    private static byte[] Message(ushort type, int index, uint flags)
    {
        var message = new byte[36];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)message.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), type);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(20), index);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(24), flags);
        return message;
    }
}
