using System.Buffers.Binary;
using Masquerade.AccessPoint.Link;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Node;

/// <summary>
/// Two whole nodes and a router between them and everybody else; the test plays the coordinator. A client begins at the first, which anchors what it opens, and may roam to the second.
/// </summary>
internal sealed partial class RoamingPair
{
    public static readonly MacAddress Client = MacAddress.Parse("02:00:00:00:00:11");
    public static readonly MacAddress Router = MacAddress.Parse("02:bb:00:00:00:01");
    private static readonly NodeId s_first = new("ap1");
    private static readonly NodeId s_second = new("ap2");

    private readonly Queue<(byte[] Packet, int From)> _onTheWay = new();
    private readonly Func<int, Func<AccessPointModel, AccessPointModel>, Side> _makeSide;
    private Side[] _sides;
    private readonly List<(MappingId Mapping, TransportEndpoint Client, TransportEndpoint Server)> _open = [];
    private ulong _epoch = 1;
    private TransportEndpoint[] _ways = [];
    private List<MappingRecord> _served = [];
    private FamChange? _untold;

    public RoamingPair(
        FragmentConfig? fragments = null, int uplinkMtu = 1_500, int clientMtu = 1_500, TimeSpan? portRest = null, OutboundWay way = OutboundWay.Direct, Func<AccessPointModel, AccessPointModel>? change = null)
    {
        change ??= model => model;
        _makeSide = (number, further) => new Side(this, number, fragments, uplinkMtu, clientMtu, portRest, way, model => further(change(model)));
        _sides = [_makeSide(1, model => model), _makeSide(2, model => model)];
        foreach (var side in _sides)
        {
            Connect(side);
        }

        Arrive(Client, 0);
    }

    public Instant Now { get; private set; } = Instant.FromMilliseconds(1);

    /// <summary>Where the client is.</summary>
    public int At { get; private set; }

    /// <summary>Packets that left for servers, in order.</summary>
    public List<byte[]> AtServer { get; } = [];

    /// <summary>Packets that came to clients, in order, and by which node.</summary>
    public List<(int Node, MacAddress Client, byte[] Packet)> AtClient { get; } = [];

    /// <summary>What the router's link to each node carries, and whether it says so.</summary>
    public int[] WayMtu { get; } = [int.MaxValue, int.MaxValue, int.MaxValue];

    public bool RouterSays { get; set; } = true;

    /// <summary>Whether the router takes from each node only what has an address of that node's subnet as its source, as with strict reverse-path filtering.</summary>
    public bool[] Filters { get; } = [false, false, false];

    /// <summary>Packets that were dropped for their source: datagrams about ways not counted.</summary>
    public int Filtered { get; private set; }

    /// <summary>Datagrams between nodes are lost.</summary>
    public bool LosesPeers { get; set; }

    /// <summary>Whether the router is a hop for everything that nodes send, or only for questions about ways.</summary>
    public bool RouterCounts { get; set; }

    /// <summary>Whether routers say that a packet had no hop left.</summary>
    public bool RoutersSayExpired { get; set; } = true;

    /// <summary>Is shown every packet of a node that gets through, as it is on the wire.</summary>
    public Action<byte[]>? Watch { get; set; }

    /// <summary>Datagrams about ways that came to the router, in order.</summary>
    public List<(int From, WayMessage Message)> Words { get; } = [];

    /// <summary>Addresses that a node has said on the uplink to be there, beside those that it holds, and which it was last.</summary>
    public Dictionary<IpAddress, int> Said { get; } = [];

    /// <summary>What the coordinator knows to be the client's addresses when it roams.</summary>
    public List<IpAddress> ClientAddresses { get; } = [];

    public AccessPointNode Node(int side) => _sides[side].Node;

    public static IpAddress Address(int side, bool v6) => IpAddress.Parse(v6 ? $"fd00:10:1:{side + 1}::10" : $"10.1.{side + 1}.10");

    /// <summary>Another client comes to where the first one began.</summary>
    public void Arrive(MacAddress client, int side)
    {
        var at = _sides[side];
        at.Node.OnAssociated(client, Now);
        var arrive = at.Control.OfType<Arrive>().Last(a => a.Client == client);
        at.Node.OnControl(new ArriveReply { Id = arrive.Id, Client = client, Status = AckStatus.Ok, Epoch = new Epoch(_epoch), Complete = true }, Now);
    }

    /// <summary>Opens a UDP connection; tells its masquerade endpoint.</summary>
    public TransportEndpoint Open(TransportEndpoint client, TransportEndpoint server, MacAddress? mac = null) =>
        Open(Packet(Frames.Build(default, default, TransportProtocol.Udp, client, server, "open"u8)), mac);

    /// <summary>Opens a connection with a packet of the client; tells its masquerade endpoint.</summary>
    public TransportEndpoint Open(byte[] packet, MacAddress? mac = null)
    {
        AtServer.Clear();
        var tuple = Read(packet).Tuple;
        FromClient(packet, mac);
        var masquerade = Read(Assert.Single(AtServer)).Tuple.Source;
        AtServer.Clear();
        if (mac is null)
        {
            var mapping = new MappingId(tuple.Protocol, masquerade);
            var isOfServer = Node(0).Ham.Describe(int.MaxValue).Any(m => m.Mapping == mapping with { Server = tuple.Destination });
            _open.Add((isOfServer ? mapping with { Server = tuple.Destination } : mapping, tuple.Source, tuple.Destination));
        }

        return masquerade;
    }

    public void FromClient(byte[] packet, MacAddress? mac = null, int? side = null, OffloadInfo offload = default)
    {
        _sides[side ?? At].Node.OnClientFrame(Frame(AccessPointModel.DefaultGatewayMac, mac ?? Client, packet), offload, Now);
        Pump();
    }

    /// <summary>The router asks on the link to a node who has an address.</summary>
    public void Ask(int side, IpAddress address)
    {
        var frame = new byte[LinkFrames.MaxLength];
        var router = IpAddress.Parse(address.IsIPv4 ? $"10.1.{side + 1}.1" : $"fd00:10:1:{side + 1}::1");
        var length = address.IsIPv4
            ? LinkFrames.ArpRequest(frame, MacAddress.Broadcast, Router, router, address)
            : LinkFrames.NeighbourSolicitation(frame, Router, router, address, MacAddress.None);
        _sides[side].Node.OnUplinkFrame(frame.AsSpan(0, length), OffloadInfo.None, Now);
    }

    public void FromServer(byte[] packet)
    {
        _onTheWay.Enqueue((packet, -1));
        Pump();
    }

    /// <summary>A frame comes to a node from the router as it is.</summary>
    public void FromRouter(int side, byte[] packet)
    {
        _sides[side].Node.OnUplinkFrame(Frame(_sides[side].Mac, Router, packet), OffloadInfo.None, Now);
        Pump();
    }

    /// <summary>What a node has said to the coordinator.</summary>
    public IReadOnlyList<ControlMessage> Control(int side) => _sides[side].Control;

    /// <summary>What a node has reported.</summary>
    public List<EngineEvent> Events(int side) => _sides[side].Events;

    public void Wait(double milliseconds)
    {
        Now += TimeSpan.FromMilliseconds(milliseconds);
        foreach (var side in _sides.Where(s => !s.IsDead))
        {
            side.Node.Advance(Now);
        }

        Pump();
    }

    /// <summary>The client's link to where it is goes, and it associates with the other node; nobody has been told yet.</summary>
    public void Leave() => _sides[At].Node.OnDisassociated(Client, Now);

    /// <summary>The coordinator hears of the client at the other node, and tells everybody.</summary>
    /// <param name="hamHears">Whether the HAM hears of it at once; otherwise by <see cref="TellHam"/>.</param>
    public void Roam(bool hamHears = true)
    {
        var (from, to) = (_sides[At], _sides[1 - At]);
        to.Node.OnAssociated(Client, Now);
        var arrive = to.Control.OfType<Arrive>().Last();
        var offers = arrive.Offers.ToList();
        _epoch++;
        var records = new List<MappingRecord>();
        var routes = new List<FamRoute>();
        var before = _ways.Length == 0 ? [.. _open.Select(o => o.Mapping.Masquerade)] : _ways;
        foreach (var (mapping, client, server) in _open)
        {
            // Back at the HAM there need not be an offer: the masquerade endpoint will do.
            var offer = offers.FirstOrDefault(o => o.Protocol == mapping.Protocol && o.Endpoint.Address.IsIPv4 == client.Address.IsIPv4);
            var fam = offer?.Endpoint ?? mapping.Masquerade;
            if (offer is not null)
            {
                offers.Remove(offer);
            }

            records.Add(new MappingRecord
            {
                Mapping = mapping,
                ClientEndpoint = client,
                Ham = s_first,
                AnchorEpoch = new Epoch(1),
                Revision = 1,
                FamEndpoint = fam,
                Connections = [new ConnectionRecord(server, ConnectionState.Established, 0)],
            });
            routes.Add(new FamRoute(mapping, s_first, before[routes.Count], fam));
        }

        _ways = [.. routes.Select(r => r.NewFamEndpoint)];
        _served = records;
        var names = new[] { s_first, s_second };
        to.Node.OnControl(
            new ArriveReply { Id = arrive.Id, Client = Client, Status = AckStatus.Ok, Epoch = new Epoch(_epoch), PreviousFam = names[At], Complete = true, Mappings = records, Addresses = ClientAddresses }, Now);
        var change = new FamChange
        {
            Id = 1_000 + _epoch,
            Client = Client,
            Epoch = new Epoch(_epoch),
            NewFam = names[1 - At],
            PreviousFam = names[At],
            PreviousFamPeer = new TransportEndpoint(Address(At, v6: false), AccessPointModel.DefaultPeerPort),
            Token = 7,
            Routes = routes,
        };
        _untold = change;
        At = 1 - At;
        if (from != _sides[0])
        {
            from.Node.OnControl(change, Now);
        }

        if (hamHears)
        {
            TellHam();
        }

        Pump();
    }

    /// <summary>The HAM hears of the last move.</summary>
    public void TellHam()
    {
        _sides[0].Node.OnControl(_untold!, Now);
        Pump();
    }

    private void Connect(Side side)
    {
        side.Node.OnControlConnected(Now);
        side.Node.OnControl(new Welcome { Id = side.Control.OfType<Hello>().Last().Id, Coordinator = new NodeId("c"), StoreIncarnation = 1, HeartbeatMilliseconds = 60_000 }, Now);
    }

    public static PacketSummary Read(byte[] packet)
    {
        Assert.Equal(Core.Diagnostics.DropReason.None, PacketParser.Parse(packet, out var summary));
        return summary;
    }

    public static byte[] Packet(byte[] frame) => frame[14..];

    public static byte[] Datagram(TransportEndpoint from, TransportEndpoint to, ReadOnlySpan<byte> payload, TransportProtocol protocol = TransportProtocol.Udp) =>
        Packet(Frames.Build(default, default, protocol, from, to, payload, TcpFlags.Ack));

    private static byte[] Frame(MacAddress to, MacAddress from, byte[] packet)
    {
        var frame = new byte[14 + packet.Length];
        EthernetHeader.Write(frame, to, from, packet[0] >> 4 == 6 ? EtherType.IPv6 : EtherType.IPv4);
        packet.CopyTo(frame, 14);
        return frame;
    }

    /// <summary>The router: whatever is for a node goes there, everything else to the server.</summary>
    private void Pump()
    {
        while (_onTheWay.TryDequeue(out var arrived))
        {
            var (packet, from) = arrived;
            if (from >= 0 && !TryForward(packet, from))
            {
                continue;
            }

            var destination = packet[0] >> 4 == 6 ? IpAddress.FromBytes(packet.AsSpan(24, 16)) : IpAddress.FromBytes(packet.AsSpan(16, 4));
            var side = Array.FindIndex(_sides, s => !s.IsDead && s.Node.HeldAddresses.Contains(destination));
            side = side < 0 && Said.TryGetValue(destination, out var said) ? said : side;
            if (side >= 0 && packet.Length > WayMtu[side])
            {
                if (RouterSays)
                {
                    var error = new byte[IcmpError.MaxIPv6];
                    var length = IcmpError.TooBig(WayMtu[side]).Write(error, IpAddress.Parse(destination.IsIPv4 ? "198.51.100.1" : "2001:db8:ff::1"), packet);
                    _onTheWay.Enqueue((error[..length], -1));
                }
            }
            else if (side < 0)
            {
                AtServer.Add(packet);
            }
            else
            {
                _sides[side].Node.OnUplinkFrame(Frame(_sides[side].Mac, Router, packet), OffloadInfo.None, Now);
            }
        }
    }

    /// <summary>What the router does before it looks where a packet of a node goes: as Linux, the source first and then the hop limit.</summary>
    private bool TryForward(byte[] packet, int from)
    {
        var isV4 = packet[0] >> 4 == 4;
        var source = isV4 ? IpAddress.FromBytes(packet.AsSpan(12, 4)) : IpAddress.FromBytes(packet.AsSpan(8, 16));
        var transport = packet.AsSpan(isV4 ? 20 : 40);
        WayMessage? word = null;
        var isPeer = packet[isV4 ? 9 : 6] == 17 && transport.Length > 8 && BinaryPrimitives.ReadUInt16BigEndian(transport) == AccessPointModel.DefaultPeerPort;
        if (isPeer && WayCodec.TryDecode(transport[8..], out word))
        {
            Words.Add((from, word!));
        }

        if (Filters[from] && !_sides[from].Node.HeldAddresses.Contains(source))
        {
            Filtered += word is null ? 1 : 0;
            return false;
        }

        if (LosesPeers && isPeer)
        {
            return false;
        }

        var hops = packet[isV4 ? 8 : 7];
        if (hops <= 1 && (RouterCounts || word is WayProbe))
        {
            Answer(IcmpError.TimeExceeded, IpAddress.Parse(isV4 ? "198.51.100.1" : "2001:db8:ff::1"), packet);
            return false;
        }

        if (word is WayProbe && BinaryPrimitives.ReadUInt16BigEndian(transport[2..]) != AccessPointModel.DefaultPeerPort)
        {
            // At the server, where nobody listens.
            Answer(IcmpError.PortUnreachable, isV4 ? IpAddress.FromBytes(packet.AsSpan(16, 4)) : IpAddress.FromBytes(packet.AsSpan(24, 16)), packet);
            return false;
        }

        if (RouterCounts)
        {
            PacketParser.Parse(packet, out var summary, hairpin: true);
            PacketRewriter.DecrementTtl(packet, summary);
        }

        if (word is null)
        {
            Watch?.Invoke(packet);
        }

        return true;
    }

    private void Answer(IcmpError error, IpAddress by, byte[] about)
    {
        if (RoutersSayExpired)
        {
            var answer = new byte[IcmpError.MaxIPv6];
            _onTheWay.Enqueue((answer[..error.Write(answer, by, about)], -1));
        }
    }

    private sealed class Side : INodeOutput
    {
        private readonly RoamingPair _pair;
        private readonly int _number;

        public Side(RoamingPair pair, int number, FragmentConfig? fragments, int uplinkMtu, int clientMtu, TimeSpan? portRest, OutboundWay way, Func<AccessPointModel, AccessPointModel> change)
        {
            _pair = pair;
            _number = number;
            Mac = MacAddress.Parse($"02:aa:00:00:00:0{number}");
            var (gatewayV4, gatewayV6) = (IpAddress.Parse($"10.1.{number}.1"), IpAddress.Parse($"fd00:10:1:{number}::1"));
            Node = new AccessPointNode(
                change(new AccessPointModel
                {
                    Node = new NodeId($"ap{number}"),
                    Incarnation = 9,
                    Fragments = fragments ?? new FragmentConfig(),
                    OutboundWay = way,
                    PortRest = portRest ?? TimeSpan.FromSeconds(120),
                    Uplink = new UplinkModel
                    {
                        Mac = Mac,
                        Mtu = uplinkMtu,
                        Addresses = [Address(number - 1, v6: false), Address(number - 1, v6: true)],
                        OnLink = [IpPrefix.Parse($"10.1.{number}.0/24"), IpPrefix.Parse($"fd00:10:1:{number}::/64")],
                        GatewayV4 = gatewayV4,
                        GatewayV6 = gatewayV6,
                        StaticNeighbours = new Dictionary<IpAddress, MacAddress> { [gatewayV4] = Router, [gatewayV6] = Router },
                    },
                    Clients = new ClientSideModel
                    {
                        Mtu = clientMtu,
                        GatewayAddresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fe80::1")],
                        Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("fd00:77::/64")],
                    },
                }),
                (ulong)number,
                this);
        }

        public int Number => _number;

        public MacAddress Mac { get; }

        public AccessPointNode Node { get; }

        public bool IsDead { get; set; }

        public List<ControlMessage> Control { get; } = [];

        public List<EngineEvent> Events { get; } = [];

        public void SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
        {
            if (EthernetHeader.TryParse(frame, out var ethernet) && SaidToBeHere(ethernet) is { IsNone: false } address)
            {
                _pair.Said[address] = _number - 1;
            }
            else if (ethernet.Type is EtherType.IPv4 or EtherType.IPv6 && ethernet.Destination == Router)
            {
                _pair._onTheWay.Enqueue((frame[14..].ToArray(), _number - 1));
            }
        }

        /// <summary>A gratuitous ARP request, an ARP reply, or a neighbour advertisement that overrides what was known.</summary>
        private static IpAddress SaidToBeHere(in EthernetHeader frame)
        {
            if (frame.Type == EtherType.Arp && ArpHeader.TryParse(frame.Payload, out var arp) && (arp.Operation == ArpOperation.Reply || arp.SenderAddress == arp.TargetAddress))
            {
                return arp.SenderAddress;
            }

            return frame.Type == EtherType.IPv6 && NdMessage.TryParse(frame.Payload, out var message) && message.Type == Icmpv6Type.NeighbourAdvertisement
                ? message.Target : IpAddress.None;
        }

        public void SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
        {
            if (EthernetHeader.TryParse(frame, out var ethernet) && !ethernet.Destination.IsGroup)
            {
                _pair.AtClient.Add((_number - 1, ethernet.Destination, frame[14..].ToArray()));
            }
        }

        public void SendControl(ControlMessage message) => Control.Add(message);

        public void Report(EngineEvent engineEvent) => Events.Add(engineEvent);
    }
}
