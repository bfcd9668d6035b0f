using Masquerade.AccessPoint.Users;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using static Masquerade.AccessPoint.Tests.Users.UserBench;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>Beside another authenticator on the same link: hostapd authenticates, and the access point asks nobody.</summary>
public sealed class LinkAuthenticatorTests
{
    private readonly UserBench _bench = new(new UsersConfig { Enabled = true, Authenticator = UserAuthenticator.Link, TrustLink = true });

    [Fact]
    [Trait("Req", "A-23")]
    public void Nobody_is_asked_and_no_EAP_goes_to_the_key_holder()
    {
        _bench.Speak(Client);
        _bench.Tell(Client, null);
        _bench.Eapol(Client, 1);
        _bench.Eapol(Client, 0, 2, 1, 0, 7, 1, (byte)'b', (byte)'o');
        _bench.Node.OnClientFrame(new byte[] { 1, 0x80, 0xC2, 0, 0, 3, 2, 0, 0, 0, 0, 0x11, 0x88, 0x8E, 2 }, Masquerade.Core.Engine.OffloadInfo.None, _bench.Now);
        _bench.Wait(10_000);
        Assert.Empty(_bench.TakeEapol(Client));
        Assert.Empty(_bench.Take<EapFromClient>());
        Assert.Equal(3, _bench.Node.Drops[DropReason.NotForUs]);
        Assert.Equal(0, _bench.Node.AdmittedClients);
    }

    /// <summary>What the link layer has proved lets the client in; a Logoff is the link layer's to believe, and the end of the session nobody's to ask about.</summary>
    [Fact]
    [Trait("Req", "A-25")]
    public void The_link_layers_proof_lets_the_client_in_until_the_link_goes()
    {
        LetIn(Session("bob", seconds: 100));
        Assert.True(_bench.Speak(Client));
        _bench.Eapol(Client, 2);
        Assert.True(_bench.Speak(Client));
        for (var second = 0; second < 99; second++)
        {
            _bench.Wait(1_000);
            Assert.True(_bench.Speak(Client), $"second {second}");
        }

        Assert.Empty(_bench.TakeEapol(Client));
        _bench.Node.OnDisassociated(Client, _bench.Now);
        Assert.False(_bench.Speak(Client));
    }

    [Fact]
    [Trait("Req", "A-24")]
    public void A_client_that_asks_for_it_gets_a_protected_link()
    {
        using var client = new PlayedClient(Client);
        client.Join(_bench);
        LetIn(client.SessionFor("ap1"));
        Assert.True(_bench.Speak(Client));

        Succeed(_bench, client);
        Assert.True(client.Speak(_bench));
        Assert.False(_bench.Speak(Client));
        Assert.Equal(1, _bench.Node.ProtectedClients);
        Assert.Empty(_bench.Take<EapFromClient>());
    }

    /// <summary>Where the link layer's word is not trusted the handshake alone lets a client in that has a key, whether the access point has heard of its link before or not.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Trait("Req", "A-24")]
    public void Without_trust_in_the_link_a_client_gets_in_by_the_handshake(bool isTold)
    {
        var bench = new UserBench(new UsersConfig { Enabled = true, Authenticator = UserAuthenticator.Link });
        using var client = new PlayedClient(Client);
        client.Join(bench);
        if (isTold)
        {
            bench.Node.OnAssociated(Client, bench.Now);
        }
        else
        {
            // It asks, and asks again when there is no answer.
            Succeed(bench, client);
        }

        bench.Tell(Client, client.SessionFor("ap1"));
        Assert.False(bench.Speak(Client));
        Assert.Empty(bench.TakeEapol(Client));
        Succeed(bench, client);
        bench.Admit(Client);
        Assert.True(client.Speak(bench));
        Assert.False(bench.Speak(Client));
        Assert.Equal((1, 1), (bench.Node.AdmittedClients, bench.Node.ProtectedClients));
        Assert.Empty(bench.Take<EapFromClient>());
    }

    /// <summary>hostapd says whose key a link has proved: that, and that alone, makes it a proof of the session.</summary>
    [Theory]
    [Trait("Req", "A-23")]
    [Trait("Req", "A-25")]
    [InlineData("bob", true)]
    [InlineData("Bob", true)]
    [InlineData("eve", false)]
    [InlineData(null, false)]
    public void A_link_proves_the_session_of_the_user_whose_key_it_has_proved(string? linkUser, bool isProved)
    {
        var bench = new UserBench(Asks);
        bench.Node.OnAssociated(Client, bench.Now, linkUser);
        bench.Tell(Client, Session("bob"));
        if (!isProved)
        {
            bench.TellPolicy();
            Assert.False(bench.Speak(Client));
            Assert.Equal(linkUser is null ? 0 : 1, bench.Output.Events.OfType<LinkOfAnother>().Count());

            // It has completed the handshake of another key meanwhile.
            bench.Node.OnAssociated(Client, bench.Now, "bob");
            bench.Tell(Client, Session("bob"));
        }

        bench.Admit(Client);
        Assert.True(bench.Speak(Client));
        Assert.Equal(SessionProof.Link, bench.Take<UserSessionUsed>()[^1].Proof);
        bench.Node.OnDisassociated(Client, bench.Now);
        Assert.False(bench.Speak(Client));
    }

    [Fact]
    [Trait("Req", "A-23")]
    public void A_client_without_a_link_has_proved_nothing_by_its_frames()
    {
        var bench = new UserBench(Asks);
        bench.Speak(Client);
        bench.Tell(Client, Session("bob"));
        Assert.False(bench.Speak(Client));
        Assert.Empty(bench.Take<UserSessionUsed>());
        Assert.Equal(0, bench.Node.AdmittedClients);
    }

    /// <summary>A link that proves itself would go on and be proved again, whatever has become of the session.</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public void The_link_of_a_session_that_is_over_is_unwanted()
    {
        var bench = new UserBench(Asks);
        bench.Node.OnAssociated(Client, bench.Now, "bob");
        bench.Tell(Client, Session("bob"));
        bench.Admit(Client);
        bench.Push(id => new UserDenied { Id = id, User = "bob" });
        Assert.Contains(new LinkUnwanted(Client, "denied"), bench.Output.Events);
        Assert.False(bench.Speak(Client));
        bench.Output.Events.Clear();

        // It comes again by a key that the link layer remembers, and there is no session of it.
        bench.Node.OnDisassociated(Client, bench.Now);
        bench.Wait(10_000);
        bench.Node.OnAssociated(Client, bench.Now, "bob");
        bench.Tell(Client, null);
        Assert.Contains(new LinkUnwanted(Client, "no session"), bench.Output.Events);
        Assert.False(bench.Speak(Client));
    }

    /// <summary>Another user has authenticated on the same link: until the link has proved his key, it has proved nothing of him.</summary>
    [Fact]
    [Trait("Req", "A-23")]
    public void Another_users_session_is_not_opened_by_the_first_ones_key()
    {
        var bench = new UserBench(Asks);
        bench.Node.OnAssociated(Client, bench.Now, "bob");
        bench.Tell(Client, Session("bob"));
        bench.Admit(Client);
        bench.Push(id => new UserSessionChange { Id = id, Client = Client, Session = Id(1), Now = Session("eve", 2), Reason = "authenticated again" });
        Assert.False(bench.Speak(Client));
        bench.Node.OnAssociated(Client, bench.Now, "eve");
        Assert.Equal(0, bench.Node.AdmittedClients);
        bench.Tell(Client, Session("eve", 2));
        Assert.Equal(1, bench.Node.AdmittedClients);
    }

    private static UsersConfig Asks => new() { Enabled = true, Authenticator = UserAuthenticator.Link, AskLink = true };

    /// <summary>hostapd's EAP-Success, after which the client asks.</summary>
    private static void Succeed(UserBench bench, PlayedClient client)
    {
        bench.Output.Client.Add([2, 0, 0, 0, 0, 0x11, 2, 0x6D, 0x71, 0, 0, 1, 0x88, 0x8E, 2, 0, 0, 4, 3, 1, 0, 4]);
        client.Pump(bench);
    }

    private void LetIn(UserSession session)
    {
        _bench.Node.OnAssociated(Client, _bench.Now);
        _bench.Tell(Client, session);
        _bench.Admit(Client);
    }
}
