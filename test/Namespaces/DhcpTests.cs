using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// Clients get their addresses by DHCP, with a real client (BusyBox udhcpc) and a real server (dnsmasq): the same one at every access point, by renewal and from scratch. And without
/// any server, from the coordinator's pool.
/// </summary>
[Trait("Req", "A-28")]
public sealed class DhcpTests(ITestOutputHelper output) : IDisposable
{
    private const string AbsentServer = "10.1.100.9";
    private static readonly TimeSpan Switch = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly List<Process> _programs = [];
    private readonly ConcurrentQueue<string> _notes = new();
    private LabTopology? _topology;
    private SimulatedRadio? _radio;
    private MasqueradeNetwork? _network;
    private int _said;

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void A_client_has_the_same_address_of_the_sites_server_at_every_access_point(bool events, bool alone)
    {
        Build(LabAddressing.Relay, events, servers: alone ? [LabTopology.ServerAddress.ToString()] : [LabTopology.ServerAddress.ToString(), AbsentServer]);
        StartServer();
        Move(0, 0);
        var client = StartClient();
        var (address, server, router) = Told("bound");
        Assert.InRange(int.Parse(address.Split('.')[3], CultureInfo.InvariantCulture), 150, 199);

        // The server's identifier is the gateway address (RFC 5107), unless there may be another server. A renewal comes to the relay agent in both cases.
        Assert.Equal((alone ? "192.168.77.1" : LabTopology.ServerAddress.ToString(), "192.168.77.1"), (server, router));
        Reach();

        Move(0, 1);
        Renew(client, address, server, router);
        Reach();
        Assert.True(HasAnsweredBy(0) && HasAnsweredBy(1) && !HasAnsweredBy(2), ServerLog());

        Kill(client);
        Move(0, 2);
        client = StartClient();
        Assert.Equal((address, server, router), Told("bound"));
        Reach();

        Signal(client, "USR2");
        WaitFor(() => ServerLog().Contains("DHCPRELEASE", StringComparison.Ordinal), "the server does not hear that the address is given back");
        output.WriteLine(ServerLog());
    }

    [Fact]
    public void Two_clients_have_two_addresses_and_reach_the_server_with_them()
    {
        Build(LabAddressing.Relay, events: true);
        StartServer();
        Move(0, 0);
        Move(1, 0);
        StartClient();
        var first = Told("bound").Address;
        StartClient(1);
        Assert.NotEqual(first, Told("bound").Address);
        Reach();
        Reach(1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_client_has_the_same_address_of_the_pool_at_every_access_point(bool redis)
    {
        Build(LabAddressing.Pool, events: true, redis);
        Move(0, 0);
        Move(1, 2);
        var client = StartClient();
        var (address, server, router) = Told("bound");
        Assert.InRange(int.Parse(address.Split('.')[3], CultureInfo.InvariantCulture), 150, 199);
        Assert.Equal(("192.168.77.1", "192.168.77.1"), (server, router));
        Reach();
        StartClient(1);
        Assert.NotEqual(address, Told("bound").Address);

        Move(0, 1);
        Renew(client, address, server, router);
        Reach();

        Kill(client);
        Move(0, 2);
        client = StartClient();
        Assert.Equal((address, server, router), Told("bound"));
        Reach();

        // It gives the address back, and gets the same again: where to look for it follows from its MAC address.
        Signal(client, "USR2");
        Told("deconfig");
        Kill(client);
        StartClient();
        Assert.Equal(address, Told("bound").Address);
    }

    public void Dispose()
    {
        _programs.ForEach(Kill);
        _programs.ForEach(p => p.Dispose());
        _network?.Dispose();
        _radio?.Dispose();
        _topology?.Dispose();
    }

    private string Scratch(string name) => Path.Combine(_topology!.ScratchDirectory, name);

    private void Build(LabAddressing addressing, bool events, bool redis = false, params string[] servers)
    {
        _topology = new LabTopology(clients: 2, offload: true);
        _radio = new SimulatedRadio(_topology, events);
        var options = new DemoOptions
        {
            Addressing = addressing, Events = events, Redis = redis, DhcpServers = servers.Length > 0 ? servers : new DemoOptions().DhcpServers,
            LogDirectory = Environment.GetEnvironmentVariable("MASQ_LAB_LOGS"),
        };
        _network = new MasqueradeNetwork(_topology, _radio, options, CancellationToken.None);
        foreach (var client in _topology.Clients)
        {
            // Away with what the laboratory gave it.
            Tool.Run("ip", ["-n", client.Name, "-4", "addr", "flush", "dev", "eth0"]);
        }

        File.WriteAllText(Scratch("on-dhcp"), $"""
            #!/bin/sh
            case "$1" in
              bound|renew)
                ip -4 addr flush dev "$interface"
                ip addr add "$ip/$mask" dev "$interface"
                ip route replace default via "$router" dev "$interface" ;;
            esac
            echo "$1 $ip $serverid $router" >>{Scratch("told")}
            """ + "\n");
        Tool.Run("chmod", ["700", Scratch("on-dhcp")]);
    }

    /// <summary>dnsmasq on the machine beside the uplinks, which knows no more of the clients' subnet than that it is to give addresses of it.</summary>
    private void StartServer()
    {
        File.WriteAllText(Scratch("dnsmasq.conf"), $"""
            port=0
            interface=eth0
            bind-interfaces
            user=root
            no-ping
            log-dhcp
            dhcp-leasefile={Scratch("leases")}
            dhcp-range=192.168.77.150,192.168.77.199,255.255.255.0,2m
            dhcp-option=option:router,192.168.77.1
            """ + "\n");
        Start(_topology!.Server, "dnsmasq", "--no-daemon", $"--conf-file={Scratch("dnsmasq.conf")}", $"--log-facility={Scratch("dnsmasq.log")}");
        WaitFor(() => ServerLog().Contains("IP range 192.168.77.150", StringComparison.Ordinal), "dnsmasq does not start");
    }

    private string ServerLog() => File.Exists(Scratch("dnsmasq.log")) ? File.ReadAllText(Scratch("dnsmasq.log")) : string.Empty;

    /// <summary>Whether the server has answered by way of an access point: it writes down what it sends, and option 82 begins with the access point's name.</summary>
    private bool HasAnsweredBy(int accessPoint) =>
        Regex.IsMatch(ServerLog(), $"agent-id +01:03:61:70:3{accessPoint + 1}:", RegexOptions.None, TimeSpan.FromSeconds(5));

    private Process StartClient(int client = 0) =>
        Start(_topology!.Clients[client], "udhcpc", "-f", "-i", "eth0", "-s", Scratch("on-dhcp"), "-t", "10", "-T", "1", "-A", "1");

    private Process Start(NetNamespace where, params string[] command)
    {
        var start = new ProcessStartInfo("ip") { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var argument in (string[])["netns", "exec", where.Name, .. command])
        {
            start.ArgumentList.Add(argument);
        }

        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, e) => Note(command[0], e.Data);
        process.ErrorDataReceived += (_, e) => Note(command[0], e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _programs.Add(process);
        return process;
    }

    private void Note(string program, string? line)
    {
        _notes.Enqueue($"{program}: {line}");
        try
        {
            output.WriteLine($"{program}: {line}");
        }
        catch (InvalidOperationException)
        {
            // The last words of a program that is ended with the test.
        }
    }

    private static void Signal(Process process, string signal) => Tool.Run("kill", ["-" + signal, process.Id.ToString(CultureInfo.InvariantCulture)]);

    /// <summary>
    /// The client renews its lease with its server, and gets the answer. When it gets none it goes on to ask everybody, which would hide that renewals do not come to the server.
    /// </summary>
    private void Renew(Process client, string address, string server, string router)
    {
        Signal(client, "USR1");
        Assert.Equal((address, server, router), Told("renew"));
        WaitFor(() => _notes.Contains($"udhcpc: udhcpc: sending renew to server {server}", StringComparer.Ordinal), "the client does not say that it renews");
        Assert.DoesNotContain(_notes, note => note.Contains("broadcasting renew", StringComparison.Ordinal));
    }

    private static void Kill(Process process)
    {
        if (!process.HasExited)
        {
            process.Kill();
            process.WaitForExit(3_000);
        }
    }

    /// <summary>What the client's script is told next with this word in front.</summary>
    private (string Address, string Server, string Router) Told(string word)
    {
        string[]? found = null;
        WaitFor(() =>
        {
            var lines = File.Exists(Scratch("told")) ? File.ReadAllLines(Scratch("told")) : [];
            var at = Array.FindIndex(lines, Math.Min(_said, lines.Length), line => line.StartsWith(word + " ", StringComparison.Ordinal));
            if (at < 0)
            {
                return false;
            }

            (_said, found) = (at + 1, lines[at].Split(' '));
            return true;
        }, $"the client is not told '{word}'");
        output.WriteLine(string.Join(' ', found!));
        return (found![1], found[2], found[3]);
    }

    /// <summary>The client reaches the server with the address that it has.</summary>
    private void Reach(int client = 0) => WaitFor(
        () => Tool.TryRun("ip", ["netns", "exec", _topology!.Clients[client].Name, "ping", "-c", "1", "-W", "1", LabTopology.ServerAddress.ToString()]).Code == 0,
        "the client does not reach the server");

    private void Move(int client, int to)
    {
        var thread = new Thread(() => _radio!.Move(client, to, Switch)) { IsBackground = true };
        thread.Start();
        thread.Join();
    }

    private void WaitFor(Func<bool> condition, string otherwise)
    {
        var deadline = LabClock.Now + (Patience.Ticks * 100);
        while (!condition())
        {
            Assert.Null(_network?.Failure);
            Assert.True(LabClock.Now < deadline, $"{otherwise}\n{ServerLog()}");
            Thread.Sleep(20);
        }
    }
}
