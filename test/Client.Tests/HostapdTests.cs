using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Masquerade.Client.Tests.Wire;
using Masquerade.Lab.FreeRadius;
using Xunit.Abstractions;

namespace Masquerade.Client.Tests;

/// <summary>Debian's hostapd as the authenticator on a wire, with FreeRADIUS behind it: an access point that is not ours, and does not protect links.</summary>
[Trait("Req", "A-23")]
public sealed class HostapdTests : IDisposable
{
    private static int s_number;
    private readonly ITestOutputHelper _output;
    private readonly string _password = Convert.ToHexString(RandomNumberGenerator.GetBytes(9));
    private readonly string _number = string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId % 100_000}{Interlocked.Increment(ref s_number) % 100:D2}");
    private readonly FreeRadiusProcess _server;
    private readonly Process _hostapd;
    private readonly SharedText _said = new();

    public HostapdTests(ITestOutputHelper output)
    {
        _output = output;
        ClientWire.Ip("netns", "add", ClientSpace);
        ClientWire.Ip("netns", "add", AccessSpace);
        ClientWire.Ip("-n", AccessSpace, "link", "set", "lo", "up");
        ClientWire.Ip("-n", ClientSpace, "link", "add", "eth0", "type", "veth", "peer", "name", "port0", "netns", AccessSpace);
        ClientWire.Ip("-n", ClientSpace, "link", "set", "eth0", "up");
        ClientWire.Ip("-n", AccessSpace, "link", "set", "port0", "up");
        _server = new FreeRadiusProcess(new FreeRadiusOptions
        {
            Prefix = ["ip", "netns", "exec", AccessSpace], AuthPort = 1812, AccountingPort = 1813, TlsPort = 2083, NewestTls = "1.3", Method = "tls", Users = [new FreeRadiusUser("alice", _password)],
        });
        var file = Path.Combine(_server.Directory, "hostapd.conf");
        File.WriteAllText(file, $"""
            interface=port0
            driver=wired
            ieee8021x=1
            use_pae_group_addr=1
            own_ip_addr=127.0.0.1
            nas_identifier=wire
            auth_server_addr=127.0.0.1
            auth_server_port=1812
            auth_server_shared_secret={_server.Secret}

            """);
        _hostapd = Process.Start(new ProcessStartInfo("ip", ["netns", "exec", AccessSpace, "/usr/sbin/hostapd", file]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        _hostapd.OutputDataReceived += (_, line) => _said.WriteLine(line.Data ?? string.Empty);
        _hostapd.ErrorDataReceived += (_, line) => _said.WriteLine(line.Data ?? string.Empty);
        _hostapd.BeginOutputReadLine();
        _hostapd.BeginErrorReadLine();
        Wait(() => _said.ToString().Contains("AP-ENABLED", StringComparison.Ordinal), () => _said.ToString());
    }

    private string ClientSpace => $"mqhc{_number}";

    private string AccessSpace => $"mqha{_number}";

    public void Dispose()
    {
        if (!_hostapd.HasExited)
        {
            _hostapd.Kill();
            _hostapd.WaitForExit();
        }

        _hostapd.Dispose();
        _server.Dispose();
        ClientWire.Ip("netns", "delete", ClientSpace);
        ClientWire.Ip("netns", "delete", AccessSpace);
        _output.WriteLine(_said.ToString());
    }

    [Theory]
    [InlineData("tls")]
    [InlineData("ttls-pap")]
    [InlineData("ttls-mschapv2")]
    public void It_lets_the_client_in_as_an_ordinary_supplicant_and_the_client_says_that_the_link_is_not_protected(string method)
    {
        using var client = Start(method, _password, "--plain-ok");
        Wait(() => client.Count("plain") == 1, () => client.Said);
        Assert.Equal(1, client.Count("authenticated"));
        Assert.Contains("AP-STA-CONNECTED", _said.ToString(), StringComparison.Ordinal);

        // The wire goes and comes: it authenticates again.
        ClientWire.Ip("-n", AccessSpace, "link", "set", "port0", "down");
        Wait(() => client.Count("disconnected") == 1, () => client.Said);
        ClientWire.Ip("-n", AccessSpace, "link", "set", "port0", "up");
        Wait(() => client.Count("authenticated") == 2, () => client.Said);
        client.Signal("-TERM");
        Assert.Equal(0, client.End());
        Wait(() => _said.ToString().Contains("AP-STA-DISCONNECTED", StringComparison.Ordinal), () => _said.ToString());
    }

    [Fact]
    public void Without_being_told_that_plain_is_good_the_client_stays_closed()
    {
        using var client = Start("ttls-pap", _password);
        Wait(() => client.Count("notProtected") == 1, () => client.Said);
        client.Signal("-USR1");
        Wait(() => client.Count("status") == 1, () => client.Said);
        var status = client.Last("status");
        Assert.Equal((false, 0L), (status.GetProperty("protected").GetBoolean(), status.GetProperty("sent").GetInt64()));
    }

    [Fact]
    public void A_wrong_password_is_rejected()
    {
        using var client = Start("ttls-mschapv2", "wrong");
        Wait(() => client.Count("rejected") == 1, () => client.Said);
        Assert.Equal("rejected", client.Last("rejected").GetProperty("reason").GetString());
        Assert.DoesNotContain("AP-STA-CONNECTED", _said.ToString(), StringComparison.Ordinal);
    }

    private ClientProcess Start(string method, string password, params string[] more)
    {
        string In(string name) => Path.Combine(_server.Directory, name);
        return new ClientProcess(
            _output, ClientSpace, password, ["--interface", "eth0", "--identity", "alice", "--method", method, "--ca", In("ca.pem"), "--server-name", FreeRadiusProcess.ServerName,
                "--certificate", In("alice.pem"), "--key", In("alice.key"), .. more]);
    }

    private static void Wait(Func<bool> condition, Func<string> words)
    {
        for (var patience = Stopwatch.StartNew(); !condition(); Thread.Sleep(10))
        {
            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(60), $"it does not come: {words()}");
        }
    }
}
