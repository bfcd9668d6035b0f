using Masquerade.Lab.Net;

namespace Masquerade.Lab.Scenario;

/// <summary>
/// The laboratory's own calibration: access points route without translation, and the router's host route to a client is changed while its link
/// is dead, as by an oracle. A walk through it shows what the instruments read when there is nothing to measure.
/// </summary>
internal sealed class IdealRouting : INetworkUnderTest
{
    private readonly LabTopology _topology;

    public IdealRouting(LabTopology topology)
    {
        _topology = topology;
        foreach (var ap in topology.AccessPoints)
        {
            KernelNat.MakeRouter(ap);
            for (var client = 0; client < topology.Clients.Count; client++)
            {
                // No neighbour discovery: resolving the client anew at each access point would be part of a real network's gap.
                Tool.IpBatch(ap.Name,
                    $"neigh replace {LabTopology.ClientAddress(client)} lladdr {LabTopology.ClientMac(client)} dev cl0 nud permanent",
                    $"neigh replace {LabTopology.ClientAddress6(client)} lladdr {LabTopology.ClientMac(client)} dev cl0 nud permanent");
            }
        }
    }

    public string? Failure => null;

    public void ClientMoves(int client, int to) =>
        Tool.IpBatch(_topology.Router.Name,
            $"route replace {LabTopology.ClientAddress(client)}/32 via 10.1.{to + 1}.2",
            $"route replace {LabTopology.ClientAddress6(client)}/128 via fd00:10:1:{to + 1}::2");

    public void Dispose()
    {
        // All of it lives in the namespaces and goes with them.
    }
}
