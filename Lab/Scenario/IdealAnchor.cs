using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>
/// The laboratory's own calibration: the product's way of packets, done by the kernel's stateless address rewriting and driven by an oracle. Each
/// client has one masquerade address at its home access point; the rule that leads on to the access point where the client is changes while
/// the client's link is dead. A walk through it shows what the instruments read when there is nothing to measure, and that the judge says "ok" to what is right.
/// </summary>
internal sealed class IdealAnchor : INetworkUnderTest
{
    private readonly LabTopology _topology;

    public IdealAnchor(LabTopology topology)
    {
        _topology = topology;
        for (var k = 0; k < LabTopology.AccessPointCount; k++)
        {
            var ap = topology.AccessPoints[k];
            KernelNat.MakeRouter(ap);

            // Leading on goes out where it came in, which a router would otherwise comment with a redirect.
            ap.Sysctl("net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.up0.send_redirects=0");
            Nft(ap, """
                table ip lab { chain out { type filter hook prerouting priority raw; }; chain in { type filter hook prerouting priority raw; }; }
                table ip6 lab { chain out { type filter hook prerouting priority raw; }; chain in { type filter hook prerouting priority raw; }; }
                """);
            for (var client = 0; client < topology.Clients.Count; client++)
            {
                // No neighbour discovery: resolving the client anew at each access point would be part of a real network's gap.
                Tool.IpBatch(ap.Name,
                    $"neigh replace {LabTopology.ClientAddress(client)} lladdr {LabTopology.ClientMac(client)} dev cl0 nud permanent",
                    $"neigh replace {LabTopology.ClientAddress6(client)} lladdr {LabTopology.ClientMac(client)} dev cl0 nud permanent");

                // Nobody owns the masquerade addresses here: an owner would take packets from them for forged ones.
                Tool.IpBatch(topology.Router.Name,
                    $"neigh replace {Address(k, client)} lladdr {LabTopology.UplinkMac(k)} dev u{k + 1} nud permanent",
                    $"neigh replace {Address6(k, client)} lladdr {LabTopology.UplinkMac(k)} dev u{k + 1} nud permanent");
                Nft(ap, $"""
                    add rule ip lab out iifname "cl0" ip saddr {LabTopology.ClientAddress(client)} ip saddr set {Address(Home(client), client)} notrack
                    add rule ip6 lab out iifname "cl0" ip6 saddr {LabTopology.ClientAddress6(client)} ip6 daddr fd00:10:1:100::/64 ip6 saddr set {Address6(Home(client), client)} notrack
                    """);
            }

            LeadOn(k, Home);
        }
    }

    public string? Failure => null;

    public void ClientMoves(int client, int to) => LeadOn(Home(client), c => c == client ? to : Home(c));

    public void Dispose()
    {
        // All of it lives in the namespaces and goes with them.
    }

    private static int Home(int client) => client % LabTopology.AccessPointCount;

    private static string Address(int accessPoint, int client) => $"10.1.{accessPoint + 1}.{101 + client}";

    private static string Address6(int accessPoint, int client) => $"fd00:10:1:{accessPoint + 1}::{101 + client}";

    private static void Nft(NetNamespace where, string script) => Tool.Run("ip", ["netns", "exec", where.Name, "nft", "-f", "-"], script + "\n");

    // One transaction, so that no packet meets half a rule set. Other clients of the same home stay at home in this laboratory.
    private void LeadOn(int accessPoint, Func<int, int> whereIs)
    {
        var script = "flush chain ip lab in\nflush chain ip6 lab in\n";
        for (var client = 0; client < _topology.Clients.Count; client++)
        {
            var stays = Home(client) != accessPoint || whereIs(client) == accessPoint;
            var target = stays ? LabTopology.ClientAddress(client).ToString() : Address(whereIs(client), client);
            var target6 = stays ? LabTopology.ClientAddress6(client).ToString() : Address6(whereIs(client), client);
            script += $"""
                add rule ip lab in iifname "up0" ip daddr {Address(accessPoint, client)} ip daddr set {target} notrack
                add rule ip6 lab in iifname "up0" ip6 daddr {Address6(accessPoint, client)} ip6 daddr set {target6} notrack

                """;
        }

        Nft(_topology.AccessPoints[accessPoint], script);
    }
}
