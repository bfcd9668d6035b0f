using System.Buffers.Binary;
using Masquerade.AccessPoint.Link;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.RoamingCoordinator;

namespace Masquerade.AccessPoint.Tests.Neighbours;

/// <summary>Three whole nodes, each on a link of its own behind a router that looks at sources, a real coordinator, and clients that walk.</summary>
internal sealed class NeighbourSite
{
    public static readonly MacAddress Anna = MacAddress.Parse("02:00:00:00:00:11");
    public static readonly MacAddress Bert = MacAddress.Parse("02:00:00:00:00:22");
    public static readonly MacAddress Cora = MacAddress.Parse("02:00:00:00:00:33");
    private static readonly MacAddress Router = MacAddress.Parse("02:bb:00:00:00:01");

    private readonly Queue<Action> _work = new();
    private readonly Queue<Action> _messages = new();
    private readonly Side[] _sides;
    private readonly Dictionary<MacAddress, int> _at = [];
    private ulong _sessions;

    public NeighbourSite(Func<AccessPointModel, AccessPointModel>? change = null)
    {
        _sides = [.. Enumerable.Range(0, 3).Select(i => new Side(this, i, change ?? (m => m)))];
        Begin();
    }

    public Instant Now { get; private set; } = Instant.FromMilliseconds(1);

    public CoordinatorCore Core { get; private set; } = null!;

    /// <summary>Packets that came to clients, in order, by which node.</summary>
    public List<(int Node, MacAddress Client, byte[] Packet)> AtClient { get; } = [];

    /// <summary>Packets between nodes, datagrams of the nodes' own not counted.</summary>
    public List<byte[]> OnWire { get; } = [];

    /// <summary>Packets that are nobody's on the uplink side.</summary>
    public List<byte[]> Astray { get; } = [];

    /// <summary>Messages from and to the coordinator wait.</summary>
    public bool HoldMessages { get; set; }

    /// <summary>Clients that answer when they are asked for, as hosts do; the others sleep.</summary>
    public HashSet<MacAddress> Listening { get; } = [];

    /// <summary>What the router makes of a packet; null: it is lost.</summary>
    public Func<byte[], byte[]?> OnTheWay { get; set; } = packet => packet;

    public AccessPointNode this[int node] => _sides[node].Node;

    public List<ControlMessage> Said(int node) => _sides[node].Said;

    public static IpAddress Own(int node, bool v6) => IpAddress.Parse(v6 ? $"fd00:10:1:{node + 1}::10" : $"10.1.{node + 1}.10");

    public static TransportEndpoint Of(MacAddress client, bool v6, ushort port = 5_000) => new(IpAddress.Parse(v6 ? $"fd00:77::{client.ToString()[^2..]}" : $"192.168.77.{client.ToString()[^2..]}"), port);

    public long Drops(DropReason reason) => _sides.Sum(s => s.Node.Drops[reason]);

    /// <summary>Nothing was dropped but questions for the gateway's neighbours that are nobody's to answer.</summary>
    public void AssertNoDrops() => Assert.Equal(
        string.Empty,
        string.Join(", ", Enum.GetValues<DropReason>().Where(r => r is not (DropReason.None or DropReason.NotForUs)).SelectMany(r => _sides.Select((s, i) => s.Node.Drops[r] == 0 ? "" : $"{i} {r} {s.Node.Drops[r]}")).Where(d => d.Length > 0)));

    /// <summary>A coordinator that knows nothing; the nodes come to it.</summary>
    public void Begin()
    {
        foreach (var side in _sides)
        {
            side.Node.OnControlDisconnected(Now);
        }

        _messages.Clear();
        _messages.TrimExcess();
        Core = new CoordinatorCore(new CoordinatorOptions { Heartbeat = TimeSpan.FromMinutes(1), SessionTimeout = TimeSpan.FromHours(1), Takeover = false }, new InMemoryClientStore(77 + _sessions), 5, new Output(this));
        foreach (var side in _sides)
        {
            side.Session = ++_sessions;
            Core.OnConnected(side.Session, Now);
            side.Node.OnControlConnected(Now);
        }

        Settle();
    }

    /// <summary>Nobody answers any more.</summary>
    public void End()
    {
        foreach (var side in _sides)
        {
            side.Session = 0;
            side.Node.OnControlDisconnected(Now);
        }

        _messages.Clear();
    }

    /// <summary>A client's link to where it is goes, and comes at another node.</summary>
    public void Walk(MacAddress client, int node)
    {
        Leave(client);
        Come(client, node);
    }

    public void Leave(MacAddress client)
    {
        if (_at.TryGetValue(client, out var old))
        {
            this[old].OnDisassociated(client, Now);
        }

        Settle();
    }

    public void Come(MacAddress client, int node)
    {
        _at[client] = node;
        this[node].OnAssociated(client, Now);
        Settle();
    }

    /// <summary>A client comes and is heard of by ARP and neighbour discovery, as hosts are that look for their gateway.</summary>
    public void Appear(MacAddress client, int node)
    {
        Come(client, node);
        foreach (var v6 in new[] { false, true })
        {
            Ask(client, v6);
        }
    }

    /// <summary>A client looks for its gateway.</summary>
    public void Ask(MacAddress client, bool v6)
    {
        var frame = new byte[LinkFrames.MaxLength];
        var length = v6
            ? LinkFrames.NeighbourSolicitation(frame, client, Of(client, true).Address, IpAddress.Parse("fd00:77::1"), MacAddress.None)
            : LinkFrames.ArpRequest(frame, MacAddress.Broadcast, client, Of(client, false).Address, IpAddress.Parse("192.168.77.1"));
        this[_at[client]].OnClientFrame(frame.AsSpan(0, length), OffloadInfo.None, Now);
        Settle();
    }

    public void Send(MacAddress client, byte[] packet, int? node = null, OffloadInfo offload = default)
    {
        this[node ?? _at[client]].OnClientFrame(Frame(AccessPointModel.DefaultGatewayMac, client, packet), offload, Now);
        Settle();
    }

    /// <summary>Something comes to a node from the router.</summary>
    public void FromOutside(byte[] packet, int node)
    {
        this[node].OnUplinkFrame(Frame(_sides[node].Mac, Router, packet), OffloadInfo.None, Now);
        Settle();
    }

    public void Wait(double milliseconds)
    {
        Now += TimeSpan.FromMilliseconds(milliseconds);
        Settle();
    }

    /// <summary>Does all that is to be done now.</summary>
    public void Settle()
    {
        for (var busy = true; busy;)
        {
            busy = false;
            while (_work.TryDequeue(out var work) || (!HoldMessages && _messages.TryDequeue(out work)))
            {
                work();
                busy = true;
            }

            foreach (var side in _sides.Where(s => s.Node.NextDeadline <= Now))
            {
                side.Node.Advance(Now);
                busy |= _work.Count > 0;
            }

            if (Core.NextDeadline <= Now)
            {
                Core.Advance(Now);
            }

            busy |= !HoldMessages && _messages.Count > 0;
        }
    }

    public static byte[] Frame(MacAddress to, MacAddress from, byte[] packet)
    {
        var frame = new byte[14 + packet.Length];
        EthernetHeader.Write(frame, to, from, packet[0] >> 4 == 6 ? EtherType.IPv6 : EtherType.IPv4);
        packet.CopyTo(frame, 14);
        return frame;
    }

    private void Route(byte[] sent, int from)
    {
        // Strict reverse-path filtering: a node sends from its own addresses only.
        if (!this[from].HeldAddresses.Contains(UplinkLink.SourceOf(sent)))
        {
            Astray.Add(sent);
            return;
        }

        if (OnTheWay(sent) is not { } packet)
        {
            return;
        }

        if (!IsOfNodes(packet))
        {
            OnWire.Add(packet);
        }

        var side = Array.FindIndex(_sides, s => s.Node.HeldAddresses.Contains(UplinkLink.DestinationOf(packet)));
        if (side < 0)
        {
            Astray.Add(packet);
            return;
        }

        this[side].OnUplinkFrame(Frame(_sides[side].Mac, Router, packet), OffloadInfo.None, Now);
    }

    private static bool IsOfNodes(byte[] packet)
    {
        var transport = packet.AsSpan(packet[0] >> 4 == 4 ? 20 : 40);
        return packet[packet[0] >> 4 == 4 ? 9 : 6] == 17 && BinaryPrimitives.ReadUInt32BigEndian(transport) == AccessPointModel.DefaultPeerPort * 0x1_0001u;
    }

    private sealed class Output(NeighbourSite site) : ICoordinatorOutput
    {
        public void Send(ulong session, ControlMessage message)
        {
            if (Array.Find(site._sides, s => s.Session == session) is { } side)
            {
                site._messages.Enqueue(() =>
                {
                    if (side.Session == session)
                    {
                        side.Node.OnControl(message, site.Now);
                    }
                });
            }
        }

        public void Close(ulong session, string reason) => Assert.Fail(reason);

        public void Report(CoordinatorEvent coordinatorEvent)
        {
        }
    }

    private sealed class Side : INodeOutput
    {
        private readonly NeighbourSite _site;
        private readonly int _index;

        public Side(NeighbourSite site, int index, Func<AccessPointModel, AccessPointModel> change)
        {
            _site = site;
            _index = index;
            Mac = MacAddress.Parse($"02:aa:00:00:00:0{index + 1}");
            var (gatewayV4, gatewayV6) = (IpAddress.Parse($"10.1.{index + 1}.1"), IpAddress.Parse($"fd00:10:1:{index + 1}::1"));
            Node = new AccessPointNode(
                change(new AccessPointModel
                {
                    Node = new NodeId($"ap{index + 1}"),
                    Incarnation = 9,
                    Neighbourhood = new NeighbourhoodConfig(),
                    Uplink = new UplinkModel
                    {
                        Mac = Mac,
                        Addresses = [Own(index, v6: false), Own(index, v6: true)],
                        OnLink = [IpPrefix.Parse($"10.1.{index + 1}.0/24"), IpPrefix.Parse($"fd00:10:1:{index + 1}::/64")],
                        GatewayV4 = gatewayV4,
                        GatewayV6 = gatewayV6,
                        StaticNeighbours = new Dictionary<IpAddress, MacAddress> { [gatewayV4] = Router, [gatewayV6] = Router },
                    },
                    Clients = new ClientSideModel
                    {
                        GatewayAddresses = [IpAddress.Parse("192.168.77.1"), IpAddress.Parse("fd00:77::1"), IpAddress.Parse("fe80::1")],
                        Prefixes = [IpPrefix.Parse("192.168.77.0/24"), IpPrefix.Parse("fd00:77::/64")],
                    },
                }),
                (ulong)index + 1,
                this);
        }

        public MacAddress Mac { get; }

        public AccessPointNode Node { get; }

        public ulong Session { get; set; }

        public List<ControlMessage> Said { get; } = [];

        public void SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
        {
            if (EthernetHeader.TryParse(frame, out var ethernet) && ethernet.Type is EtherType.IPv4 or EtherType.IPv6 && ethernet.Destination == Router)
            {
                var packet = frame[14..].ToArray();
                _site._work.Enqueue(() => _site.Route(packet, _index));
            }
        }

        public void SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
        {
            if (EthernetHeader.TryParse(frame, out var ethernet) && ethernet.Type is EtherType.IPv4 or EtherType.IPv6 && !NdMessage.IsNeighbourDiscovery(frame[14..]))
            {
                _site.AtClient.Add((_index, ethernet.Destination, frame[14..].ToArray()));
            }
            else if (_site.Listening.Contains(ethernet.Destination) && _site._at[ethernet.Destination] == _index)
            {
                Answer(ethernet.Destination, frame[14..]);
            }
        }

        private void Answer(MacAddress client, ReadOnlySpan<byte> question)
        {
            var answer = new byte[LinkFrames.MaxLength];
            var length = ArpHeader.TryParse(question, out var arp) && arp.Operation == ArpOperation.Request && arp.TargetAddress == Of(client, v6: false).Address ? LinkFrames.ArpReply(answer, client, arp)
                : NdMessage.TryParse(question, out var nd) && nd.Type == Icmpv6Type.NeighbourSolicitation && nd.Target == Of(client, v6: true).Address
                    ? LinkFrames.NeighbourAnswer(answer, AccessPointModel.DefaultGatewayMac, client, nd, NdFlags.Override)
                : 0;
            if (length > 0)
            {
                _site._work.Enqueue(() => Node.OnClientFrame(answer.AsSpan(0, length), OffloadInfo.None, _site.Now));
            }
        }

        public void SendControl(ControlMessage message)
        {
            Said.Add(message);
            var session = Session;
            _site._messages.Enqueue(() =>
            {
                if (session != 0 && session == Session)
                {
                    _site.Core.OnMessage(session, message, _site.Now);
                }
            });
        }

        public void Report(EngineEvent engineEvent)
        {
        }
    }
}
