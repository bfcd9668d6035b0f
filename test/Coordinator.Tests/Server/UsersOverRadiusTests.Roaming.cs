using System.Net.Http.Headers;
using System.Text;
using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Keys;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Server;

/// <summary>Keys for fast transitions: eapol_test authenticates as an access point with 802.11r does, and what agents are told then is compared with what comes of eapol_test's own MSK.</summary>
public sealed partial class UsersOverRadiusTests
{
    private const uint Ccmp = 0x000F_AC04;
    private static readonly MacAddress s_radio = MacAddress.Parse("02:00:00:00:0b:01");
    private static readonly MacAddress s_otherRadio = MacAddress.Parse("02:00:00:00:0b:02");
    private static readonly MacAddress s_strange = MacAddress.Parse("02:00:00:00:0b:03");

    // What hostapd sends with mobility_domain=a1b2, nas_identifier=ap1.example and ssid=caf\xe9 "1", on a link with CCMP and FT over 802.1X.
    private static readonly string[] s_transitions =
        ["30:x:" + Convert.ToHexString([.. "02-00-00-00-0B-09:caf"u8, 0xE9, .. " \"1\""u8]), "32:s:ap1.example", "177:d:41394", "186:d:1027076", "188:d:1027075"];

    [Fact]
    [Trait("Req", "A-25")]
    public async Task An_access_point_is_given_the_key_of_its_own_radios_as_long_as_the_session_holds()
    {
        await StartAsync(withTokens: true);
        using var agent = await GreetedAsync(1);
        var (msk, session) = await AuthenticatedAsync(agent, s_transitions);
        using var r0 = Expected(msk, session);
        foreach (var radio in new[] { s_radio, s_otherRadio })
        {
            using var r1 = r0.DeriveFor(radio);
            var expected = new byte[PmkR1.Length];
            r1.CopyTo(expected);
            var told = await KeyAsync(agent, radio, r0.Name);
            Assert.Equal((RoamingKeyOutcome.Given, Convert.ToHexString(expected), Ccmp), (told.Outcome, Convert.ToHexString(told.Key.Span), told.Cipher));
            Assert.InRange(told.SecondsLeft, 3_500U, 3_600U);
        }

        // Another name, and a client that nobody knows.
        Assert.Equal((RoamingKeyOutcome.Unknown, 0), Of(await KeyAsync(agent, s_radio, new byte[16])));
        Assert.Equal((RoamingKeyOutcome.Unknown, 0), Of(await KeyAsync(agent, s_radio, r0.Name, OtherClient)));

        // A radio that is nobody's, and one that is another access point's.
        Assert.Equal((RoamingKeyOutcome.Refused, 0), Of(await KeyAsync(agent, s_strange, r0.Name)));
        using var stranger = await GreetedAsync(2);
        Assert.Equal((RoamingKeyOutcome.Refused, 0), Of(await KeyAsync(stranger, s_radio, r0.Name)));
        Assert.Contains("asks for the key", _log.ToString(), StringComparison.Ordinal);

        // The session is disconnected, the user comes again, and is denied.
        Assert.Contains("Received Disconnect-ACK", Radclient("disconnect", "User-Name = alice\n"), StringComparison.Ordinal);
        Assert.Equal((RoamingKeyOutcome.Unknown, 0), Of(await KeyAsync(agent, s_radio, r0.Name)));
        (msk, session) = await AuthenticatedAsync(agent, s_transitions);
        using var again = Expected(msk, session);
        Assert.Equal(RoamingKeyOutcome.Given, (await KeyAsync(agent, s_radio, again.Name)).Outcome);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{_api}"), DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", _token) } };
        using var denied = await http.PostAsync("/v1/users/alice/deny", null);
        Assert.True(denied.IsSuccessStatusCode);
        Assert.Equal((RoamingKeyOutcome.Unknown, 0), Of(await KeyAsync(agent, s_radio, again.Name)));
    }

    [Theory]
    [Trait("Req", "A-25")]
    [InlineData(2)]
    [InlineData(1)]
    [InlineData(0)]
    public async Task Without_mobility_domain_or_identifier_or_name_of_the_network_there_is_no_key(int missing)
    {
        await StartAsync();
        using var agent = await GreetedAsync(1);
        var (msk, session) = await AuthenticatedAsync(agent, [.. s_transitions.Where((_, i) => i != missing)]);
        using var r0 = Expected(msk, session);
        Assert.Equal((RoamingKeyOutcome.Unknown, 0), Of(await KeyAsync(agent, s_radio, r0.Name)));
    }

    private static (RoamingKeyOutcome Outcome, int Octets) Of(RoamingKeyReply reply) => (reply.Outcome, reply.Key.Length);

    private static PmkR0 Expected(byte[] msk, UserSession session)
    {
        Assert.True(MobilityDomain.TryMake([.. "caf"u8, 0xE9, .. " \"1\""u8], 0xA1B2, Encoding.ASCII.GetBytes("ap1.example"), Ccmp, out var domain));
        Assert.True(PmkR0.TryDerive(msk, domain, SessionId.FromBytes(session.Session.Span), Client, out var key));
        return key;
    }

    private async Task<(byte[] Msk, UserSession Session)> AuthenticatedAsync(ControlEnd agent, string[] attributes)
    {
        var said = LetIn(Client, "alice", _password, attributes);
        var msk = Convert.FromHexString(MskLine().Match(said).Groups[1].Value.Replace(" ", string.Empty, StringComparison.Ordinal));
        var session = await SessionAsync(agent, Client);
        await UsedAsync(agent, session, Client);
        return (msk, session);
    }

    private async Task<RoamingKeyReply> AskAsync(ControlEnd agent, MacAddress radio, Octets name, MacAddress client)
    {
        await agent.SendAsync(new RoamingKeyQuery { Id = ++_id, Client = client, Holder = radio, Name = name });
        return await agent.ReadAsync<RoamingKeyReply>();
    }

    private Task<RoamingKeyReply> KeyAsync(ControlEnd agent, MacAddress radio, ReadOnlySpan<byte> name, MacAddress? client = null) => AskAsync(agent, radio, new Octets(name), client ?? Client);
}
