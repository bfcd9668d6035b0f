using Masquerade.AccessPoint.Dhcp;
using Masquerade.AccessPoint.Link;
using Masquerade.AccessPoint.Pcp;
using Masquerade.AccessPoint.Users;
using Masquerade.AccessPoint.Ways;
using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Protection;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
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
    private readonly IpAddress[] _configured;
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
        _configured = [.. model.Uplink.Addresses];
        _neighbours = model.Neighbourhood.Enabled ? new NeighbourSide(this, new SeededRandom(~seed >> 3)) : null;
        if (model.Clients.Addressing != ClientAddressing.None)
        {
            _dhcpGateway = model.Clients.DhcpGateway;
            _dhcpClients = new DhcpClients();
            _dhcpPacket = new byte[Math.Min(model.Clients.Mtu, model.Uplink.Mtu)];
            _dhcpRelay = model.Clients.Addressing == ClientAddressing.Relay ? new DhcpRelay(model.Node, _dhcpGateway, model.Clients.DhcpServers) : null;
            _dhcpServer = _dhcpRelay is null ? new DhcpServer(model.Clients, _dhcpGateway) : null;
        }

        if (model.Pcp.Enabled)
        {
            _pcp = new PcpServer(model.Pcp);
            _pcpPacket = new byte[UdpPackets.HeadersLength(ipv4: false) + PcpProtocol.MaxLength];
        }

        if (model.Users.Enabled)
        {
            if (model.Users.Protection != LinkProtection.Off && model.LinkRandom is null)
            {
                throw new ArgumentException("links cannot be protected without a source of random numbers", nameof(model));
            }

            _unprotected = new byte[EthernetHeader.Length + model.Clients.Mtu + MacsecChannel.FrameOverhead];
            _users = new UserSide(model.Users, new UserHost(this), Drops, new SeededRandom(~seed >> 4)) { Node = model.Node, Gateway = model.Clients.GatewayMac, Random = model.LinkRandom };
        }

        _radioKeys = model.RadioKeys is { } keys
            ? new RrbKeyHolder(keys, new RadioKeyHost(this), model.LinkRandom ?? throw new ArgumentException("there are no keys without a source of random numbers", nameof(model)))
            : null;
        _identifications = new IdentificationSource(new SeededRandom(~seed));
        _clientLink = new ClientLink(model.Clients, output, Drops, _identifications) { Users = _users };
        _uplinkLink = new UplinkLink(model.Uplink, output, Drops, _identifications) { NeighbourChanged = model.FastPath is { } passes ? passes.VoidAll : null };
        var relays = new IcmpConfig { ErrorsPerSecond = model.Neighbourhood.RelaysPerSecond, ErrorsPerReceiver = model.Neighbourhood.RelaysPerClient };
        _toldNodes = new ErrorLimiter(relays, (uint)(seed >> 8));
        _toldClients = new ErrorLimiter(relays, (uint)(seed >> 16));
        _errorLimiter = new ErrorLimiter(model.Icmp, (uint)(seed >> 32) ^ (uint)seed);
        _clientFragments = new FragmentTable(model.Fragments, model.PortRest, _identifications, (uint)(seed >> 16), Drops);
        _uplinkFragments = new FragmentTable(model.Fragments, model.PortRest, _identifications, (uint)(seed >> 24), Drops);
        _reader = new NodeReader(this);
        _paths = new PathMtus(Math.Min(model.Uplink.Mtu, ushort.MaxValue), model.Standalone ? TimeSpan.Zero : model.Ham.PathMtuInterval, new SeededRandom(~seed >> 1));
        var wayRandom = new SeededRandom(~seed >> 2);
        _cookieKey = MakeKey(wayRandom);
        _ways = new WayTable(model.Standalone ? OutboundWay.Direct : model.OutboundWay, model.WayInterval, wayRandom);
        _standIns = new StandIns((uint)wayRandom.NextUInt64());
        _effects = new EngineEffects(this);
        _outbox = new Outbox(SendWhenUp) { Suspended = true };
        (_pool, Ham, Fam) = Furnish();
        _showsClients = model.Uplink.Untranslated.Count > 0;
        if (_showsClients)
        {
            _uplinkLink.ShowsClient = address => Fam.ShowsClient(address);
        }

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

    /// <summary>How the blocks of ports at the node's own addresses are used.</summary>
    public PortBlockUse PortBlocks => _pool.DescribeBlocks();

    /// <summary>Messages to the coordinator whose answers are awaited.</summary>
    public int AwaitedAnswers => _outbox.Count;

    /// <summary>Clients of which something is still to be said that is not under way yet: more than a moment's worth means that the coordinator is slow or away.</summary>
    public int UnsaidClients => Fam.UnsaidCount + Ham.UnreportedCount;

    /// <summary>When <see cref="Advance"/> must be called at the latest.</summary>
    public Instant NextDeadline => Instant.Min(
        Instant.Min(Instant.Min(Instant.Min(Ham.NextDeadline, NextUserDeadline), Fam.NextDeadline), Instant.Min(_outbox.NextDeadline, _sessionDeadline)),
        Instant.Min(Instant.Min(_clientFragments.NextDeadline, _uplinkFragments.NextDeadline), Instant.Min(_clientLink.NextDeadline, Instant.Min(_uplinkLink.NextDeadline, Instant.Min(Instant.Min(_holdAt, NextLeaseDeadline), Instant.Min(Instant.Min(NextProbeDeadline, NextWayDeadline), Instant.Min(Instant.Min(_requestsAt, NextNeighbourDeadline), _paths.NextDeadline)))))));

    /// <summary>A client's link is up: hostapd or another source of association events says so.</summary>
    /// <param name="client">The client.</param>
    /// <param name="now">The time.</param>
    /// <param name="user">Whose key the link has proved, by the name that the RADIUS server knows him by; null: that is not known.</param>
    public void OnAssociated(MacAddress client, Instant now, string? user = null)
    {
        _now = now;
        if (_associated.Count < _model.Fam.MaxClients || _associated.ContainsKey(client))
        {
            _associated[client] = user;
        }

        if (_users is not null)
        {
            _users.OnAssociated(client, now);
        }
        else if (_pool.GivesOut)
        {
            Fam.OnAssociated(client, now);
        }
    }

    /// <summary>A client's link is gone.</summary>
    public void OnDisassociated(MacAddress client, Instant now)
    {
        _now = now;
        _associated.Remove(client);
        if (_users is not null)
        {
            _clientFragments.Forget(client);
            _users.OnDisassociated(client, now);
        }

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
        AdvancePcp(now);
        _clientFragments.Advance(now);
        _uplinkFragments.Advance(now);
        AdvanceAddresses(now);
        AdvanceProbes(now);
        AdvancePaths(now);
        AdvanceWays(now);
        AdvanceStandIns(now);
        AdvanceLeases(now);
        AdvanceNeighbours(now);
        AdvanceSession(now);
        _users?.Advance(now);
        _radioKeys?.Advance(now);
        _outbox.Advance(now);
    }

    /// <summary>Empty tables, over a pool of which nothing has been given out.</summary>
    private (EndpointPool Pool, HamEngine Ham, FamEngine Fam) Furnish()
    {
        FastPath?.Clear();
        var pool = new EndpointPool(
            new EndpointPoolOptions
            {
                Addresses = _model.Uplink.Addresses,
                FirstPort = _model.FirstPort,
                LastPort = _model.LastPort,
                RestTime = _model.PortRest,
                Pooling = _model.Pooling,
                BlockSize = _model.PortBlockSize,
                BlocksPerClient = _model.PortBlocksPerClient,
                ShareBelowPercent = _model.ShareBelowPercent,
                Reserved = [(TransportProtocol.Udp, _model.PeerPort), (TransportProtocol.Tcp, _model.PeerPort), (TransportProtocol.Udp, DhcpPort.Server)],
            },
            _random.Fork());
        var mtu = new LinkMtu(_model.Uplink.Mtu, _model.Clients.Mtu);
        var ham = new HamEngine(_model.Ham, _model.Node, pool, _random.Fork(), _outbox, _effects, Drops) { Mtu = mtu, Reader = _reader, PathMtu = _paths.To, WallClock = _model.WallClock, Rerouting = FastPath is null ? null : client => Fam.StopPassing(client) };
        var untranslated = new UntranslatedDestinations(_model.Uplink.Untranslated, _model.Clients.Prefixes);
        var fam = new FamEngine(_model.Fam with { Standalone = _model.Standalone, Untranslated = untranslated }, _model.Node, pool, ham, _random.Fork(), _outbox, _effects, Drops, _neighbours)
        {
            Mtu = mtu, Reader = _reader, Helpers = _model.Helpers.Make(), Mapping = _model.Mapping, ReportsConnections = _model.ReportsConnections, Filter = _model.Filter ?? _users?.Policies, FastPath = FastPath, PassedByHamElsewhere = NotePassed,
        };
        return (pool, ham, fam);
    }

    /// <summary>Reads the packet in a frame. False: it is finished; a fragment has been passed on, or waits.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="client">The client that it is from; none if it is from the uplink.</param>
    /// <param name="offload">Its offload state.</param>
    /// <param name="summary">What the packet is.</param>
    private bool TryParse(Span<byte> frame, MacAddress client, in OffloadInfo offload, out PacketSummary summary)
    {
        var reason = Parse(frame[EthernetHeader.Length..], client, out summary);
        if (reason == DropReason.Fragment)
        {
            OnFragment(frame, client, offload);
            return false;
        }

        if (reason != DropReason.None)
        {
            Drops.Count(reason);
        }

        return reason == DropReason.None;
    }

    /// <summary>
    /// Sends a packet where a verdict says. The frame is the packet's own, with room for the Ethernet header in front and without padding behind; <paramref name="before"/> is what it was
    /// before the engine had it.
    /// </summary>
    /// <returns>Whether it went on its link, as it is.</returns>
    private bool Apply(Verdict verdict, Span<byte> frame, in PacketSummary before, in OffloadInfo offload, Leg leg)
    {
        switch (verdict.Kind)
        {
            case VerdictKind.ForwardUplink:
                if (_ways.IsOn)
                {
                    Detour(frame[EthernetHeader.Length..], offload, before, leg);
                }

                return SendUplink(frame, offload);
            case VerdictKind.ForwardClient:
                return _clientLink.SendInPlace(frame, offload, verdict.Client);
            default:
                return false;
        }
    }

    /// <summary>What the engines do besides the verdict on the packet in hand.</summary>
    private sealed class EngineEffects(AccessPointNode node) : IEngineOutput
    {
        public void TransmitUplink(ReadOnlySpan<byte> packet, in OffloadInfo offload) => node.SendWaited(packet, offload);

        public void TransmitClient(MacAddress client, ReadOnlySpan<byte> packet, in OffloadInfo offload) => node._clientLink.SendCopy(packet, offload, client);

        public void DeliverLocally(Span<byte> packet, in OffloadInfo offload) => node.DeliverLocally(packet, offload);

        public void SendError(in IcmpError error, ReadOnlySpan<byte> packet, in PacketSummary summary, MacAddress client) => node.SendError(error, packet, summary, client);

        public void SendControl(ControlMessage message) => node.SendWhenUp(message);

        public void SendPeer(TransportEndpoint peer, PeerMessage message)
        {
            if (message is CopyMark or CopyMarked && peer == node._model.PeerEndpoint)
            {
                // The HAM's own node is one of the client's FAMs.
                node.Fam.OnPeer(message, peer, node._now);
                return;
            }

            node.SendPeer(peer, message);
        }

        public void Report(EngineEvent engineEvent)
        {
            if (engineEvent is ClientAddressShown shown)
            {
                node._uplinkLink.AnnounceClient(shown.Address, node._now);
            }

            node._output.Report(engineEvent);
        }
    }
}
