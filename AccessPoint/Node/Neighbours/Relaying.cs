using System.Buffers.Binary;
using Masquerade.AccessPoint.Link;
using Masquerade.Core.Checksum;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>What clients send to groups, by kind.</summary>
public enum GroupKind
{
    /// <summary>Anything else.</summary>
    Other,

    /// <summary>To all on the link.</summary>
    Broadcast,

    /// <summary>Multicast DNS (RFC 6762).</summary>
    Mdns,

    /// <summary>Discovery of UPnP devices.</summary>
    Ssdp,
}

/// <summary>
/// Packets of clients to groups and to everybody (N-13). A router forwards none; they are counted by kind. Where it is switched on, the messages of mDNS and SSDP are told the other nodes,
/// each of which says them to its clients. Only what has come from a client is told, never what a node has said, so nothing goes round.
/// </summary>
public sealed partial class AccessPointNode
{
    /// <summary>The address that stands for all nodes that relay, towards the coordinator.</summary>
    private static readonly IpAddress s_relays = IpAddress.FromV4(0xE000_00FB);

    /// <summary>What is relayed: to which group and port, and how many hops the packet has then: as many as its senders give it, or one.</summary>
    private static readonly (GroupKind Kind, IpAddress Group, ushort Port, byte Hops)[] s_services =
    [
        (GroupKind.Mdns, IpAddress.FromV4(0xE000_00FB), 5353, 255),
        (GroupKind.Mdns, new IpAddress(0xFF02_0000_0000_0000, 0xFB), 5353, 255),
        (GroupKind.Ssdp, IpAddress.FromV4(0xEFFF_FFFA), 1900, 1),
        (GroupKind.Ssdp, new IpAddress(0xFF02_0000_0000_0000, 0xC), 1900, 1),
        (GroupKind.Ssdp, new IpAddress(0xFF05_0000_0000_0000, 0xC), 1900, 1),
    ];

    private static readonly TimeSpan s_membersInterval = TimeSpan.FromSeconds(30);

    private readonly long[] _groups = new long[Enum.GetValues<GroupKind>().Length];
    private readonly byte[] _relayed = new byte[ushort.MaxValue];

    // Each way has its own limits, and in each every client: else one that floods would silence its access point's others everywhere.
    private readonly ErrorLimiter _toldNodes;
    private readonly ErrorLimiter _toldClients;
    private IReadOnlyList<TransportEndpoint> _relays = [];
    private ulong _relayKey;
    private Instant _membersAt = Instant.Zero;

    /// <summary>Messages of clients that the other nodes were told.</summary>
    public long RelayedToNodes { get; private set; }

    /// <summary>Messages of other nodes' clients that the clients here were told.</summary>
    public long RelayedToClients { get; private set; }

    private bool RelaysAny => _neighbours is { IsIsolated: false } && (_model.Neighbourhood.RelayMdns || _model.Neighbourhood.RelaySsdp);

    /// <summary>How many packets of clients were for groups of a kind.</summary>
    public long GroupPackets(GroupKind kind) => _groups[(int)kind];

    private bool Relays(GroupKind kind) => kind switch
    {
        GroupKind.Mdns => _model.Neighbourhood.RelayMdns,
        GroupKind.Ssdp => _model.Neighbourhood.RelaySsdp,
        _ => false,
    };

    /// <summary>A client's frame to a group. True: it has been told the other nodes, or dropped.</summary>
    private bool TryTakeGroup(ReadOnlySpan<byte> frame, in OffloadInfo offload)
    {
        if (!EthernetHeader.TryParse(frame, out var ethernet) || ethernet.Type is not (EtherType.IPv4 or EtherType.IPv6) || ethernet.Source == _model.Clients.GatewayMac || ethernet.Source.IsGroup
            || NdMessage.IsNeighbourDiscovery(ethernet.Payload) || ethernet.Payload.Length < (ethernet.Type == EtherType.IPv4 ? Ipv4Header.MinimumLength : Ipv6Header.Length))
        {
            return false;
        }

        var packet = ethernet.Payload;
        var isV4 = ethernet.Type == EtherType.IPv4;
        var group = IpAddress.FromBytes(isV4 ? packet.Slice(16, 4) : packet.Slice(24, 16));
        var service = Array.FindIndex(s_services, s => s.Group == group);
        var kind = service >= 0 ? s_services[service].Kind : isV4 && packet[16] < 224 || group == IpAddress.FromV4(uint.MaxValue) ? GroupKind.Broadcast : GroupKind.Other;
        _groups[(int)kind]++;
        if (service < 0 || !RelaysAny || !Relays(kind))
        {
            return false;
        }

        if (TellNodes(packet, isV4, service, ethernet.Source, offload) is not DropReason.None and var reason)
        {
            Drops.Count(reason);
        }

        return true;
    }

    private DropReason TellNodes(ReadOnlySpan<byte> packet, bool isV4, int service, MacAddress client, in OffloadInfo offload)
    {
        var header = isV4 ? (packet[0] & 0x0F) * 4 : Ipv6Header.Length;
        var length = isV4 ? BinaryPrimitives.ReadUInt16BigEndian(packet[2..]) : Ipv6Header.Length + BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        if (packet[0] >> 4 != (isV4 ? 4 : 6) || header < Ipv4Header.MinimumLength || length > packet.Length || length < header + UdpHeader.HeaderLength
            || packet[isV4 ? 9 : 6] != IpProtocolNumber.Udp || (isV4 && (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x3FFF) != 0))
        {
            return DropReason.Multicast;
        }

        var (source, group) = (UplinkLink.SourceOf(packet), s_services[service].Group);
        var datagram = packet[header..length];
        var reason = UdpPackets.TryRead(datagram, source, group, offload, needsChecksum: !isV4, out var payload);
        if (reason != DropReason.None || BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]) != s_services[service].Port)
        {
            return reason != DropReason.None ? reason : DropReason.Multicast;
        }

        if (!_pool.GivesOut)
        {
            return DropReason.Fenced;
        }

        Fam.OnClientSeen(client, _now);
        if (!IsRelayable(source))
        {
            return DropReason.Martian;
        }

        // A link-local address is its first client's here; others' the coordinator knows.
        if (!Fam.TryNoteAddress(client, source) || (_neighbours!.IsIn(source) && (!_neighbours.Confirmed.TryGetValue(source, out var owner) || owner != client)))
        {
            return DropReason.SpoofedSource;
        }

        // Nobody is told what not everybody could be.
        foreach (var isIPv4 in (ReadOnlySpan<bool>)[true, false])
        {
            if (UdpPackets.HeadersLength(isIPv4) + NeighbourCodec.MessageHeader + payload.Length > _model.Uplink.Mtu && HasRelay(isIPv4))
            {
                return DropReason.TooBig;
            }
        }

        if (!_toldNodes.TryTake(new IpAddress(0, client.Value), _now))
        {
            return DropReason.TooOften;
        }

        var from = new TransportEndpoint(source, BinaryPrimitives.ReadUInt16BigEndian(datagram));
        foreach (var peer in _relays)
        {
            var own = OwnPeer(peer.Address.IsIPv4);
            var headers = UdpPackets.HeadersLength(peer.Address.IsIPv4);
            if (own.IsNone || _uplinkLink.IsOwn(peer.Address))
            {
                continue;
            }

            var told = _relayed.AsSpan(0, headers + NeighbourCodec.WriteMessage(_relayed.AsSpan(headers), _relayKey, (byte)service, from, payload));
            UdpPackets.WriteHeaders(told, new TransportEndpoint(own, _model.PeerPort), peer);
            SendUplinkCopy(told, OffloadInfo.None);
            RelayedToNodes++;
        }

        return DropReason.None;
    }

    private bool HasRelay(bool isIPv4)
    {
        foreach (var peer in _relays)
        {
            if (peer.Address.IsIPv4 == isIPv4)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Another node's client has said something to a group: so do the clients here hear it.</summary>
    private DropReason TellClients(ReadOnlySpan<byte> message, in FlowTuple tuple)
    {
        if (!RelaysAny || !_relays.Contains(tuple.Source))
        {
            return DropReason.NeighbourUnproven;
        }

        if (!NeighbourCodec.TryReadMessage(message, out var key, out var service, out var from, out var payload) || service >= s_services.Length || from.Address.IsIPv4 != s_services[service].Group.IsIPv4)
        {
            return DropReason.Malformed;
        }

        if (key != _relayKey || !IsRelayable(from.Address))
        {
            return DropReason.NeighbourUnproven;
        }

        if (!Relays(s_services[service].Kind))
        {
            return DropReason.Multicast;
        }

        if (!_toldClients.TryTake(from.Address, _now))
        {
            return DropReason.TooOften;
        }

        var (_, group, port, hops) = s_services[service];
        var headers = UdpPackets.HeadersLength(group.IsIPv4);
        var packet = _relayed.AsSpan(0, headers + payload.Length);
        payload.CopyTo(packet[headers..]);
        UdpPackets.WriteHeaders(packet, from, new TransportEndpoint(group, port));
        packet[group.IsIPv4 ? 8 : 7] = hops;
        if (group.IsIPv4)
        {
            packet[10..12].Clear();
            BinaryPrimitives.WriteUInt16BigEndian(packet[10..], InternetChecksum.Compute(packet[..Ipv4Header.MinimumLength]));
        }

        RelayedToClients++;
        _clientLink.SendCopy(packet, OffloadInfo.None, group.IsIPv4 ? new MacAddress(0x0100_5E00_0000UL | (group.V4 & 0x7F_FFFFu)) : NdMessage.GroupMac(group));
        return DropReason.None;
    }

    /// <summary>A client's own address, or a link-local one: those mean something on the link only, and who hears them can answer to the group.</summary>
    private bool IsRelayable(IpAddress source) => (_neighbours!.IsIn(source) && !_clientLink.IsGateway(source)) || (!source.IsIPv4 && source.IsLinkLocal && !_clientLink.IsGateway(source));

    /// <summary>Asks who relays, and says by that that this node does.</summary>
    private void AdvanceRelays(Instant now)
    {
        if (RelaysAny && Session == SessionState.Up && now >= _membersAt)
        {
            _membersAt = now + s_membersInterval;
            _output.SendControl(new NeighbourQuery { Id = _outbox.NextId(), Address = s_relays });
        }
    }
}
