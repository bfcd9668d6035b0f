using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>
/// Today's network for comparison: every access point is an ordinary router with the kernel's address translation (nftables <c>masquerade</c>),
/// the same client subnet and the same gateway address, so that the client keeps its own address too; only its connections do not survive.
/// </summary>
internal sealed class KernelNat : INetworkUnderTest
{
    public KernelNat(LabTopology topology)
    {
        foreach (var ap in topology.AccessPoints)
        {
            Translate(ap);
        }
    }

    public string? Failure => null;

    /// <summary>Has an access point's kernel route and translate.</summary>
    public static void Translate(NetNamespace accessPoint)
    {
        MakeRouter(accessPoint);
        Tool.Run("ip", ["netns", "exec", accessPoint.Name, "nft", "-f", "-"], """
            table inet lab {
                chain out {
                    type nat hook postrouting priority srcnat;
                    oifname "up0" masquerade
                }
            }

            """);
    }

    /// <summary>Gives an access point's kernel the clients' gateway addresses and lets it forward.</summary>
    public static void MakeRouter(NetNamespace accessPoint)
    {
        Tool.IpBatch(accessPoint.Name, "link set cl0 down", $"link set cl0 address {LabTopology.GatewayMac}", "link set cl0 up");
        accessPoint.Sysctl("net.ipv6.conf.cl0.disable_ipv6=0");
        Tool.IpBatch(accessPoint.Name, $"addr add {LabTopology.GatewayAddress}/24 dev cl0", "addr add fe80::1/64 dev cl0 nodad", "addr add fd00:77::1/64 dev cl0 nodad");
        accessPoint.Sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
    }

    public void Dispose()
    {
        // All of it lives in the namespaces and goes with them.
    }
}
