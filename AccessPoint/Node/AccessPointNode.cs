using Masquerade.AccessPoint.Dhcp;
using Masquerade.AccessPoint.Link;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.Fam;
using Masquerade.Ham;

namespace Masquerade.AccessPoint;

/// <summary>
/// An access point: two links, a HAM engine, a FAM engine and the conversation with the coordinator, composed. Sans-I/O and single-threaded: frames, messages and
/// <c>now</c> in, frames and messages out. A file per side and step; this one wires them together.
/// </summary>
public sealed partial class AccessPointNode
{
    private readonly AccessPointModel _model;
    private readonly INodeOutput _output;
    private readonly ClientLink _clientLink;
    private readonly UplinkLink _uplinkLink;
    private readonly Outbox _outbox;
    private readonly EngineEffects _effects;
    private readonly SeededRandom _random;
    private EndpointPool _pool;
    private Instant _now;

    /// <summary>Creates a node with empty tables.</summary>
    /// <param name="model">The validated settings.</param>
    /// <param name="seed">The source of everything left to chance: ports and hash seeds. Two nodes with the same seed and input behave alike.</param>
    /// <param name="output">Where effects go.</param>
    public AccessPointNode(AccessPointModel model, ulong seed, INodeOutput output)
    {
        _model = model;
        _output = output;
        _random = new SeededRandom(seed);
        _incarnation = model.Incarnation;
        if (model.Clients.Addressing != ClientAddressing.None)
        {
            _dhcpGateway = model.Clients.DhcpGateway;
            _dhcpClients = new DhcpClients();
            _dhcpPacket = new byte[Math.Min(model.Clients.Mtu, model.Uplink.Mtu)];
            _dhcpRelay = model.Clients.Addressing == ClientAddressing.Relay ? new DhcpRelay(model.Node, _dhcpGateway, model.Clients.DhcpServers) : null;
            _dhcpServer = _dhcpRelay is null ? new DhcpServer(model.Clients, _dhcpGateway) : null;
        }

        _clientLink = new ClientLink(model.Clients, output, Drops);
        _uplinkLink = new UplinkLink(model.Uplink, output, Drops);
        _effects = new EngineEffects(this);
        _outbox = new Outbox(SendWhenUp) { Suspended = true };
        (_pool, Ham, Fam) = Furnish();
        if (model.AddressPatience > TimeSpan.Zero && !model.Standalone)
        {
            WithholdAll();
        }
    }

    /// <summary>The anchor side; for its views of the mapping table.</summary>
    public HamEngine Ham { get; private set; }

    /// <summary>The visited side; for its views of clients and connections.</summary>
    public FamEngine Fam { get; private set; }

    /// <summary>The node's drop counters.</summary>
    public DropCounters Drops { get; } = new();

    /// <summary>Neighbours on the uplink that are known or being asked for.</summary>
    public int NeighbourCount => _uplinkLink.NeighbourCount;

    /// <summary>Messages to the coordinator whose answers are awaited.</summary>
    public int AwaitedAnswers => _outbox.Count;

    /// <summary>Clients of which something is still to be said that is not under way yet: more than a moment's worth means that the coordinator is slow or away.</summary>
    public int UnsaidClients => Fam.UnsaidCount + Ham.UnreportedCount;

    /// <summary>When <see cref="Advance"/> must be called at the latest.</summary>
    public Instant NextDeadline => Instant.Min(
        Instant.Min(Instant.Min(Ham.NextDeadline, Fam.NextDeadline), Instant.Min(_outbox.NextDeadline, _sessionDeadline)),
        Instant.Min(Instant.Min(_clientLink.NextDeadline, _uplinkLink.NextDeadline), Instant.Min(Instant.Min(_holdAt, NextLeaseDeadline), NextProbeDeadline)));

    /// <summary>A client's link is up: hostapd or another source of association events says so.</summary>
    public void OnAssociated(MacAddress client, Instant now)
    {
        _now = now;
        if (_associated.Count < _model.Fam.MaxClients)
        {
            _associated.Add(client);
        }

        if (_pool.GivesOut)
        {
            Fam.OnAssociated(client, now);
        }
    }

    /// <summary>A client's link is gone.</summary>
    public void OnDisassociated(MacAddress client, Instant now)
    {
        _now = now;
        _associated.Remove(client);
        Fam.OnDisassociated(client, now);
    }

    /// <summary>Does whatever is due.</summary>
    public void Advance(Instant now)
    {
        _now = now;
        _clientLink.Advance(now);
        _uplinkLink.Advance(now);
        Ham.Advance(now);
        Fam.Advance(now);
        AdvanceAddresses(now);
        AdvanceProbes(now);
        AdvanceLeases(now);
        AdvanceSession(now);
        _outbox.Advance(now);
    }

    /// <summary>Empty tables, over a pool of which nothing has been given out.</summary>
    private (EndpointPool Pool, HamEngine Ham, FamEngine Fam) Furnish()
    {
        var pool = new EndpointPool(
            new EndpointPoolOptions
            {
                Addresses = _model.Uplink.Addresses,
                FirstPort = _model.FirstPort,
                LastPort = _model.LastPort,
                RestTime = _model.PortRest,
                Reserved = [(TransportProtocol.Udp, _model.PeerPort), (TransportProtocol.Udp, DhcpPort.Server)],
            },
            _random.Fork());
        var ham = new HamEngine(_model.Ham, _model.Node, pool, _random.Fork(), _outbox, _effects, Drops);
        var fam = new FamEngine(_model.Fam with { Standalone = _model.Standalone }, _model.Node, pool, ham, _random.Fork(), _outbox, _effects, Drops);
        return (pool, ham, fam);
    }

    private bool TryParse(Span<byte> packet, out PacketSummary summary)
    {
        var reason = PacketParser.Parse(packet, out summary);
        if (reason != DropReason.None)
        {
            Drops.Count(reason);
        }

        return reason == DropReason.None;
    }

    /// <summary>Sends a packet where a verdict says. The frame is the packet's own, with room for the Ethernet header in front and without padding behind.</summary>
    private void Apply(Verdict verdict, Span<byte> frame, in OffloadInfo offload)
    {
        switch (verdict.Kind)
        {
            case VerdictKind.ForwardUplink:
                SendUplink(frame, offload);
                break;
            case VerdictKind.ForwardClient:
                _clientLink.SendInPlace(frame, offload, verdict.Client);
                break;
        }
    }

    /// <summary>What the engines do besides the verdict on the packet in hand.</summary>
    private sealed class EngineEffects(AccessPointNode node) : IEngineOutput
    {
        public void TransmitUplink(ReadOnlySpan<byte> packet, in OffloadInfo offload) => node.SendUplinkCopy(packet, offload);

        public void TransmitClient(MacAddress client, ReadOnlySpan<byte> packet, in OffloadInfo offload) => node._clientLink.SendCopy(packet, offload, client);

        public void DeliverLocally(Span<byte> packet, in OffloadInfo offload) => node.DeliverLocally(packet, offload);

        public void SendControl(ControlMessage message) => node.SendWhenUp(message);

        public void SendPeer(TransportEndpoint peer, PeerMessage message) => node.SendPeer(peer, message);

        public void Report(EngineEvent engineEvent) => node._output.Report(engineEvent);
    }
}
