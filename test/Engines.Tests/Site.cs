using System.Buffers.Binary;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.Fam;
using Masquerade.Ham;

namespace Masquerade.Engines.Tests;

/// <summary>Both engines of one node, with everything they say written down; the test plays coordinator, network and client.</summary>
internal sealed class Site : IEngineOutput
{
    public static readonly MacAddress Client = MacAddress.Parse("02:c0:00:00:00:01");
    public static readonly IpAddress ClientAddress = IpAddress.Parse("192.168.77.10");
    public static readonly IpAddress Own = IpAddress.Parse("10.1.1.10");
    public static readonly TransportEndpoint Server = TransportEndpoint.Parse("203.0.113.9:7000");
    public static readonly NodeId Self = new("ap1");
    public static readonly NodeId Other = new("ap2");
    public static readonly TransportEndpoint OtherPeer = TransportEndpoint.Parse("10.1.2.10:4747");

    public Site(FamConfig? fam = null, HamConfig? ham = null, params IpAddress[] addresses)
        : this(fam, ham, outbox: null, addresses)
    {
    }

    public Site(FamConfig fam, LinkMtu mtu, params IpAddress[] addresses)
        : this(fam, null, null, addresses, mtu)
    {
    }

    public Site(FamConfig? fam, HamConfig? ham, OutboxOptions? outbox, params IpAddress[] addresses)
        : this(fam, ham, outbox, addresses, LinkMtu.Unlimited)
    {
    }

    public Site(FamConfig fam, EndpointPoolOptions pool, MappingPolicy mapping = MappingPolicy.EndpointIndependent)
        : this(fam, null, null, [], LinkMtu.Unlimited, pool, mapping: mapping)
    {
    }

    public Site(IReadOnlyList<IApplicationHelper> helpers, FamConfig? fam = null, LinkMtu? mtu = null, params IpAddress[] addresses)
        : this(fam, null, null, addresses, mtu ?? LinkMtu.Unlimited, helpers: helpers)
    {
    }

    private Site(
        FamConfig? fam, HamConfig? ham, OutboxOptions? outbox, IpAddress[] addresses, LinkMtu mtu, EndpointPoolOptions? pool = null, IReadOnlyList<IApplicationHelper>? helpers = null,
        MappingPolicy mapping = MappingPolicy.EndpointIndependent, IClientFilter? filter = null, PlayedFastPath? fastPath = null)
    {
        FastPath = fastPath;
        Outbox = new Outbox(Said.Add, outbox);
        Pool = new EndpointPool(pool ?? new EndpointPoolOptions { Addresses = addresses.Length == 0 ? [Own] : addresses }, new SeededRandom(1));
        Ham = new HamEngine(ham ?? new HamConfig(), Self, Pool, new SeededRandom(2), Outbox, this, Drops) { Rerouting = client => Fam!.StopPassing(client) };
        Fam = new FamEngine(fam ?? new FamConfig(), Self, Pool, Ham, new SeededRandom(3), Outbox, this, Drops) { Mtu = mtu, Helpers = helpers ?? [], Mapping = mapping, Filter = filter, FastPath = fastPath };
        Fam.OnCoordinatorUp(false, Now);
    }

    public static Site With(PlayedFastPath fastPath, IClientFilter? filter = null, FamConfig? fam = null) => new(fam, null, null, [], LinkMtu.Unlimited, filter: filter, fastPath: fastPath);

    public static Site With(IClientFilter filter, FamConfig? fam = null) => new(fam, null, null, [], LinkMtu.Unlimited, filter: filter);

    public Instant Now { get; private set; } = Instant.FromMilliseconds(1_000);

    /// <summary>What passes packets without the engines; null: nothing does.</summary>
    public PlayedFastPath? FastPath { get; }

    public Outbox Outbox { get; }

    public EndpointPool Pool { get; }

    public HamEngine Ham { get; }

    public FamEngine Fam { get; }

    public DropCounters Drops { get; } = new();

    public List<ControlMessage> Said { get; } = [];

    public List<(TransportEndpoint Peer, PeerMessage Message)> Peers { get; } = [];

    public List<byte[]> Uplink { get; } = [];

    /// <summary>ICMP errors that are to be sent, the packets that they are about, and the client that sent those; none if they came from the uplink.</summary>
    public List<(IcmpError Error, byte[] About, MacAddress Client)> Errors { get; } = [];

    public List<byte[]> ToClient { get; } = [];

    public List<EngineEvent> Events { get; } = [];

    public T Last<T>()
        where T : ControlMessage => Said.OfType<T>().Last();

    public void Wait(double milliseconds)
    {
        Now += TimeSpan.FromMilliseconds(milliseconds);
        Ham.Advance(Now);
        Fam.Advance(Now);
        Outbox.Advance(Now);
    }

    /// <summary>The client associates and the coordinator answers.</summary>
    public Arrive Arrive(ulong epoch, bool complete = true, NodeId previous = default, params MappingRecord[] mappings)
    {
        Fam.OnAssociated(Client, Now);
        return Answer(epoch, complete, previous, mappings);
    }

    public Arrive Answer(ulong epoch, bool complete = true, NodeId previous = default, params MappingRecord[] mappings)
    {
        var arrive = Last<Arrive>();
        Outbox.Complete(arrive.Id);
        Fam.OnControl(
            new ArriveReply { Id = arrive.Id, Client = Client, Status = AckStatus.Ok, Epoch = new Epoch(epoch), PreviousFam = previous, Complete = complete, Mappings = mappings },
            Now);
        return arrive;
    }

    /// <summary>As the node dispatches: the FAM first, then the HAM.</summary>
    public void Tell(ControlMessage message)
    {
        Outbox.Complete(message.Id);
        Fam.OnControl(message, Now);
        Ham.OnControl(message, Now);
    }

    public Verdict FromClient(ushort port, TransportEndpoint? to = null, byte mark = 0) => Out(Udp(new TransportEndpoint(ClientAddress, port), to ?? Server, mark), out _);

    public Verdict Out(byte[] packet, out byte[] after, OffloadInfo offload = default)
    {
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));
        var verdict = Fam.ProcessOutbound(packet, summary, Client, offload, Now);
        if (verdict.Kind == VerdictKind.ForwardUplink)
        {
            Uplink.Add(packet);
            LetPass(summary.Tuple, toClient: false);
        }

        after = packet;
        return verdict;
    }

    public Verdict FromServer(TransportEndpoint to, TransportEndpoint? server = null, byte mark = 0) => In(Udp(server ?? Server, to, mark));

    /// <summary>As the node dispatches: HAM if it anchors the endpoint, else FAM if it serves it or it is the client's own, else HAM.</summary>
    public Verdict In(byte[] packet)
    {
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));
        var endpoint = summary.Kind == PacketKind.IcmpError ? summary.EmbeddedTuple.Source : summary.Tuple.Destination;
        var protocol = summary.Kind == PacketKind.IcmpError ? summary.EmbeddedTuple.Protocol : summary.Tuple.Protocol;
        var server = summary.Kind == PacketKind.IcmpError ? summary.EmbeddedTuple.Destination : summary.Tuple.Source;
        var verdict = !Ham.Anchors(protocol, endpoint, server) && (Fam.ServesEndpoint(protocol, endpoint, server) || endpoint.Address == ClientAddress)
            ? Fam.ProcessInbound(packet, summary, OffloadInfo.None, Now)
            : Ham.ProcessInbound(packet, summary, OffloadInfo.None, Now);
        if (verdict.Kind == VerdictKind.Local)
        {
            verdict = Fam.ProcessInbound(packet, summary, OffloadInfo.None, Now);
        }

        Record(verdict, packet);
        if (verdict.Kind == VerdictKind.ForwardClient)
        {
            LetPass(summary.Tuple, toClient: true);
        }

        return verdict;
    }

    /// <summary>As the node does with what has been sent as it is.</summary>
    private void LetPass(in FlowTuple before, bool toClient)
    {
        if (FastPath is not null && Fam.MayPass(out var connection, out var client, out var owner))
        {
            Fam.Pass(new PassingWay(connection, client, owner, toClient, before, before, MacAddress.None));
        }
    }

    public TransportEndpoint Seen() => Parse(Uplink[^1]).Tuple.Source;

    public static PacketSummary Parse(byte[] packet)
    {
        Assert.Equal(DropReason.None, PacketParser.Parse(packet, out var summary));
        return summary;
    }

    public static byte Mark(byte[] packet) => packet[28];

    public static byte[] Udp(TransportEndpoint source, TransportEndpoint to, byte mark)
    {
        var packet = new byte[20 + 8 + 4];
        packet[28] = mark;
        Ipv4Header.Write(packet, packet.Length, IpProtocolNumber.Udp, source.Address, to.Address);
        UdpHeader.Write(packet.AsSpan(20), source.Port, to.Port);
        return packet;
    }

    public static byte[] Tcp(TransportEndpoint source, TransportEndpoint to, TcpFlags flags)
    {
        var packet = new byte[40];
        Ipv4Header.Write(packet, packet.Length, IpProtocolNumber.Tcp, source.Address, to.Address);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(20), source.Port);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(22), to.Port);
        packet[32] = 0x50;
        packet[33] = (byte)flags;
        return packet;
    }

    public static MappingRecord Elsewhere(ushort clientPort, TransportEndpoint famEndpoint) => new()
    {
        Mapping = new MappingId(TransportProtocol.Udp, TransportEndpoint.Parse("10.1.2.10:5000")),
        ClientEndpoint = new TransportEndpoint(ClientAddress, clientPort),
        Ham = Other,
        AnchorEpoch = new Epoch(1),
        Revision = 1,
        FamEndpoint = famEndpoint,
        Connections = [new ConnectionRecord(Server, ConnectionState.Established, 0)],
    };

    void IEngineOutput.TransmitUplink(ReadOnlySpan<byte> packet, in OffloadInfo offload) => Uplink.Add(packet.ToArray());

    void IEngineOutput.TransmitClient(MacAddress client, ReadOnlySpan<byte> packet, in OffloadInfo offload) => ToClient.Add(packet.ToArray());

    void IEngineOutput.DeliverLocally(Span<byte> packet, in OffloadInfo offload)
    {
        var copy = packet.ToArray();
        Record(Fam.ProcessInbound(copy, Parse(copy), offload, Now), copy);
    }

    void IEngineOutput.SendError(in IcmpError error, ReadOnlySpan<byte> packet, in PacketSummary summary, MacAddress client) =>
        Errors.Add((error, packet.ToArray(), client));

    void IEngineOutput.SendControl(ControlMessage message) => Said.Add(message);

    void IEngineOutput.SendPeer(TransportEndpoint peer, PeerMessage message) => Peers.Add((peer, message));

    void IEngineOutput.Report(EngineEvent engineEvent) => Events.Add(engineEvent);

    private void Record(Verdict verdict, byte[] packet)
    {
        if (verdict.Kind == VerdictKind.ForwardUplink)
        {
            Uplink.Add(packet);
        }
        else if (verdict.Kind == VerdictKind.ForwardClient)
        {
            ToClient.Add(packet);
        }
    }
}
