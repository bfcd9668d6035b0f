using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.World;

/// <summary>A client with one flow, as the tests of single moments begin; and whether a flow is alive.</summary>
internal static class Talk
{
    /// <summary>The first client at the first access point, with one flow that is on its way.</summary>
    public static (SimClient Client, Flow Flow) Settle(SimNetwork network, TransportProtocol protocol, bool ipv6)
    {
        network.Run(TimeSpan.FromMilliseconds(50));
        var client = network.Clients[0];
        network.Attach(client, 0);
        var flow = network.AddFlow(client, protocol, ipv6, 0);
        network.Run(TimeSpan.FromMilliseconds(500));
        AssertTalks(network, flow);
        return (client, flow);
    }

    /// <summary>Traffic passes in both directions within a time in which TCP has sent again what was lost.</summary>
    public static void AssertTalks(SimNetwork network, Flow flow)
    {
        var (up, down) = (flow.ReceivedUp, flow.ReceivedDown);
        network.Run(TimeSpan.FromMilliseconds(400));
        if (flow.ReceivedUp == up || flow.ReceivedDown == down)
        {
            throw network.Fail($"no traffic on {flow}: up {flow.ReceivedUp - up}, down {flow.ReceivedDown - down}");
        }
    }
}
