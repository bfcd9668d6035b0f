using System.Buffers.Binary;
using Masquerade.AccessPoint.Link;
using Masquerade.AccessPoint.Pcp;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>
/// Clients' requests for explicit mappings (RFC 6888 REQ-9) at the gateway's address. They are taken out of the clients' traffic; from the uplink nobody is answered. A request that
/// comes before all is known of its client waits for that, for clients repeat theirs after seconds only.
/// </summary>
public sealed partial class AccessPointNode
{
    /// <summary>The most requests that wait, and the most of them of one client.</summary>
    private const int MaxWaitingRequests = 256;
    private const int MaxWaitingRequestsPerClient = 8;

    private static readonly TimeSpan RequestPatience = TimeSpan.FromMilliseconds(1_500);
    private static readonly TimeSpan RequestRetry = TimeSpan.FromMilliseconds(10);

    private readonly PcpServer? _pcp;
    private readonly byte[] _pcpPacket = [];
    private readonly List<WaitingRequest> _waitingRequests = [];

    /// <summary>Requests for ports that wait until all is known of their client.</summary>
    public int WaitingRequests => _waitingRequests.Count;
    private Instant _requestsAt = Instant.Never;

    /// <summary>Whether a frame of a client was for the Port Control Protocol's server, and is finished.</summary>
    private bool TryTakePcp(ReadOnlySpan<byte> frame, in OffloadInfo offload, Instant now)
    {
        if (_pcp is null || !IsToPcpServer(frame, out var udp) || !EthernetHeader.TryParse(frame, out var ethernet) || ethernet.Destination != _model.Clients.GatewayMac)
        {
            return false;
        }

        var reason = TakePcp(ethernet, udp, offload, now);
        if (reason != DropReason.None)
        {
            Drops.Count(reason);
        }

        return true;
    }

    /// <summary>A UDP datagram in one piece, to the server's port at an address of the gateway.</summary>
    private bool IsToPcpServer(ReadOnlySpan<byte> frame, out int udp)
    {
        udp = 0;
        if (frame.Length < EthernetHeader.Length + Ipv4Header.MinimumLength + UdpHeader.HeaderLength)
        {
            return false;
        }

        var packet = frame[EthernetHeader.Length..];
        IpAddress destination;
        switch (BinaryPrimitives.ReadUInt16BigEndian(frame[12..]))
        {
            case EtherType.IPv4 when packet[9] == IpProtocolNumber.Udp && (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x3FFF) == 0:
                udp = (packet[0] & 0x0F) * 4;
                destination = IpAddress.FromBytes(packet.Slice(16, 4));
                break;
            case EtherType.IPv6 when packet.Length >= Ipv6Header.Length + UdpHeader.HeaderLength && packet[6] == IpProtocolNumber.Udp:
                udp = Ipv6Header.Length;
                destination = IpAddress.FromBytes(packet.Slice(24, 16));
                break;
            default:
                return false;
        }

        return packet.Length >= udp + UdpHeader.HeaderLength && BinaryPrimitives.ReadUInt16BigEndian(packet[(udp + 2)..]) == PcpProtocol.Port && _clientLink.IsGateway(destination);
    }

    private DropReason TakePcp(in EthernetHeader ethernet, int udp, in OffloadInfo offload, Instant now)
    {
        var client = ethernet.Source;
        if (client.IsGroup || client.IsNone || client == _model.Clients.GatewayMac)
        {
            return DropReason.Malformed;
        }

        if (!_pool.GivesOut)
        {
            return DropReason.Fenced;
        }

        if (_pcp!.IsTooOften(client, now))
        {
            return DropReason.TooOften;
        }

        var packet = ethernet.Payload;
        IpAddress source, gateway;
        int length;
        if (udp == Ipv6Header.Length && packet[0] >> 4 == 6)
        {
            (source, gateway) = (IpAddress.FromBytes(packet.Slice(8, 16)), IpAddress.FromBytes(packet.Slice(24, 16)));
            length = Ipv6Header.Length + BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        }
        else
        {
            var broken = Ipv4Header.TryParse(packet, out var ip);
            if (broken != DropReason.None)
            {
                return broken;
            }

            (source, gateway, length) = (ip.Source, ip.Destination, ip.TotalLength);
        }

        if (length > packet.Length || length < udp + UdpHeader.HeaderLength)
        {
            return DropReason.Truncated;
        }

        if (source.IsNone || source.IsMulticastOrBroadcast || (PacketParser.IsNeverForwarded(source) && !source.IsLinkLocal) || source.IsIPv4 != gateway.IsIPv4 || _clientLink.IsGateway(source))
        {
            return DropReason.Martian;
        }

        if (_users?.MayUse(client, source) == false)
        {
            return DropReason.SpoofedSource;
        }

        var datagram = packet[udp..length];
        var reason = UdpPackets.TryRead(datagram, source, gateway, offload, needsChecksum: !source.IsIPv4, out var payload);
        if (reason != DropReason.None)
        {
            return reason;
        }

        var from = new TransportEndpoint(source, BinaryPrimitives.ReadUInt16BigEndian(datagram));
        return AnswerPcp(payload, client, from, gateway, now, out var isToWait) is var answered && isToWait ? LetWait(payload, client, from, gateway, now) : answered;
    }

    private DropReason AnswerPcp(ReadOnlySpan<byte> payload, MacAddress client, TransportEndpoint from, IpAddress gateway, Instant now, out bool isToWait)
    {
        var headers = UdpPackets.HeadersLength(gateway.IsIPv4);
        var reason = _pcp!.Answer(payload, client, from.Address, Fam, now, _pcpPacket.AsSpan(headers), out var length);
        isToWait = reason == DropReason.None && length == 0;
        if (length > 0)
        {
            var packet = _pcpPacket.AsSpan(0, headers + length);
            UdpPackets.WriteHeaders(packet, new TransportEndpoint(gateway, PcpProtocol.Port), from);
            _clientLink.SendCopy(packet, OffloadInfo.None, client);
        }

        return reason;
    }

    private DropReason LetWait(ReadOnlySpan<byte> payload, MacAddress client, TransportEndpoint from, IpAddress gateway, Instant now)
    {
        var own = 0;
        foreach (var waiting in _waitingRequests)
        {
            own += waiting.Client == client ? 1 : 0;
        }

        if (_waitingRequests.Count >= MaxWaitingRequests || own >= MaxWaitingRequestsPerClient || payload.Length > PcpProtocol.MaxLength)
        {
            return DropReason.HoldQueueFull;
        }

        _waitingRequests.Add(new WaitingRequest(client, from, gateway, payload.ToArray(), now + RequestPatience));
        _requestsAt = Instant.Min(_requestsAt, now + RequestRetry);
        return DropReason.None;
    }

    private void AdvancePcp(Instant now)
    {
        if (now < _requestsAt)
        {
            return;
        }

        _waitingRequests.RemoveAll(waiting =>
        {
            if (!_pool.GivesOut || !Fam.IsAttending(waiting.Client))
            {
                Drops.Count(_pool.GivesOut ? DropReason.ClientGone : DropReason.Fenced);
                return true;
            }

            var reason = AnswerPcp(waiting.Payload, waiting.Client, waiting.From, waiting.Gateway, now, out var isToWait);
            if (isToWait && now < waiting.Until)
            {
                return false;
            }

            if (isToWait || reason != DropReason.None)
            {
                Drops.Count(isToWait ? DropReason.HoldExpired : reason);
            }

            return true;
        });
        _requestsAt = _waitingRequests.Count == 0 ? Instant.Never : now + RequestRetry;
    }

    private sealed record WaitingRequest(MacAddress Client, TransportEndpoint From, IpAddress Gateway, byte[] Payload, Instant Until);
}
