using System.Buffers.Binary;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Auth.Tests.Protection;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.Handshake;

/// <summary>What others make of the messages.</summary>
public sealed class HandshakeJudgeTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-24")]
    public void Another_program_follows_the_handshake_to_the_key_of_the_link()
    {
        var chance = Seed.Fresh(output);
        var expected = new List<string>();
        var lines = new List<string>();
        for (var i = 0; i < 20; i++)
        {
            var pair = new HandshakePair(chance.NextUInt64(), $"ap-{i}");
            var messages = pair.Complete();
            var frame = Channels.Frame(100 + i);
            byte[][] all = [pair.Key.Bytes.ToArray(), Bytes(Channels.AccessPoint.Address), Bytes(Channels.Client.Address), .. messages, Channels.Protect(pair.ClientChannel, frame)];
            lines.Add(string.Join(' ', all.Select(Convert.ToHexString)));
            expected.Add($"ap-{i} {HandshakePair.Session} {Convert.ToHexStringLower(frame)}");
        }

        var answers = KeyJudge.Ask("Handshake/Judges/handshake.py", lines);
        Assert.Equal(expected, answers.Select(a => a[33..]));
        Assert.Equal(20, answers.Select(a => a[..32]).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void Wireshark_sees_messages_1_to_4_and_finds_nothing_wrong()
    {
        var messages = new HandshakePair().Complete();
        var folder = Directory.CreateTempSubdirectory("masq-handshake-");
        try
        {
            var path = Path.Combine(folder.FullName, "handshake.pcap");
            File.WriteAllBytes(path, Capture(messages));
            string[] fields = ["wlan_rsna_eapol.keydes.msgnr", "wlan_rsna_eapol.keydes.key_info.keydes_version", "eapol.keydes.replay_counter", "_ws.malformed", "_ws.expert.severity"];
            var (code, said, errors) = OutsideProgram.Run("tshark", ["-n", "-r", path, "-T", "fields", "-E", "separator=;", .. fields.SelectMany(f => (string[])["-e", f])]);
            Assert.True(code == 0, errors);
            Assert.Equal(["1;3;1;;", "2;3;1;;", "3;3;2;;", "4;3;2;;"], said.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static byte[] Capture(byte[][] messages)
    {
        var (ap, client) = (Channels.AccessPoint.Address, Channels.Client.Address);
        using var stream = new MemoryStream();
        Span<byte> header = stackalloc byte[24];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0xA1B2C3D4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], 0x0004_0002);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], 65_535);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        stream.Write(header);
        Span<byte> record = stackalloc byte[16];
        for (var i = 0; i < messages.Length; i++)
        {
            var frame = new byte[EthernetHeader.Length + messages[i].Length];
            EthernetHeader.Write(frame, i % 2 == 0 ? client : ap, i % 2 == 0 ? ap : client, EtherType.Eapol);
            messages[i].CopyTo(frame, EthernetHeader.Length);
            record.Clear();
            BinaryPrimitives.WriteInt32LittleEndian(record, i);
            BinaryPrimitives.WriteInt32LittleEndian(record[8..], frame.Length);
            BinaryPrimitives.WriteInt32LittleEndian(record[12..], frame.Length);
            stream.Write(record);
            stream.Write(frame);
        }

        return stream.ToArray();
    }

    private static byte[] Bytes(MacAddress mac)
    {
        var bytes = new byte[6];
        mac.WriteTo(bytes);
        return bytes;
    }
}
