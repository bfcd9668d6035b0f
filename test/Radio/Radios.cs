using System.Globalization;
using Masquerade.Lab.Net;

namespace Masquerade.Radio.Tests;

/// <summary>The machine's radios: those of the first two access points and of the first client, in the place of their wires.</summary>
internal static class Radios
{
    /// <summary>The channel that all are on, MHz.</summary>
    public const int Frequency = 2_412;

    /// <summary>The address of an access point's radio (0 is AP1): its BSSID.</summary>
    public static string Bssid(int accessPoint) => string.Create(CultureInfo.InvariantCulture, $"02:6d:71:00:03:{accessPoint + 1:x2}");

    /// <summary>Puts them there. The wires stay, by the name <c>wire0</c>, and nobody is at them.</summary>
    public static void Install(LabTopology topology)
    {
        for (var k = 0; k < 2; k++)
        {
            Move(k, topology.AccessPoints[k].Name, "cl0", Bssid(k));
        }

        var client = topology.Clients[0];
        Tool.IpBatch(client.Name, "addr flush dev eth0");
        Move(2, client.Name, "eth0", LabTopology.ClientMac(0));
        client.Sysctl("net.ipv6.conf.wire0.disable_ipv6=1");
        Tool.IpBatch(
            client.Name,
            "link set eth0 up",
            $"addr add {LabTopology.ClientAddress(0)}/24 dev eth0",
            $"addr add {LabTopology.ClientAddress6(0)}/64 dev eth0 nodad",
            $"route replace default via {LabTopology.GatewayAddress}",
            "route replace default via fe80::1 dev eth0");
    }

    private static void Move(int radio, string to, string name, string mac)
    {
        Tool.IpBatch(to, $"link set {name} down", $"link set {name} name wire0", "link set wire0 up");
        Tool.Run("iw", ["phy", string.Create(CultureInfo.InvariantCulture, $"phy{radio}"), "set", "netns", "name", to]);
        Tool.IpBatch(to, $"link set wlan{radio} name {name}", $"link set {name} address {mac}");
        if (name is "cl0")
        {
            Tool.Run("ip", ["netns", "exec", to, "sysctl", "-q", "-w", "net.ipv6.conf.cl0.disable_ipv6=1"]);
        }
    }
}
