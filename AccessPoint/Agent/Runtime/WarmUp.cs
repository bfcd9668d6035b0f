using System.Buffers;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>
/// Walks a make-believe client through a throw-away node before the agent starts: arrival, traffic both ways, move away, return, departure. The runtime compiles a
/// method when it is first called and again, better, when it has been called often; without this the first real client would pay for it with
/// ten milliseconds of silence at its first roam.
/// </summary>
internal sealed class WarmUp : INodeOutput
{
    /// <summary>Walks; the runtime compiles a method anew after 30 calls.</summary>
    private const int Walks = 48;

    private static readonly NodeId Self = new("warm-up");
    private static readonly NodeId Other = new("elsewhere");
    private static readonly MacAddress Gateway = new(0x02_00_00_00_00_01);
    private static readonly MacAddress UplinkMac = new(0x02_00_00_00_00_02);
    private static readonly IpAddress OwnAddress = IpAddress.FromV4(0xC000_0201);
    private static readonly IpAddress OtherAddress = IpAddress.FromV4(0xC633_6401);
    private static readonly IpAddress Router = IpAddress.FromV4(0xC000_02FE);
    private static readonly IpAddress Server = IpAddress.FromV4(0xCB00_7101);

    private readonly AccessPointNode _node;
    private readonly ArrayBufferWriter<byte> _wire = new();
    private readonly byte[] _frame = new byte[128];
    private readonly Dictionary<Type, ControlMessage> _last = [];
    private TransportEndpoint _masquerade;
    private Instant _now = Instant.FromMilliseconds(1);
    private ulong _pushId = 1_000_000;

    private WarmUp()
    {
        var model = new AccessPointModel
        {
            Node = Self,
            Incarnation = 1,
            Uplink = new UplinkModel
            {
                Mac = UplinkMac,
                Addresses = [OwnAddress],
                GatewayV4 = Router,
                StaticNeighbours = new Dictionary<IpAddress, MacAddress> { [Router] = Gateway },
            },
            Clients = new ClientSideModel { GatewayAddresses = [IpAddress.FromV4(0x0A00_0001)], Prefixes = [new IpPrefix(IpAddress.FromV4(0x0A00_0000), 8)] },
        };
        _node = new AccessPointNode(model, 1, this);
    }

    /// <summary>Does it; returns how long it took.</summary>
    public static TimeSpan Run()
    {
        var started = Devices.MonotonicClock.Now;
        var warmUp = new WarmUp();
        warmUp._node.OnControlConnected(warmUp._now);
        warmUp.Tell(new Welcome { Id = warmUp._last[typeof(Hello)].Id, Coordinator = Other, StoreIncarnation = 1, HeartbeatMilliseconds = 1_000 });
        for (var i = 0; i < Walks; i++)
        {
            warmUp.Walk(i);
        }

        return Devices.MonotonicClock.Now - started;
    }

    /// <inheritdoc/>
    public void SendUplinkFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        if (frame.Length > EthernetHeader.Length && PacketParser.Parse(frame[EthernetHeader.Length..], out var summary) == Core.Diagnostics.DropReason.None)
        {
            _masquerade = summary.Tuple.Source;
        }
    }

    /// <inheritdoc/>
    public void SendClientFrame(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        // What reaches the client has done its work.
    }

    /// <inheritdoc/>
    public void SendControl(ControlMessage message)
    {
        var decoded = OverTheWire(message);
        _last[decoded.GetType()] = decoded;
    }

    /// <inheritdoc/>
    public void Report(EngineEvent engineEvent)
    {
        // Nobody wants to know.
    }

    private void Walk(int i)
    {
        var client = new MacAddress(0x0200_0001_0000 + (ulong)i);
        var address = IpAddress.FromV4(0x0A00_0100 + (uint)i);
        var server = new TransportEndpoint(Server, 9);
        var epoch = new Epoch(2);

        // It comes from elsewhere with one mapping, of which the previous access point is the HAM.
        _node.OnAssociated(client, Later());
        var arrive = (Arrive)_last[typeof(Arrive)];
        var famEndpoint = arrive.Offers.First(o => o.Protocol == TransportProtocol.Udp).Endpoint;
        var foreign = new MappingRecord
        {
            Mapping = new MappingId(TransportProtocol.Udp, new TransportEndpoint(OtherAddress, (ushort)(2_000 + i))),
            ClientEndpoint = new TransportEndpoint(address, 1_000),
            Ham = Other,
            AnchorEpoch = new Epoch(1),
            Revision = 1,
            FamEndpoint = famEndpoint,
            Connections = [new ConnectionRecord(server, ConnectionState.Established, 0)],
        };
        FromServer(server, famEndpoint);
        Tell(new ArriveReply
        {
            Id = arrive.Id, Client = client, Status = AckStatus.Ok, Epoch = epoch, PreviousFam = Other, Complete = false, Addresses = [address], Mappings = [foreign],
        });
        Tell(new ArrivalUpdate { Id = _pushId++, Client = client, Epoch = epoch, Complete = true, Mappings = [foreign] });
        FromClient(client, foreign.ClientEndpoint, server);
        FromServer(server, famEndpoint);

        // It opens a connection here, leaves, and its packets follow it.
        var ownEndpoint = new TransportEndpoint(address, 1_001);
        FromClient(client, ownEndpoint, server);
        var own = new MappingId(TransportProtocol.Udp, _masquerade);
        FromServer(server, own.Masquerade);
        _node.Advance(Later(TimeSpan.FromMilliseconds(10)));
        Acknowledge();
        _node.OnDisassociated(client, Later());
        FromServer(server, own.Masquerade);
        var away = new TransportEndpoint(OtherAddress, (ushort)(3_000 + i));
        Move(client, epoch.Next(), Other, Self, new FamRoute(own, Self, own.Masquerade, away), new FamRoute(foreign.Mapping, Other, famEndpoint, foreign.Mapping.Masquerade));
        FromServer(server, own.Masquerade);
        Acknowledge();

        // It comes home: what is still under way is drained first.
        _node.OnAssociated(client, Later(TimeSpan.FromMilliseconds(60)));
        arrive = (Arrive)_last[typeof(Arrive)];
        var home = foreign with
        {
            Mapping = own, ClientEndpoint = ownEndpoint, Ham = Self, AnchorEpoch = epoch, FamEndpoint = arrive.Offers.First(o => o.Protocol == TransportProtocol.Udp).Endpoint,
        };
        epoch = epoch.Next().Next();
        Tell(new ArriveReply
        {
            Id = arrive.Id, Client = client, Status = AckStatus.Ok, Epoch = epoch, PreviousFam = Other, Complete = true, Addresses = [address], Mappings = [home],
        });
        Move(client, epoch, Self, Other, new FamRoute(own, Self, away, home.FamEndpoint));
        FromServer(server, own.Masquerade);
        FromServer(server, home.FamEndpoint);
        _node.Advance(Later(TimeSpan.FromMilliseconds(30)));
        FromClient(client, ownEndpoint, server);
        Acknowledge();
        _node.OnDisassociated(client, Later());
        _node.Advance(Later(TimeSpan.FromMilliseconds(300)));
        Acknowledge();
    }

    private void Move(MacAddress client, Epoch epoch, NodeId to, NodeId from, params FamRoute[] routes) => Tell(new FamChange
    {
        Id = _pushId++,
        Client = client,
        Epoch = epoch,
        NewFam = to,
        PreviousFam = from,
        PreviousFamPeer = new TransportEndpoint(from == Self ? OwnAddress : OtherAddress, AccessPointModel.DefaultPeerPort),
        Token = _pushId,
        Routes = routes,
    });

    private void Acknowledge()
    {
        foreach (var message in _last.Values.Where(m => m is Announce or HandOver or Depart).ToArray())
        {
            Tell(new Ack { Id = message.Id, Status = AckStatus.Ok });
        }
    }

    private void Tell(ControlMessage message) => _node.OnControl(OverTheWire(message), Later());

    private ControlMessage OverTheWire(ControlMessage message)
    {
        _wire.ResetWrittenCount();
        ControlCodec.Encode(message, _wire);
        return ControlCodec.TryDecode(_wire.WrittenSpan, out var decoded, out var error) ? decoded! : throw new InvalidOperationException(error);
    }

    private void FromClient(MacAddress client, TransportEndpoint source, TransportEndpoint destination) =>
        _node.OnClientFrame(Datagram(AccessPointModel.DefaultGatewayMac, client, source, destination), OffloadInfo.None, Later());

    private void FromServer(TransportEndpoint source, TransportEndpoint destination) =>
        _node.OnUplinkFrame(Datagram(UplinkMac, Gateway, source, destination), OffloadInfo.None, Later());

    private Span<byte> Datagram(MacAddress to, MacAddress from, TransportEndpoint source, TransportEndpoint destination)
    {
        var frame = _frame.AsSpan(0, EthernetHeader.Length + Ipv4Header.MinimumLength + UdpHeader.HeaderLength + 8);
        EthernetHeader.Write(frame, to, from, EtherType.IPv4);
        var packet = frame[EthernetHeader.Length..];
        Ipv4Header.Write(packet, packet.Length, IpProtocolNumber.Udp, source.Address, destination.Address);
        UdpHeader.Write(packet[Ipv4Header.MinimumLength..], source.Port, destination.Port);
        return frame;
    }

    private Instant Later(TimeSpan? span = null) => _now += span ?? TimeSpan.FromMicroseconds(50);
}
