using System.Buffers.Binary;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Lab.Net;
using Masquerade.Lab.Traffic;

namespace Masquerade.Lab.Capture;

/// <summary>What a captured frame is, as far as the proof needs it.</summary>
public enum FrameKind : byte
{
    /// <summary>A packet of a connection of the demonstration, in the clear: its headers and (for datagrams) its content were recognised.</summary>
    Flow,

    /// <summary>ARP, neighbour discovery, multicast listener reports.</summary>
    LinkService,

    /// <summary>TCP between an access point and the coordinator.</summary>
    Control,

    /// <summary>A marker between two access points.</summary>
    PeerMarker,

    /// <summary>An ICMP error.</summary>
    IcmpError,

    /// <summary>Anything else: tunnels, unknown protocols, unknown ports, markers large enough to carry a packet.</summary>
    Unknown,
}

/// <summary>The little that is kept of one captured frame.</summary>
public struct PacketRecord
{
    /// <summary>A marker longer than this (IP packet, bytes) could carry a small packet and counts as <see cref="FrameKind.Unknown"/>.</summary>
    public const int LongestMarker = 160;

    private static readonly IpAddress s_server = IpAddress.Parse(LabTopology.ServerAddress.ToString());
    private static readonly IpAddress s_server6 = IpAddress.Parse(LabTopology.ServerAddress6.ToString());
    private static readonly IpAddress[] s_coordinators = [.. LabTopology.CoordinatorAddresses.Select(a => IpAddress.Parse(a.ToString()))];

    /// <summary>When the kernel saw it (<see cref="LabClock"/>, ns).</summary>
    public long At;

    /// <summary>Number of the flow's datagram, or TCP sequence number.</summary>
    public long Sequence;

    /// <summary>IP source.</summary>
    public IpAddress Source;

    /// <summary>IP destination.</summary>
    public IpAddress Destination;

    /// <summary>Length of the IP packet in bytes.</summary>
    public int Length;

    /// <summary>Source port; the identifier for ICMP echo.</summary>
    public ushort SourcePort;

    /// <summary>Destination port; the identifier for ICMP echo.</summary>
    public ushort DestinationPort;

    /// <summary>The connection: its server port.</summary>
    public ushort Flow;

    /// <summary>IP protocol, or 0 if not IP.</summary>
    public byte Protocol;

    /// <summary>What it is.</summary>
    public FrameKind Kind;

    /// <summary>Towards the client.</summary>
    public bool Down;

    /// <summary>Sent by the interface's own host rather than received.</summary>
    public bool Outgoing;

    /// <summary>The station or group that it is sent to. A bridge that does not know where a station is shows everybody what is for it.</summary>
    public MacAddress To;

    /// <summary>Reads a frame cut off after a few headers.</summary>
    /// <param name="frame">Its beginning.</param>
    /// <param name="wireLength">Its whole length.</param>
    public static PacketRecord Parse(ReadOnlySpan<byte> frame, int wireLength)
    {
        var record = new PacketRecord { Kind = FrameKind.Unknown, Length = wireLength - EthernetHeader.Length, To = frame.Length < 6 ? MacAddress.None : MacAddress.FromBytes(frame[..6]) };
        if (frame.Length < EthernetHeader.Length + 20)
        {
            return record;
        }

        var ip = frame[EthernetHeader.Length..];
        ReadOnlySpan<byte> transport;
        switch (BinaryPrimitives.ReadUInt16BigEndian(frame[12..]))
        {
            case 0x0806:
                record.Kind = FrameKind.LinkService;
                return record;
            case 0x0800 when (ip[0] >> 4) == 4:
                record.Source = IpAddress.FromBytes(ip.Slice(12, 4));
                record.Destination = IpAddress.FromBytes(ip.Slice(16, 4));
                record.Protocol = ip[9];

                // Ethernet pads short packets; the header's own length is the packet's.
                record.Length = BinaryPrimitives.ReadUInt16BigEndian(ip[2..]) is var total and > 0 ? total : record.Length;
                var headerLength = (ip[0] & 15) * 4;
                transport = headerLength <= ip.Length ? ip[headerLength..] : [];
                break;
            case 0x86DD when ip.Length >= 40:
                record.Source = IpAddress.FromBytes(ip.Slice(8, 16));
                record.Destination = IpAddress.FromBytes(ip.Slice(24, 16));
                record.Protocol = ip[6];
                transport = ip[40..];
                if (ip[6] == 0 && transport.Length > 8 && transport[0] == 58 && transport[8] == 143)
                {
                    record.Kind = FrameKind.LinkService; // MLDv2 report behind its hop-by-hop option (RFC 3810 section 5)
                    return record;
                }

                break;
            default:
                return record;
        }

        Classify(ref record, transport);
        return record;
    }

    private static void Classify(ref PacketRecord record, ReadOnlySpan<byte> transport)
    {
        if (transport.Length < 8)
        {
            return;
        }

        switch (record.Protocol)
        {
            case 6:
            case 17:
                record.SourcePort = BinaryPrimitives.ReadUInt16BigEndian(transport);
                record.DestinationPort = BinaryPrimitives.ReadUInt16BigEndian(transport[2..]);
                ClassifyPorts(ref record, transport);
                break;
            case 1 when transport[0] is 0 or 8:
            case 58 when transport[0] is 128 or 129:
                record.SourcePort = record.DestinationPort = BinaryPrimitives.ReadUInt16BigEndian(transport[4..]);
                if (DatagramPayload.TryReadHeader(transport[8..], out record.Flow, out _, out record.Sequence))
                {
                    record.Down = transport[0] is 0 or 129;
                    record.Kind = FrameKind.Flow;
                }

                break;
            case 1:
                record.Kind = FrameKind.IcmpError;
                break;
            case 58:
                record.Kind = transport[0] < 128 ? FrameKind.IcmpError : FrameKind.LinkService;
                break;
        }
    }

    private static bool IsCoordinator(in IpAddress address)
    {
        foreach (var coordinator in s_coordinators)
        {
            if (address == coordinator)
            {
                return true;
            }
        }

        return false;
    }

    private static void ClassifyPorts(ref PacketRecord record, ReadOnlySpan<byte> transport)
    {
        var fromServer = record.Source == s_server || record.Source == s_server6;
        var toServer = record.Destination == s_server || record.Destination == s_server6;
        if (record.Protocol == 6 && (IsCoordinator(record.Source) || IsCoordinator(record.Destination)))
        {
            record.Kind = FrameKind.Control;
        }
        else if (record.Protocol == 6 && fromServer != toServer)
        {
            record.Kind = FrameKind.Flow;
            record.Down = fromServer;
            record.Flow = fromServer ? record.SourcePort : record.DestinationPort;
            record.Sequence = BinaryPrimitives.ReadUInt32BigEndian(transport[4..]);
        }
        else if (record.Protocol == 17 && fromServer != toServer
            && DatagramPayload.TryReadHeader(transport[8..], out record.Flow, out var direction, out record.Sequence)
            && (direction == DatagramPayload.Down) == fromServer && record.Flow == (fromServer ? record.SourcePort : record.DestinationPort))
        {
            record.Kind = FrameKind.Flow;
            record.Down = fromServer;
        }
        else if (record.Protocol == 17 && record.SourcePort == LabPorts.Peer
            && (record.DestinationPort == LabPorts.Peer ? record.Length <= LongestMarker || IsPathProbe(transport[8..]) : IsWayProbe(transport[8..])))
        {
            record.Kind = FrameKind.PeerMarker;
        }
    }

    /// <summary>A question whether a source gets through, addressed to a server and meant for the routers in front of it.</summary>
    private static bool IsWayProbe(ReadOnlySpan<byte> payload) => WayCodec.TryDecode(payload, out var message) && message is WayProbe;

    /// <summary>A question whether so large a packet gets through: nothing but zeros fills it, as far as it was captured.</summary>
    private static bool IsPathProbe(ReadOnlySpan<byte> payload) =>
        PeerCodec.TryDecodeStart(payload, out var message) && message is PathProbe && !payload[PeerCodec.Length..].ContainsAnyExcept((byte)0);
}
