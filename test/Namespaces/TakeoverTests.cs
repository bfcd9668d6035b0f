using System.Net;
using Masquerade.Lab;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Traffic;
using Xunit.Abstractions;

namespace Masquerade.Namespaces.Tests;

/// <summary>
/// An agent is killed (SIGKILL) while connections that it anchors are in use, with the product's own programs, kernels at both ends and a kernel's neighbour table and routes in
/// between. On one link its addresses are taken over by gratuitous ARP and unsolicited neighbour advertisements, across links by a command that changes routes.
/// </summary>
[Trait("Req", "A-15")]
[Trait("Req", "A-16")]
public sealed class TakeoverTests : IDisposable
{
    private static readonly TimeSpan Switch = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private readonly ITestOutputHelper _output;
    private readonly List<LabConnection> _connections = [];
    private LabTopology? _topology;
    private SimulatedRadio? _radio;
    private MasqueradeNetwork? _network;
    private int _port = 21_000;

    public TakeoverTests(ITestOutputHelper output) => _output = output;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Connections_go_on_when_their_anchor_is_killed_and_when_it_comes_back(bool sharedLink)
    {
        Build(sharedLink);
        Move(0, 0);
        Move(1, 2);
        Open("bystander", 1, ipv6: false);
        var flows = new[] { Open("IPv4", 0, ipv6: false), Open("IPv6", 0, ipv6: true) };
        var download = Add(new BulkTransfer(_topology!, 0, Server(ipv6: false), download: true, 8));
        Move(0, 1);
        Progress("after a walk", Patience);
        Assert.Equal(0, LabTopology.AccessPointOf(flows[0].SeenByServer!.Address));
        Assert.Equal(0, LabTopology.AccessPointOf(flows[1].SeenByServer!.Address));

        var killed = LabClock.Now;
        _network!.Kill(0);
        Measure(flows, killed, "the anchor is killed");
        Progress("after the takeover", TimeSpan.FromSeconds(2));
        Assert.NotEqual(0, OwnerOf(flows[0].SeenByServer!.Address));
        Open("opened after the takeover", 0, ipv6: false);

        var restarted = LabClock.Now;
        _network.Restart(0, CancellationToken.None);
        WaitFor(() => OwnerOf(flows[0].SeenByServer!.Address) == 0, "AP1 does not get its address back");
        _output.WriteLine($"AP1 had its address back {(LabClock.Now - restarted) / 1e6:F0} ms after its start");
        Progress("after the return", TimeSpan.FromSeconds(3));
        Move(0, 0);
        Progress("at the node that came back", TimeSpan.FromSeconds(3));
        Open("opened at the node that came back", 0, ipv6: true);
        Finish();
        Assert.True(download.Bytes > 0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_client_that_vanishes_with_its_access_point_finds_its_connections_elsewhere(bool sharedLink)
    {
        Build(sharedLink);
        Move(0, 0);
        Move(1, 2);
        Open("bystander", 1, ipv6: false);
        var flows = new[] { Open("IPv4", 0, ipv6: false), Open("IPv6", 0, ipv6: true) };
        var killed = LabClock.Now;
        _network!.Kill(0);
        Move(0, 1);
        Measure(flows, killed, "anchor and FAM are killed, and the client finds another access point");
        Progress("elsewhere", TimeSpan.FromSeconds(2));
        Finish();
    }

    public void Dispose()
    {
        _connections.ForEach(c => c.Dispose());
        _network?.Dispose();
        _radio?.Dispose();
        _topology?.Dispose();
    }

    private void Build(bool sharedLink)
    {
        _topology = new LabTopology(clients: 2, offload: true, sharedLink);
        _radio = new SimulatedRadio(_topology, events: true);
        var options = new DemoOptions { AddressCommand = sharedLink ? null : RouteCommand, LogDirectory = Environment.GetEnvironmentVariable("MASQ_LAB_LOGS") };
        _network = new MasqueradeNetwork(_topology, _radio, options, CancellationToken.None);
    }

    /// <summary>What an operator would do with a routing daemon: a host route to the access point that has the address, or none where the subnet's own route leads to it.</summary>
    private string RouteCommand(int accessPoint)
    {
        var k = accessPoint + 1;
        var path = Path.Combine(_topology!.ScratchDirectory, $"ap{k}", "route");
        File.WriteAllText(path, $"""
            #!/bin/sh
            test "$1" = take || exit 0
            case "$2" in
              10.1.{k}.*|fd00:10:1:{k}:*) ip -n {_topology.Router.Name} route del "$2" 2>/dev/null; exit 0 ;;
              *:*) exec ip -n {_topology.Router.Name} route replace "$2" via fd00:10:1:{k}::10 dev u{k} ;;
              *) exec ip -n {_topology.Router.Name} route replace "$2" via 10.1.{k}.10 dev u{k} ;;
            esac
            """ + "\n");
        Tool.Run("chmod", ["700", path]);
        return path;
    }

    /// <summary>The access point that the router sends an address's packets to, 0 is AP1; -1 if it does not know.</summary>
    private int OwnerOf(IPAddress address)
    {
        if (_topology!.SharedUplink)
        {
            var neighbour = Tool.Run("ip", ["-n", _topology.Router.Name, "neigh", "show", address.ToString(), "dev", "ubr"]);
            return Enumerable.Range(0, LabTopology.AccessPointCount).Where(k => neighbour.Contains(LabTopology.UplinkMac(k), StringComparison.Ordinal)).DefaultIfEmpty(-1).First();
        }

        var route = Tool.Run("ip", ["-n", _topology.Router.Name, "route", "get", address.ToString()]);
        return Enumerable.Range(0, LabTopology.AccessPointCount).Where(k => route.Contains($"dev u{k + 1} ", StringComparison.Ordinal)).DefaultIfEmpty(-1).First();
    }

    private IPEndPoint Server(bool ipv6) => new(ipv6 ? LabTopology.ServerAddress6 : LabTopology.ServerAddress, _port++);

    private T Add<T>(T connection)
        where T : LabConnection
    {
        _connections.Add(connection);
        connection.Start();
        return connection;
    }

    private PingPong Open(string name, int client, bool ipv6)
    {
        var flow = Add(new PingPong(_topology!, name, client, Server(ipv6), 4_096, TimeSpan.FromMilliseconds(10)));
        WaitFor(() => flow.Bytes > 20_000, $"{name} does not come about: {flow.Health} {flow.Failure}");
        return flow;
    }

    private void Move(int client, int to)
    {
        // On a thread of its own, because moving wants a real-time priority, which must not stay with this one.
        var thread = new Thread(() =>
        {
            LabClock.MakeThreadPrompt();
            _radio!.Move(client, to, Switch);
        })
        { IsBackground = true };
        thread.Start();
        thread.Join();
    }

    /// <summary>How long each conversation stood still.</summary>
    private void Measure(PingPong[] flows, long begin, string what)
    {
        WaitFor(() => flows.All(f => f.LastProgress > begin + LabClock.Milliseconds(100)), $"nothing goes on after {what}");
        Thread.Sleep(500);
        foreach (var flow in flows)
        {
            _output.WriteLine($"{what}: {flow.Name} stood still for {flow.LongestRoundTrip / 1e6:F0} ms");
            Assert.InRange(flow.LongestRoundTrip / 1e6, 100, 2_000);
        }
    }

    private void Progress(string when, TimeSpan within)
    {
        var since = LabClock.Now;
        WaitFor(() => _connections.All(c => c.LastProgress > since), $"{when} a connection does not go on", within);
    }

    private void WaitFor(Func<bool> condition, string otherwise, TimeSpan? within = null)
    {
        var deadline = LabClock.Now + ((within ?? Patience).Ticks * 100);
        while (!condition())
        {
            Assert.Null(_network?.Failure);
            if (LabClock.Now > deadline)
            {
                Assert.Fail($"{otherwise}: {string.Join("; ", _connections.Select(c => $"{c.Name} {c.Health} {c.Failure} {(LabClock.Now - c.LastProgress) / 1e6:F0} ms ago"))}");
            }

            Thread.Sleep(10);
        }
    }

    private void Finish()
    {
        _connections.ForEach(c => c.Stop());
        var deadline = LabClock.Now + LabClock.Milliseconds(4_000);
        _connections.ForEach(c => c.Complete(deadline));
        Assert.All(_connections, c => Assert.Equal(ConnectionHealth.Finished, c.Health));
    }
}
