using System.Globalization;
using Masquerade.Lab.Net;

namespace Masquerade.Radio.Tests;

/// <summary>
/// The machine's radios: those of the first two access points and of the first client. An access point's client interface is a bridge then, of its radio and of the wire that the laboratory's other clients come by.
/// </summary>
internal static class Radios
{
    /// <summary>The channel that all are on, MHz.</summary>
    public const int Frequency = 2_412;

    /// <summary>The address of an access point's radio (0 is AP1): its BSSID.</summary>
    public static string Bssid(int accessPoint) => string.Create(CultureInfo.InvariantCulture, $"02:6d:71:00:03:{accessPoint + 1:x2}");

    /// <summary>The radio of an access point, which hostapd puts into the bridge <c>cl0</c>.</summary>
    public const string AccessPointRadio = "radio0";

    /// <summary>Puts them there. The wires stay, by the name <c>wire0</c>.</summary>
    public static void Install(LabTopology topology)
    {
        for (var k = 0; k < 2; k++)
        {
            var ap = topology.AccessPoints[k].Name;
            Move(k, ap, "cl0", AccessPointRadio, Bssid(k));
            Tool.IpBatch(
                ap,
                $"link add cl0 address 02:6d:71:00:01:{k + 1:x2} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                "link set wire0 master cl0",
                "link set cl0 promisc on up");
            topology.AccessPoints[k].Sysctl("net.ipv6.conf.cl0.disable_ipv6=1");

            // Not to the other port: the clients' gateway is the agent.
            Tool.Run("bridge", ["-n", ap, "fdb", "replace", LabTopology.GatewayMac, "dev", "cl0", "self", "permanent"]);
        }

        var client = topology.Clients[0];
        Tool.IpBatch(client.Name, "addr flush dev eth0");
        Move(2, client.Name, "eth0", "eth0", LabTopology.ClientMac(0));
        client.Sysctl("net.ipv6.conf.wire0.disable_ipv6=1");
        Tool.IpBatch(
            client.Name,
            "link set eth0 up",
            $"addr add {LabTopology.ClientAddress(0)}/24 dev eth0",
            $"addr add {LabTopology.ClientAddress6(0)}/64 dev eth0 nodad",
            $"route replace default via {LabTopology.GatewayAddress}",
            "route replace default via fe80::1 dev eth0");
    }

    private static void Move(int radio, string to, string wire, string name, string mac)
    {
        Tool.IpBatch(to, $"link set {wire} down", $"link set {wire} name wire0", "link set wire0 up");
        Tool.Run("iw", ["phy", string.Create(CultureInfo.InvariantCulture, $"phy{radio}"), "set", "netns", "name", to]);
        Tool.IpBatch(to, $"link set wlan{radio} name {name}", $"link set {name} address {mac}");
    }
}
