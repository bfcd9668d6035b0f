using System.Net;
using System.Security.Cryptography;
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
        Output.WriteLine(second.StationOf(0));
    });

    [MachineFact]
    public void A_client_walks_by_802_11r_between_two_that_share_a_key() => InMachine(() =>
    {
        using var topology = new LabTopology(clients: 1, offload: true);
        Radios.Install(topology);
        Bridge(topology);
        using var radius = StartRadius(topology);
        var key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        using var first = new Hostapd(topology, 0, radius.AuthEndPoint, radius.Secret, Said("hostapd 1"), Fast(key));
        using var station = new Station(topology, "alice", "alice's", Path.Combine(radius.Directory, "ca.pem"), Said("station"), "FT-EAP");
        Patience.WaitFor(() => station.IsAt(0), "the client does not get in at the first");
        Ping(topology);
        using var second = new Hostapd(topology, 1, radius.AuthEndPoint, radius.Secret, Said("hostapd 2"), Fast(key));
        station.Roam(1);
        Ping(topology);
        Assert.Contains("AKMSuiteSelector=00-0f-ac-3\n", second.StationOf(0), StringComparison.Ordinal);
        Assert.False(second.HasAskedForIdentity);
    });

    /// <summary>A wire between both access points' bridges, by which hostapds talk to each other (IEEE 802.11-2020 13.10); the clients' gateway is at the first.</summary>
    private static void Bridge(LabTopology topology)
    {
        Tool.IpBatch(topology.AccessPoints[0].Name, $"link add ds0 type veth peer name ds0 netns {topology.AccessPoints[1].Name}");
        foreach (var ap in topology.AccessPoints.Take(2))
        {
            Tool.IpBatch(ap.Name, "link set ds0 master cl0", "link set ds0 up");
        }

        Tool.IpBatch(topology.AccessPoints[0].Name, $"addr add {LabTopology.GatewayAddress}/24 dev cl0");
    }

    private static string[] Fast(string key) =>
    [
        "wpa_key_mgmt=FT-EAP", "mobility_domain=6d71", "ft_over_ds=0", "pmk_r1_push=0",
        .. Enumerable.Range(0, 2).Select(k => $"r0kh={Radios.Bssid(k)} ap{k + 1}.lab {key}"), .. Enumerable.Range(0, 2).Select(k => $"r1kh={Radios.Bssid(k)} {Radios.Bssid(k)} {key}"),
    ];

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
