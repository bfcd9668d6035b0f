using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Forwarder;

/// <summary>The product's.</summary>
internal sealed class OurForwarder : IForwarder
{
    private readonly FlowForwarder _forwarder;

    public OurForwarder(Traffic traffic, SeededRandom random)
    {
        Cache = new FlowCache(traffic.Count, Traffic.Clients, random);
        _forwarder = new FlowForwarder(Cache, Traffic.Mtu);
        for (var i = 0; i < Traffic.Clients; i++)
        {
            Cache.SetClient(i, Traffic.Mac(i), Traffic.Mtu);
        }

        for (var i = 0; i < traffic.Count; i++)
        {
            Cache.Install(i, Traffic.ClientOf(i), Traffic.Route(i), tick: 0);
        }
    }

    public string Name => "Masquerade";

    public FlowCache Cache { get; }

    public int Run(Span<byte> memory, Span<FastPacket> packets, bool isInbound) => isInbound ? _forwarder.Inbound(memory, packets, 1) : _forwarder.Outbound(memory, packets, 1);
}
