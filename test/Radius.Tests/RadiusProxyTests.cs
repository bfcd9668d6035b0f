using System.Net;
using System.Text.RegularExpressions;
using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;
using Masquerade.Lab.FreeRadius;
using Xunit.Abstractions;

namespace Masquerade.Radius.Tests;

/// <summary>eapol_test (the supplicant and the access point's RADIUS of hostapd) through the proxy to FreeRADIUS. It compares the keys that it is sent with its own MSK.</summary>
[Trait("Req", "A-23")]
[Trait("Req", "A-24")]
public sealed partial class RadiusProxyTests(ITestOutputHelper output) : IDisposable
{
    private const string Mac = "02:00:00:00:00:01";
    private readonly string _secret = Guid.NewGuid().ToString("n");
    private readonly List<(NodeId Node, SessionGrant Grant)> _grants = [];
    private readonly FreeRadiusProcess _server = new(new FreeRadiusOptions
    {
        Users = [new FreeRadiusUser("bob", "hello", "Filter-Id = \"staff\"", "Session-Timeout = 600"), new FreeRadiusUser("alice", null), new FreeRadiusUser("carol", "hello", "Session-Timeout = 0")],
    });

    public void Dispose()
    {
        _grants.ForEach(g => g.Grant.Dispose());
        _server.Dispose();
    }

    public static TheoryData<string, string> Methods => new()
    {
        { "PEAP", "bob" },
        { "TTLS", "bob" },
        { "TLS", "alice" },
    };

    [Theory]
    [MemberData(nameof(Methods))]
    public async Task The_access_point_gets_the_right_keys_and_the_proxy_learns_the_session(string method, string user)
    {
        await using var radius = Radius();
        await using var proxy = Proxy(radius);
        var said = EapolTest(proxy, method, user, "hello");
        Assert.Contains("MPPE keys OK: 1  mismatch: 0", said, StringComparison.Ordinal);
        var (node, grant) = Assert.Single(_grants);
        Assert.Equal(("ap7", user, MacAddress.Parse(Mac)), (node.Name, grant.User, grant.Client));
        Assert.Equal(user is "bob" ? ["staff"] : [], grant.Terms.FilterIds);

        // What it learnt is what the supplicant has: the session key of decision 28 over eapol_test's own MSK.
        var msk = Convert.FromHexString(MskLine().Match(said).Groups[1].Value.Replace(" ", string.Empty, StringComparison.Ordinal));
        Assert.Equal(64, msk.Length);
        Assert.True(SessionKey.TryDerive(msk, grant.Session, grant.Client, out var expected));
        using (expected)
        {
            Assert.Equal(Link(expected), Link(grant.Key!));
        }
    }

    [Fact]
    public async Task Who_is_refused_by_the_server_is_refused_and_nothing_is_learnt()
    {
        await using var radius = Radius();
        await using var proxy = Proxy(radius);
        Assert.Contains("FAILURE", EapolTest(proxy, "PEAP", "bob", "wrong", succeeds: false), StringComparison.Ordinal);
        Assert.Empty(_grants);
    }

    [Fact]
    public async Task An_accept_that_cannot_be_understood_lets_nobody_in()
    {
        await using var radius = Radius();
        await using var proxy = Proxy(radius);
        Assert.Contains("FAILURE", EapolTest(proxy, "PEAP", "carol", "hello", succeeds: false), StringComparison.Ordinal);
        Assert.Empty(_grants);
        Assert.Equal(1, proxy[RadiusProxyCount.Refused]);
    }

    [Fact]
    public async Task Without_the_right_secret_or_EAP_nothing_goes_through()
    {
        await using var radius = Radius();
        await using var proxy = Proxy(radius);
        var asked = OutsideProgram.Run("radclient", ["-r", "1", "-t", "1", proxy.EndPoint.ToString(), "auth", _secret], "User-Name = bob\nUser-Password = hello\nMessage-Authenticator = 0x00\n");
        Assert.NotEqual(0, asked.Code);
        asked = OutsideProgram.Run("radclient", ["-r", "1", "-t", "1", proxy.EndPoint.ToString(), "auth", "another"], "User-Name = bob\nMessage-Authenticator = 0x00\n");
        Assert.NotEqual(0, asked.Code);
        Assert.Equal((1, 1, 0), (proxy[RadiusProxyCount.NotEap], proxy[RadiusProxyCount.BadMessageAuthenticator], proxy[RadiusProxyCount.Requests]));
    }

    [GeneratedRegex(@"(?:Derived key|EAP-TLS: Derived key|EAP-TTLS: Derived key|EAP-PEAP: Derived key) - hexdump\(len=64\): ([0-9a-f ]+)")]
    private static partial Regex MskLine();

    private static string Link(SessionKey key)
    {
        using var ours = key.DeriveFor(new NodeId("ap7"));
        Span<byte> octets = stackalloc byte[AccessPointKey.Length];
        ours.CopyTo(octets);
        return Convert.ToHexString(octets);
    }

    private string EapolTest(RadiusProxy proxy, string method, string user, string password, bool succeeds = true)
    {
        var (isIn, said) = Testing.EapolTest.Run(_server, proxy.EndPoint, _secret, Mac, method, user, password);
        if (isIn != succeeds)
        {
            output.WriteLine(said + _server.Log);
        }

        Assert.Equal(succeeds, isIn);
        return said;
    }

    private RadiusProxy Proxy(RadiusClient radius) => new(
        new RadiusProxySettings
        {
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            Clients = new Dictionary<IPAddress, RadiusProxyClient> { [IPAddress.Loopback] = new(new NodeId("ap7"), new RadiusSecret(_secret)) },
        },
        radius,
        (node, grant, _) =>
        {
            _grants.Add((node, grant));
            return Task.FromResult(true);
        });

    private RadiusClient Radius() => new(new RadiusClientSettings
    {
        Servers = [new RadiusServerSettings { Name = "freeradius", EndPoint = _server.AuthEndPoint, Secret = new RadiusSecret(_server.Secret) }],
    });
}
