using System.Buffers.Binary;
using Masquerade.AccessPoint.Dhcp;
using Masquerade.AccessPoint.Link;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>
/// Clients' addresses: what clients say to DHCP servers is taken out of their traffic, so that no renewal ever becomes a connection, and relayed to the site's servers or
/// answered with what the coordinator has assigned. Nothing here is on the path of other packets but one comparison of ports.
/// </summary>
public sealed partial class AccessPointNode
{
    /// <summary>Where the destination port of a UDP datagram is in a frame whose IPv4 header has no options.</summary>
    private const int LeastDhcpFrame = EthernetHeader.Length + Ipv4Header.MinimumLength + UdpHeader.HeaderLength;

    private readonly DhcpClients? _dhcpClients;
    private readonly DhcpRelay? _dhcpRelay;
    private readonly DhcpServer? _dhcpServer;
    private readonly IpAddress _dhcpGateway;
    private readonly byte[] _dhcpPacket = [];
    private readonly Dictionary<MacAddress, LeaseQuestion> _leaseQuestions = [];
    private readonly Queue<(MacAddress Client, ulong Id, Instant Until)> _leaseDeadlines = new();

    private Instant NextLeaseDeadline => _leaseDeadlines.TryPeek(out var first) ? first.Until : Instant.Never;

    /// <summary>Whether a frame of a client was DHCP, and is finished.</summary>
    private bool TryTakeDhcp(ReadOnlySpan<byte> frame, in OffloadInfo offload, Instant now)
    {
        if (_dhcpClients is null || !IsToDhcpServer(frame) || !EthernetHeader.TryParse(frame, out var ethernet))
        {
            return false;
        }

        var reason = TakeDhcp(ethernet, offload, now);
        if (reason != DropReason.None)
        {
            Drops.Count(reason);
        }

        return true;
    }

    private static bool IsToDhcpServer(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < LeastDhcpFrame || frame[EthernetHeader.Length + 9] != IpProtocolNumber.Udp || BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) != EtherType.IPv4)
        {
            return false;
        }

        var port = EthernetHeader.Length + ((frame[EthernetHeader.Length] & 0x0F) * 4) + 2;
        var isFirst = (BinaryPrimitives.ReadUInt16BigEndian(frame[(EthernetHeader.Length + 6)..]) & 0x1FFF) == 0;
        return isFirst && frame.Length >= port + 2 && BinaryPrimitives.ReadUInt16BigEndian(frame[port..]) == DhcpPort.Server;
    }

    private DropReason TakeDhcp(in EthernetHeader ethernet, in OffloadInfo offload, Instant now)
    {
        var client = ethernet.Source;
        if (client.IsGroup || client.IsNone)
        {
            return DropReason.Malformed;
        }

        if (client == _model.Clients.GatewayMac || (ethernet.Destination != _model.Clients.GatewayMac && !ethernet.Destination.IsGroup))
        {
            return DropReason.NotForUs;
        }

        if (!_pool.GivesOut)
        {
            return DropReason.Fenced;
        }

        var packet = ethernet.Payload;
        var reason = Ipv4Header.TryParse(packet, out var ip);
        if (reason != DropReason.None || ip.TotalLength > packet.Length || ip.TotalLength < ip.HeaderLength || ip.IsFragment)
        {
            return reason != DropReason.None ? reason : ip.IsFragment ? DropReason.Fragment : DropReason.Truncated;
        }

        reason = UdpPackets.TryRead(packet[ip.HeaderLength..ip.TotalLength], ip.Source, ip.Destination, offload, needsChecksum: false, out var payload);
        if (reason != DropReason.None)
        {
            return reason;
        }

        // Behind an access point are clients, no relay agents: who says otherwise could have answers sent elsewhere (RFC 3046 section 2.1).
        if (!DhcpMessage.TryParse(payload, out var message) || message.Operation != DhcpMessage.Request || message.Type is DhcpMessageType.Offer or DhcpMessageType.Acknowledge
            or DhcpMessageType.Refuse || message.RelayAddress != DhcpMessage.NoAddress || message.TryGetOption(DhcpOption.RelayAgent, out _))
        {
            return DropReason.Malformed;
        }

        if (message.Client != client)
        {
            return DropReason.SpoofedSource;
        }

        reason = _dhcpClients!.TryAsk(client, message.TransactionId, now);
        if (reason != DropReason.None)
        {
            return reason;
        }

        // A client that asks for an address is here: its arrival need not wait until it has one.
        Fam.OnClientSeen(client, now);
        return _dhcpRelay is not null ? Relay(message, ip.Destination) : AskForLease(message, payload, ip.Destination, now);
    }

    private DropReason Relay(in DhcpMessage message, IpAddress destination)
    {
        var own = _model.Uplink.Addresses.FirstOrDefault(a => a.IsIPv4 && _pool.Owns(a));
        if (own.IsNone)
        {
            return DropReason.Fenced;
        }

        var headers = UdpPackets.HeadersLength(ipv4: true);
        var reason = _dhcpRelay!.WriteRequest(message, own, _dhcpPacket.AsSpan(headers), out var length);
        if (reason != DropReason.None)
        {
            return reason;
        }

        var packet = _dhcpPacket.AsSpan(0, headers + length);
        foreach (ref readonly var server in _dhcpRelay.ServersFor(destination))
        {
            UdpPackets.WriteHeaders(packet, new TransportEndpoint(own, DhcpPort.Server), new TransportEndpoint(server, DhcpPort.Server));
            SendUplinkCopy(packet, OffloadInfo.None);
        }

        return DropReason.None;
    }

    /// <summary>Whether a packet from the uplink is for the relay agent.</summary>
    private bool IsDhcpAnswer(in PacketSummary summary) =>
        _dhcpRelay is not null && summary.Part == FragmentPart.Whole && summary.Kind != PacketKind.IcmpError && summary.Tuple.Protocol == TransportProtocol.Udp && summary.Tuple.Destination.Port == DhcpPort.Server
        && summary.Tuple.Destination.Address.IsIPv4;

    private void OnDhcpAnswer(ReadOnlySpan<byte> packet, in PacketSummary summary, in OffloadInfo offload)
    {
        var reason = RelayAnswer(packet.Slice(summary.TransportOffset, summary.TransportLength), summary, offload);
        if (reason != DropReason.None)
        {
            Drops.Count(reason);
        }
    }

    private DropReason RelayAnswer(ReadOnlySpan<byte> datagram, in PacketSummary summary, in OffloadInfo offload)
    {
        var (source, destination) = (summary.Tuple.Source.Address, summary.Tuple.Destination.Address);
        if (!_dhcpRelay!.IsServer(source))
        {
            return DropReason.UnexpectedAnswer;
        }

        var reason = UdpPackets.TryRead(datagram, source, destination, offload, needsChecksum: false, out var payload);
        if (reason != DropReason.None)
        {
            return reason;
        }

        if (!DhcpMessage.TryParse(payload, out var message) || message.Operation != DhcpMessage.Reply)
        {
            return DropReason.Malformed;
        }

        if (message.RelayAddress != destination || !_dhcpClients!.IsAwaited(message.Client, message.TransactionId, _now))
        {
            return DropReason.UnexpectedAnswer;
        }

        reason = _dhcpRelay.WriteReply(message, _dhcpPacket.AsSpan(UdpPackets.HeadersLength(ipv4: true)), out var length);
        if (reason == DropReason.None)
        {
            SendDhcpToClient(length);
        }

        return reason;
    }

    /// <summary>
    /// Sends the message in the buffer to its client: to the address that it gives the client, which does not answer ARP for it yet; or to everybody, if the client wants that or has
    /// no address that counts (RFC 2131 section 4.1; a refusal always, section 4.3.2).
    /// </summary>
    private void SendDhcpToClient(int length)
    {
        var headers = UdpPackets.HeadersLength(ipv4: true);
        var packet = _dhcpPacket.AsSpan(0, headers + length);
        if (!DhcpMessage.TryParse(packet[headers..], out var message))
        {
            Drops.Count(DropReason.Malformed);
            return;
        }

        var address = message.YourAddress != DhcpMessage.NoAddress ? message.YourAddress : message.ClientAddress;
        var isBroadcast = message.Type == DhcpMessageType.Refuse || (message.Flags & DhcpMessage.BroadcastFlag) != 0 || address == DhcpMessage.NoAddress;
        var destination = isBroadcast ? IpAddress.FromV4(uint.MaxValue) : address;
        UdpPackets.WriteHeaders(packet, new TransportEndpoint(_dhcpGateway, DhcpPort.Server), new TransportEndpoint(destination, DhcpPort.Client));
        if (message.Type == DhcpMessageType.Acknowledge && message.YourAddress != DhcpMessage.NoAddress)
        {
            _users?.OnLease(message.Client, message.YourAddress);
        }

        _clientLink.SendCopy(packet, OffloadInfo.None, isBroadcast && !_clientLink.IsProtected(message.Client) ? MacAddress.Broadcast : message.Client);
    }

    private DropReason AskForLease(in DhcpMessage message, ReadOnlySpan<byte> octets, IpAddress destination, Instant now)
    {
        if (!_dhcpServer!.TryTranslate(message, destination, out var action, out var address))
        {
            return DropReason.NotForUs;
        }

        if (_leaseQuestions.TryGetValue(message.Client, out var earlier))
        {
            if (earlier.Transaction == message.TransactionId && earlier.Action == action && earlier.Address == address)
            {
                // The client repeats itself; its question is under way.
                return DropReason.None;
            }

            _outbox.Complete(earlier.Id);
            _leaseQuestions.Remove(message.Client);
        }

        var id = _outbox.NextId();
        if (_leaseDeadlines.Count >= 2 * DhcpClients.Capacity || !_outbox.Send(new LeaseRequest { Id = id, Client = message.Client, Action = action, Address = address }, now, canWait: true))
        {
            return DropReason.ControlQueueFull;
        }

        _leaseQuestions[message.Client] = new LeaseQuestion(id, message.TransactionId, action, address, octets.ToArray());
        _leaseDeadlines.Enqueue((message.Client, id, now + DhcpClients.Lifetime));
        return DropReason.None;
    }

    private void OnLeaseReply(LeaseReply reply)
    {
        _outbox.Complete(reply.Id);
        if (!_leaseQuestions.TryGetValue(reply.Client, out var question) || question.Id != reply.Id || !DhcpMessage.TryParse(question.Message, out var message))
        {
            return;
        }

        _leaseQuestions.Remove(reply.Client);
        if (_clientLink.IsGateway(reply.Address))
        {
            // The pool does not know which address is the gateway's. Nobody is to have it, and the client asks again.
            var decline = new LeaseRequest { Id = _outbox.NextId(), Client = reply.Client, Action = LeaseAction.Decline, Address = reply.Address };
            Drops.Count(_outbox.Send(decline, _now, canWait: true) ? DropReason.Refused : DropReason.ControlQueueFull);
            return;
        }

        var length = _dhcpServer!.Answer(message, question.Action, reply, _dhcpPacket.AsSpan(UdpPackets.HeadersLength(ipv4: true)));
        if (length > 0)
        {
            SendDhcpToClient(length);
        }
        else if (question.Action is LeaseAction.Offer or LeaseAction.Confirm or LeaseAction.Inform)
        {
            Drops.Count(DropReason.Refused);
        }
    }

    /// <summary>Questions that the coordinator has not answered while the client waited are asked no more: the client asks anew.</summary>
    private void AdvanceLeases(Instant now)
    {
        while (_leaseDeadlines.TryPeek(out var first) && first.Until <= now)
        {
            _leaseDeadlines.Dequeue();
            if (_leaseQuestions.TryGetValue(first.Client, out var question) && question.Id == first.Id)
            {
                _leaseQuestions.Remove(first.Client);
                _outbox.Complete(first.Id);
                Drops.Count(DropReason.HoldExpired);
            }
        }
    }

    private sealed record LeaseQuestion(ulong Id, uint Transaction, LeaseAction Action, IpAddress Address, byte[] Message);
}
