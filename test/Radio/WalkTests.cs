using System.Net;
using Masquerade.Lab.FreeRadius;
using Masquerade.Lab.Net;
using Masquerade.Testing;
using Xunit.Abstractions;

namespace Masquerade.Radio.Tests;

/// <summary>The machine by itself: radios, hostapd, wpa_supplicant and FreeRADIUS as Debian has them, and nothing of ours between. What is shown with our programs is measured against this.</summary>
public sealed class WalkTests(ITestOutputHelper output) : MachineTests(output)
{
    [MachineFact]
    public void A_client_authenticates_at_a_radio_passes_packets_and_walks_to_another() => InMachine(() =>
    {
        using var topology = new LabTopology(clients: 1, offload: true);
        Radios.Install(topology);
        using var radius = StartRadius(topology);
        using var first = new Hostapd(topology, 0, radius.AuthEndPoint, radius.Secret, Said("hostapd 1"));
        GiveGateway(topology);
        using var station = new Station(topology, "alice", "alice's", Path.Combine(radius.Directory, "ca.pem"), Said("station"));
        Patience.WaitFor(() => station.IsAt(0), "the client does not get in at the first");
        Ping(topology);
        using var second = new Hostapd(topology, 1, radius.AuthEndPoint, radius.Secret, Said("hostapd 2"));
        station.Roam(1);
        Ping(topology);
    });

    private static FreeRadiusProcess StartRadius(LabTopology topology) => new(new FreeRadiusOptions
    {
        Prefix = ["ip", "netns", "exec", topology.Coordinator.Name],
        Address = IPAddress.Parse("10.1.200.2"),
        Clients = "10.1.0.0/16",
        AuthPort = 1812,
        AccountingPort = 1813,
        TlsPort = 2083,
        Users = [new FreeRadiusUser("alice", "alice's")],
    });

    /// <summary>Both access points' kernels have the clients' gateway.</summary>
    private static void GiveGateway(LabTopology topology)
    {
        foreach (var ap in topology.AccessPoints.Take(2))
        {
            Tool.IpBatch(ap.Name, $"addr add {LabTopology.GatewayAddress}/24 dev cl0");
        }
    }

    private static void Ping(LabTopology topology) => Tool.Run("ip", ["netns", "exec", topology.Clients[0].Name, "ping", "-c", "3", "-W", "5", LabTopology.GatewayAddress.ToString()]);

    private Action<string> Said(string who) => line => Output.Lines()($"{who}: {line}");
}
