using System.Text;
using Masquerade.AccessPoint.Agent.Radio;
using Masquerade.Core.Flow;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.AccessPoint.Tests.Radio;

/// <summary>What hostapd says: only what it says itself counts, whatever names of users are.</summary>
public sealed class HostapdWordsTests(ITestOutputHelper output)
{
    private static readonly MacAddress s_station = MacAddress.Parse("02:6d:71:0c:00:01");

    /// <summary>As hostapd 2.10 writes it, by its source, shortened.</summary>
    private const string Answer = """
        02:6d:71:0c:00:01
        flags=[AUTH][ASSOC][AUTHORIZED][WMM]
        aid=1
        hostapdWPAPTKState=11
        hostapdWPAPTKGroupState=0
        dot1xPaePortNumber=1
        dot1xAuthPaeState=5
        dot1xAuthSessionTerminateCause=999
        dot1xAuthSessionUserName=alice
        authMultiSessionId=3A3FB09A4C724125
        last_eap_type_as=25 (PEAP)
        last_eap_type_sta=25 (PEAP)
        rx_packets=12

        """;

    [Theory]
    [InlineData("<3>AP-STA-CONNECTED 02:6d:71:0c:00:01", nameof(HostapdWord.Connected))]
    [InlineData("<3>AP-STA-CONNECTED 02:6d:71:0c:00:01 auth_alg=ft", nameof(HostapdWord.Connected))]
    [InlineData("<3>AP-STA-DISCONNECTED 02:6d:71:0c:00:01\n", nameof(HostapdWord.Disconnected))]
    [InlineData("<2>EAPOL-4WAY-HS-COMPLETED 02:6d:71:0c:00:01", nameof(HostapdWord.Proved))]
    public void Events_about_stations_are_read(string said, string word)
    {
        Assert.True(HostapdWords.TryParseEvent(Encoding.UTF8.GetBytes(said), out var read, out var station));
        Assert.Equal((word, s_station), (read.ToString(), station));
    }

    [Theory]
    [InlineData("AP-STA-CONNECTED 02:6d:71:0c:00:01")]
    [InlineData("<3>")]
    [InlineData("<>AP-STA-CONNECTED 02:6d:71:0c:00:01")]
    [InlineData("<x>AP-STA-CONNECTED 02:6d:71:0c:00:01")]
    [InlineData("<3333>AP-STA-CONNECTED 02:6d:71:0c:00:01")]
    [InlineData("<3>AP-STA-CONNECTED")]
    [InlineData("<3>AP-STA-CONNECTED  02:6d:71:0c:00:01")]
    [InlineData("<3>AP-STA-CONNECTED 02:6d:71:0c:00:0")]
    [InlineData("<3>AP-STA-CONNECTED 02:6d:71:0c:00:011")]
    [InlineData("<3>AP-STA-CONNECTED zz:6d:71:0c:00:01")]
    [InlineData("<3>AP-STA-CONNECTED 03:6d:71:0c:00:01")]
    [InlineData("<3>AP-STA-CONNECTED 00:00:00:00:00:00")]
    [InlineData("<3>AP-STA-POLL-OK 02:6d:71:0c:00:01")]
    public void What_is_no_event_about_a_station_is_none(string said) => Assert.False(HostapdWords.TryParseEvent(Encoding.UTF8.GetBytes(said), out _, out _));

    [Fact]
    [Trait("Req", "A-23")]
    public void A_station_with_a_proved_key_is_its_users()
    {
        Assert.Equal(new HostapdStation(s_station, true, "alice"), Read(Answer));
        Assert.Equal(new HostapdStation(s_station, true, "alice"), Read(Answer.Replace("authMultiSessionId=3A3FB09A4C724125\n", "", StringComparison.Ordinal)));
        Assert.Equal(new HostapdStation(s_station, true, null), Read(Answer.Replace("State=11", "State=7", StringComparison.Ordinal)));

        // Whoever sends a Start is asked for his name anew, and hostapd writes what he answers: with the port still open, and the keys of before.
        foreach (var state in new[] { "1", "3", "4", "7", "10", "55", "" })
        {
            Assert.Equal(new HostapdStation(s_station, true, null), Read(Answer.Replace("PaeState=5", "PaeState=" + state, StringComparison.Ordinal)));
        }

        Assert.Equal(new HostapdStation(s_station, true, null), Read(Answer.Replace("dot1xAuthPaeState=5\n", "", StringComparison.Ordinal)));
        Assert.Equal(new HostapdStation(s_station, false, null), Read(Answer.Replace("[AUTHORIZED]", "", StringComparison.Ordinal)));
        Assert.Equal(new HostapdStation(s_station, true, null), Read("02:6d:71:0c:00:01\nflags=[AUTH][ASSOC][AUTHORIZED]\n"));
    }

    /// <summary>A client chooses its outer name, and hostapd writes it as it is. It is then either taken whole or not at all, and never opens a port or proves a key.</summary>
    [Theory]
    [Trait("Req", "A-23")]
    [InlineData("alice\nflags=[AUTHORIZED]")]
    [InlineData("alice\nlast_eap_type_as=25 (PEAP)")]
    [InlineData("alice\nauthMultiSessionId=1")]
    [InlineData("alice\nauthMultiSessionId=1\nlast_eap_type_as=25 (PEAP)")]
    [InlineData("alice\nlast_eap_type_as=25 (PEAP)\nx=")]
    [InlineData("eve\ndot1xAuthSessionUserName=alice")]
    [InlineData("eve\ndot1xAuthSessionUserName=alice\nlast_eap_type_as=25 (PEAP)")]
    [InlineData("alice\r")]
    [InlineData("alice\0")]
    [InlineData("")]
    public void A_name_with_lines_in_it_is_nobodys(string name) =>
        Assert.Equal(new HostapdStation(s_station, true, null), Read(Answer.Replace("UserName=alice", "UserName=" + name, StringComparison.Ordinal)));

    [Fact]
    [Trait("Req", "A-23")]
    public void A_name_proves_no_key_and_opens_no_port()
    {
        var injected = Answer.Replace("UserName=alice", "UserName=alice\nflags=[AUTHORIZED]\nhostapdWPAPTKState=11\ndot1xAuthSessionUserName=alice", StringComparison.Ordinal);
        Assert.Equal(new HostapdStation(s_station, false, null), Read(injected.Replace("[ASSOC][AUTHORIZED]", "[ASSOC]", StringComparison.Ordinal)));

        // On a wire there is no handshake, and no line about one.
        Assert.Equal(new HostapdStation(s_station, true, null), Read(injected.Replace("hostapdWPAPTKState=11\nhostapdWPAPTKGroup", "hostapdWPAPTKGroup", StringComparison.Ordinal)));
        Assert.Null(Read(Answer.Replace("alice", new string('a', HostapdWords.MaxUser + 1), StringComparison.Ordinal)).User);
    }

    [Fact]
    public void What_is_cut_off_or_altered_is_refused_or_read_and_never_a_reason_to_fall()
    {
        var whole = Encoding.UTF8.GetBytes(Answer);
        for (var length = 0; length < whole.Length; length++)
        {
            if (HostapdWords.TryParseStation(whole.AsSpan(0, length), out var station))
            {
                Assert.Equal(s_station, station.Mac);
                Assert.True(station.User is null or "alice");
            }
        }

        var random = new Random((int)(Seed.Number(output) & int.MaxValue));
        for (var round = 0; round < 20_000; round++)
        {
            var bytes = (byte[])whole.Clone();
            for (var changes = random.Next(1, 6); changes > 0; changes--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            _ = HostapdWords.TryParseStation(bytes, out _);
            _ = HostapdWords.TryParseEvent(bytes, out _, out _);
            random.NextBytes(bytes);
            bytes[0] = (byte)'<';
            _ = HostapdWords.TryParseStation(bytes.AsSpan(0, random.Next(bytes.Length)), out _);
            _ = HostapdWords.TryParseEvent(bytes.AsSpan(0, random.Next(bytes.Length)), out _, out _);
        }
    }

    private static HostapdStation Read(string answer) => HostapdWords.TryParseStation(Encoding.UTF8.GetBytes(answer), out var station) ? station : throw new InvalidOperationException("not a station");
}
