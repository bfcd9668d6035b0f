using System.Diagnostics;
using System.Security.Cryptography;
using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Radius;
using Masquerade.Client.Tests.Wire;
using Masquerade.Core.Flow;
using Masquerade.Lab.FreeRadius;
using Xunit.Abstractions;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

namespace Masquerade.Client.Tests;

/// <summary>The program itself, in a namespace, between access points of ours and a real FreeRADIUS.</summary>
[Trait("Req", "A-23")]
[Trait("Req", "A-24")]
[Trait("Req", "A-25")]
public sealed class ProgramTests : IDisposable
{
    private readonly ITestOutputHelper _output;
    private readonly string _password = Convert.ToHexString(RandomNumberGenerator.GetBytes(9));
    private readonly FreeRadiusProcess _server;
    private readonly RadiusClient _radius;
    private readonly KeyHolder _holder;
    private readonly ClientWire _wire = new();
    private readonly WireAccessPoint _first;
    private readonly WireAccessPoint _second;
    private WireAccessPoint? _at;

    public ProgramTests(ITestOutputHelper output)
    {
        _output = output;
        _server = new FreeRadiusProcess(new FreeRadiusOptions { Method = "tls", NewestTls = "1.3", Users = [new FreeRadiusUser("alice", _password)] });
        _radius = new RadiusClient(new RadiusClientSettings { Servers = [new RadiusServerSettings { Name = "freeradius", EndPoint = _server.AuthEndPoint, Secret = new RadiusSecret(_server.Secret) }] });
        _holder = new KeyHolder(new KeyHolderSettings { Nas = new NasSettings { Identifier = "site", Ssid = "office" } }, _radius);
        _first = new WireAccessPoint(_wire, _holder, "ap1", MacAddress.Parse("02:aa:00:00:00:01"), 1_000);
        _second = new WireAccessPoint(_wire, _holder, "ap2", MacAddress.Parse("02:aa:00:00:00:02"), 2_000);
        _at = _first;
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _holder.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _radius.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _server.Dispose();
        _wire.Dispose();
    }

    [Fact]
    public void A_client_authenticates_once_its_frames_are_protected_and_it_walks_without_EAP()
    {
        using var client = Start();
        RunUntil(client, () => client.Count("linkProtected") == 1);
        var entered = client.Last("linkProtected");
        Assert.Equal(("ap1", true), (entered.GetProperty("node").GetString(), entered.GetProperty("withEap").GetBoolean()));
        ClientWire.Ip("-n", _wire.Namespace, "addr", "add", ClientWire.ClientAddress + "/24", "dev", ClientWire.Tap);
        Ping(client, 3);
        Assert.True(_first.Frames.Validated > 3 && _first.Frames.Protected > 3);

        // New keys under traffic.
        _first.Start();
        RunUntil(client, () => client.Count("keysRenewed") == 1);
        Ping(client, 3);

        // A walk: the carrier goes and comes, and another access point is there that was told the session.
        var eap = _first.Eap;
        Walk(client, _second);
        RunUntil(client, () => client.Count("linkProtected") == 2);
        var walked = client.Last("linkProtected");
        Assert.Equal(("ap2", false), (walked.GetProperty("node").GetString(), walked.GetProperty("withEap").GetBoolean()));
        Assert.Equal((3, 2), (walked.GetProperty("framesSent").GetInt32(), walked.GetProperty("framesReceived").GetInt32()));
        Assert.Equal((0, eap), (_second.Eap, _first.Eap));
        Ping(client, 3);

        // The bridge changes under it, and nobody says so.
        _at = _first;
        _first.Know(_first.Grant!.Key!);
        _first.Start();
        RunUntil(client, () => client.Count("linkProtected") == 3);
        Ping(client, 3);
        Assert.Equal(eap, _first.Eap);

        client.Signal("-USR1");
        RunUntil(client, () => client.Count("status") == 1);
        Assert.True(client.Last("status").GetProperty("delivered").GetInt64() >= 12);
        client.Signal("-INT");
        RunUntil(client, () => client.HasEnded);
        Assert.Equal(0, client.End());
        Assert.True(_first.Logoff);
        Assert.Equal("loggedOff", client.Names[^2]);
        Assert.NotEqual(0, OutsideProgram.Run("ip", ["-n", _wire.Namespace, "link", "show", ClientWire.Tap]).Code);
        Assert.Equal(0, _first.Clear + _second.Clear);
        Assert.DoesNotContain(_password, client.Said, StringComparison.Ordinal);
        _output.WriteLine($"with EAP: {entered}; without: {walked}");
    }

    [Fact]
    public void An_access_point_that_knows_nothing_authenticates_the_client_again()
    {
        using var client = Start();
        RunUntil(client, () => client.Count("linkProtected") == 1);
        _at = null;
        _wire.Air.SetCarrier(false);
        RunUntil(client, () => client.Count("disconnected") == 1);
        _at = _second;
        _wire.Air.SetCarrier(true);
        RunUntil(client, () => client.Count("linkProtected") == 2);
        Assert.True(client.Last("linkProtected").GetProperty("withEap").GetBoolean());
        Assert.True(_second.Eap > 3);
    }

    [Fact]
    public void A_wrong_password_is_rejected_and_nothing_passes()
    {
        using var client = Start("wrong");
        RunUntil(client, () => client.Count("rejected") == 1);
        Assert.Equal("rejected", client.Last("rejected").GetProperty("reason").GetString());
        Assert.False(_first.IsProven);
    }

    [Theory]
    [InlineData("", "--ca")]
    [InlineData("--ca CA", "--server-name")]
    [InlineData("--ca CA --server-name radius.test", "password")]
    [InlineData("--ca CA --server-name radius.test --password-file CA", "everybody can read it")]
    [InlineData("--ca missing.pem --server-name radius.test --password-file PASSWORD", "missing.pem")]
    [InlineData("--ca CA --server-name radius.test --password-file PASSWORD --interface nothere", "nothere")]
    public void What_is_missing_is_said_before_anything_is_sent(string options, string word)
    {
        var file = Path.Combine(_server.Directory, "password");
        File.WriteAllText(file, _password + "\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var words = options.Replace("CA", Authority, StringComparison.Ordinal).Replace("PASSWORD", file, StringComparison.Ordinal).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string[] device = options.Contains("--interface", StringComparison.Ordinal) ? [] : ["--interface", _wire.Air.Name];
        using var client = new ClientProcess(_output, _wire.Namespace, null, ["--identity", "alice", "--method", "ttls-pap", .. device, .. words]);
        Assert.Equal(1, client.End());
        Assert.Contains(word, client.Said, StringComparison.Ordinal);
        Assert.Equal(0, _wire.Air.Read(new byte[2_048]));
    }

    private string Authority => Path.Combine(_server.Directory, "ca.pem");

    private ClientProcess Start(string? password = null) => new(
        _output, _wire.Namespace, password ?? _password, "--interface", _wire.Air.Name, "--identity", "alice", "--anonymous", "anonymous", "--method", "ttls-mschapv2", "--ca", Authority, "--server-name", ".test");

    private void Walk(ClientProcess client, WireAccessPoint to)
    {
        _at = null;
        var before = client.Count("disconnected");

        // A carrier that is back at once is no news to the kernel.
        _wire.Air.SetCarrier(false);
        RunUntil(client, () => client.Count("disconnected") > before);
        to.Know(_first.Grant!.Key!);
        _at = to;
        _wire.Air.SetCarrier(true);
    }

    private void Ping(ClientProcess client, int count)
    {
        using var ping = Process.Start(new ProcessStartInfo("ip", ["netns", "exec", _wire.Namespace, "ping", "-q", "-i", "0.02", "-s", "1400", "-c", $"{count}", ClientWire.HostAddress])
        {
            UseShellExecute = false, RedirectStandardOutput = true,
        })!;
        var said = ping.StandardOutput.ReadToEndAsync();
        RunUntil(client, () => ping.HasExited);
        ping.WaitForExit();
        Assert.True(ping.ExitCode == 0, said.GetAwaiter().GetResult());
        Assert.Contains(" 0% packet loss", said.GetAwaiter().GetResult(), StringComparison.Ordinal);
    }

    private void RunUntil(ClientProcess client, Func<bool> condition)
    {
        var frame = new byte[2_048];
        var patience = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(60) && (!client.HasEnded || condition()), $"it does not come: {client.Said}");
            var idle = true;
            while (_wire.Air.Read(frame) is > 0 and var length)
            {
                idle = false;
                _at?.Take(frame.AsSpan(0, length));
                _at?.Advance();
            }

            while (_wire.Behind.Read(frame) is > 0 and var length)
            {
                idle = false;
                _at?.TakeFromHost(frame.AsSpan(0, length));
            }

            _at?.Advance();
            if (idle)
            {
                Thread.Yield();
                Thread.Sleep(1);
            }
        }
    }
}
