using System.Buffers.Binary;
using System.Diagnostics;
using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Tests.Authenticator;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Auth.Tests.Eapol;

/// <summary>tshark reads what is written here: it must understand it as it was meant, and find nothing wrong.</summary>
public sealed class TsharkJudgeTests
{
    private const string Shark = "/usr/bin/tshark";

    [Fact, Trait("Req", "A-24")]
    public void Key_frames_say_what_they_should()
    {
        var nonce = Enumerable.Range(1, 32).Select(number => (byte)number).ToArray();
        var data = new byte[100];
        var writer = new KeyDataWriter(data);
        Assert.True(writer.TryAddElement(KeyDataElement.RsnId, Convert.FromHexString("0100000fac040100000fac040100000fac010000")));
        Assert.True(writer.TryAddKde(KeyDataElement.Ieee80211Oui, 4, nonce.AsSpan(0, 16)));
        var pdu = new byte[300];
        Assert.True(EapolKeyFrame.TryWrite(
            pdu,
            new EapolKeyFields
            {
                Information = KeyInformation.Pairwise | KeyInformation.Ack | KeyInformation.Install | KeyInformation.Mic | KeyInformation.Secure,
                DescriptorVersion = 2,
                KeyLength = 16,
                ReplayCounter = 0x0102_0304_0506_0708,
                Nonce = nonce,
                ReceiveCounter = [8, 7, 6, 5, 4, 3, 2, 1],
                KeyData = writer.Written,
            },
            out var written));
        EapolKeyFrame.MicOf(pdu).Fill(0xAB);

        var line = Assert.Single(Ask(
            [pdu[..written]],
            "eapol.version", "eapol.type", "eapol.len", "eapol.keydes.type", "wlan_rsna_eapol.keydes.key_info", "eapol.keydes.key_len", "eapol.keydes.replay_counter", "wlan_rsna_eapol.keydes.nonce",
            "eapol.keydes.key_iv", "wlan_rsna_eapol.keydes.rsc", "wlan_rsna_eapol.keydes.mic", "wlan_rsna_eapol.keydes.data_len", "wlan.tag.number", "wlan.rsn.version", "wlan.rsn.ie.pmkid", "_ws.malformed"));
        Assert.Equal(
            $"2|3|{written - 4}|2|0x03ca|16|72623859790382856|{Convert.ToHexStringLower(nonce)}|{new string('0', 32)}|0807060504030201|{string.Concat(Enumerable.Repeat("ab", 16))}|44|48,221|1|{Convert.ToHexStringLower(nonce.AsSpan(0, 16))}|",
            line);
    }

    [Fact, Trait("Req", "A-23")]
    public void Frames_of_an_authentication_say_what_they_should()
    {
        var bench = new Bench(new AuthenticatorConfig { IdentityText = "who?"u8.ToArray() });
        bench.Authenticate();
        var first = bench.Sent[0].Eap[1];
        var frames = bench.Sent.Select(sent =>
        {
            var pdu = new byte[sent.Eap.Length + 4];
            Assert.True(EapolFrame.TryWrite(pdu, 2, EapolType.Packet, sent.Eap, out _));
            return pdu;
        }).ToList();
        var nak = new byte[20];
        Assert.True(EapPacket.TryWriteNak(nak.AsSpan(4), 9, [13], out var length));
        Assert.True(EapolFrame.TryWrite(nak, 1, EapolType.Packet, nak.AsSpan(4, length), out var written));
        frames.Add(nak[..written]);
        frames.Add([1, 1, 0, 0]);

        var lines = Ask(frames, "eapol.version", "eapol.type", "eap.code", "eap.id", "eap.len", "eap.type", "eap.identity", "eap.desired_type", "_ws.malformed");
        Assert.Equal(
            [
                $"2|0|1|{first}|9|1|who?||",
                $"2|0|1|{(byte)(first + 1)}|6|25|||",
                $"2|0|1|{(byte)(first + 2)}|6|25|||",
                $"2|0|3|{(byte)(first + 2)}|4||||",
                "1|0|2|9|6|3||13|",
                "1|1|||||||",
            ],
            lines);
    }

    private static string[] Ask(List<byte[]> pdus, params string[] fields)
    {
        Assert.True(File.Exists(Shark), $"{Shark} is missing: apt-get install tshark");
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, Capture(pdus));
            var start = new ProcessStartInfo(Shark) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
            foreach (var argument in (string[])["-n", "-r", path, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a", .. fields.SelectMany(field => (string[])["-e", field])])
            {
                start.ArgumentList.Add(argument);
            }

            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            var answer = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(TimeSpan.FromMinutes(1)))
            {
                process.Kill();
                Assert.Fail("tshark did not end");
            }

            Assert.True(process.ExitCode == 0, errors.GetAwaiter().GetResult());
            return answer.GetAwaiter().GetResult().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
        finally
        {
            File.Delete(path);
        }
    }

    // The classic format: a header, then each frame behind a time and its two lengths. Short frames are padded as Ethernet does.
    private static byte[] Capture(List<byte[]> pdus)
    {
        using var stream = new MemoryStream();
        Span<byte> header = stackalloc byte[24];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0xA1B2_C3D4);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], 65_535);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        stream.Write(header);
        foreach (var pdu in pdus)
        {
            var frame = new byte[Math.Max(60, EthernetHeader.Length + pdu.Length)];
            EthernetHeader.Write(frame, Bench.Alice, new MacAddress(0x0200_0000_0001), EtherType.Eapol);
            pdu.CopyTo(frame, EthernetHeader.Length);
            var record = header[..16];
            record.Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(record[8..], (uint)frame.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(record[12..], (uint)frame.Length);
            stream.Write(record);
            stream.Write(frame);
        }

        return stream.ToArray();
    }
}
