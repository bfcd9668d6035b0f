using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Link;

/// <summary>
/// The uplink below IP: answers ARP and ND for the node's masquerade and FAM addresses (the kernel does not have them), finds the next hop of every packet
/// and its MAC address.
/// </summary>
internal sealed class UplinkLink : INeighbourLink
{
    /// <summary>How often an address that was taken is announced again.</summary>
    private const int Announcements = 3;

    /// <summary>Announcements of clients' addresses that may wait to be made again.</summary>
    private const int MaxAnnouncements = 1_024;

    private static readonly TimeSpan AnnounceInterval = TimeSpan.FromMilliseconds(100);

    private readonly UplinkModel _model;
    private readonly INodeOutput _output;
    private readonly DropCounters _drops;
    private readonly IpPrefix[] _onLink;
    private readonly NeighbourTable _neighbours;
    private readonly byte[] _scratch = new byte[LinkFrames.MaxLength];
    private readonly byte[] _copy = new byte[ushort.MaxValue + EthernetHeader.Length];
    private readonly byte[] _piece;
    private readonly byte[] _segment = new byte[ushort.MaxValue + EthernetHeader.Length];
    private readonly IdentificationSource _identifications;
    private readonly PriorityQueue<IpAddress, Instant> _announcements = new();
    private IpAddress[] _own;
    private bool _announced;

    public UplinkLink(UplinkModel model, INodeOutput output, DropCounters drops, IdentificationSource identifications)
    {
        _identifications = identifications;
        _model = model;
        _piece = new byte[EthernetHeader.Length + model.Mtu];
        _output = output;
        _drops = drops;
        _own = [.. model.Addresses];
        _onLink = [.. model.OnLink];
        _neighbours = new NeighbourTable(model.Neighbours, this, drops);
        foreach (var (address, mac) in model.StaticNeighbours)
        {
            _neighbours.AddStatic(address, mac);
        }
    }

    public Instant NextDeadline =>
        !_announced ? Instant.Zero : _announcements.TryPeek(out _, out var due) ? Instant.Min(due, _neighbours.NextDeadline) : _neighbours.NextDeadline;

    /// <summary>The addresses that the node answers for.</summary>
    public IReadOnlyList<IpAddress> Own => _own;

    public int NeighbourCount => _neighbours.Count;

    /// <summary>Whether an address is that of a client that is here and that servers may see: the node answers for it, too. Null: servers see none.</summary>
    public Func<IpAddress, bool>? ShowsClient { get; set; }

    /// <summary>
    /// Answers for an address from now on, and says so, unasked and more than once: what takes the address from a node that has failed must reach everybody on the link.
    /// </summary>
    public void Take(IpAddress address, Instant now)
    {
        _own = IsOwn(address) ? _own : [.. _own, address];
        if (!_announced)
        {
            return;
        }

        AnnounceRepeatedly(address, now);
        Prefetch(address.IsIPv4 ? _model.GatewayV4 : _model.GatewayV6, now);
    }

    /// <summary>Tells the link that a client's own address is here, unless that many are still to be told of that it would take long.</summary>
    public void AnnounceClient(IpAddress address, Instant now)
    {
        if (_announced && _announcements.Count < MaxAnnouncements)
        {
            AnnounceRepeatedly(address, now);
        }
    }

    private void AnnounceRepeatedly(IpAddress address, Instant now)
    {
        Announce(address);
        for (var i = 1; i <= Announcements; i++)
        {
            _announcements.Enqueue(address, now + (AnnounceInterval * i));
        }
    }

    /// <summary>Does not answer for an address any more.</summary>
    public void Yield(IpAddress address) => _own = [.. _own.Where(own => own != address)];

    /// <summary>Whether an address is one of this node's.</summary>
    public bool IsOwn(IpAddress address) => Array.IndexOf(_own, address) >= 0;

    private bool AnswersFor(IpAddress address) => IsOwn(address) || (ShowsClient is not null && ShowsClient(address));

    /// <summary>
    /// Looks at a frame from the uplink device. True: it carries an IP packet for this node's MAC address. False: it is finished.
    /// </summary>
    public bool Accept(ReadOnlySpan<byte> frame, Instant now)
    {
        if (!EthernetHeader.TryParse(frame, out var ethernet))
        {
            _drops.Count(DropReason.Truncated);
            return false;
        }

        var destination = ethernet.Destination;
        if (destination != _model.Mac && !destination.IsGroup)
        {
            _drops.Count(DropReason.NotForUs);
            return false;
        }

        var packet = ethernet.Payload;
        switch (ethernet.Type)
        {
            case EtherType.Arp:
                OnArp(packet, ethernet.Source, now);
                return false;
            case EtherType.IPv6 when NdMessage.IsNeighbourDiscovery(packet):
                OnNd(packet, ethernet.Source, now);
                return false;
            default:
                return PacketFrames.IsToBeRouted(ethernet, _drops);
        }
    }

    /// <summary>Told when packets to a neighbour must go elsewhere than they went. Neighbours are asked for again and again then, whether or not packets are sent to them from here.</summary>
    public Action? NeighbourChanged
    {
        init => _neighbours.Changed = value;
    }

    /// <summary>Sends an IP packet towards its destination address; the Ethernet header in front of it is written here. True: it has been sent, as one frame.</summary>
    public bool SendInPlace(Span<byte> frame, in OffloadInfo offload, Instant now)
    {
        var fitted = offload;
        switch (PacketFrames.Fit(frame, _model.Mtu, ref fitted, _drops))
        {
            case Fitting.AsIs:
                return SendToHop(frame, fitted, now);
            case Fitting.Cut:
                PacketFrames.FinishChecksum(frame, offload);
                var cutter = new Ipv4Cutter(frame[EthernetHeader.Length..], _model.Mtu);
                while (cutter.TryNext(_piece.AsSpan(EthernetHeader.Length), out var length))
                {
                    SendToHop(_piece.AsSpan(0, EthernetHeader.Length + length), OffloadInfo.None, now);
                }

                break;
            case Fitting.Segments:
                var segments = PacketFrames.Segments(frame, offload, _identifications);
                while (segments.TryNext(_segment.AsSpan(EthernetHeader.Length), out var length))
                {
                    SendInPlace(_segment.AsSpan(0, EthernetHeader.Length + length), OffloadInfo.None, now);
                }

                break;
        }

        return false;
    }

    private bool SendToHop(Span<byte> frame, in OffloadInfo offload, Instant now)
    {
        var hop = NextHop(DestinationOf(frame[EthernetHeader.Length..]));
        if (hop.IsNone)
        {
            _drops.Count(DropReason.NoNeighbour);
            return false;
        }

        if (!_neighbours.TryResolve(hop, frame, offload, now, out var mac))
        {
            return false;
        }

        SendPending(frame, offload, mac);
        return true;
    }

    /// <summary>Sends an IP packet that has no room for a header in front.</summary>
    public void SendCopy(ReadOnlySpan<byte> packet, in OffloadInfo offload, Instant now)
    {
        if (PacketFrames.TryCopy(packet, _copy, _drops, out var frame))
        {
            SendInPlace(frame, offload, now);
        }
    }

    /// <inheritdoc/>
    public void SendPending(Span<byte> frame, in OffloadInfo offload, MacAddress neighbour)
    {
        EthernetHeader.WriteForIp(frame, neighbour, _model.Mac);
        _output.SendUplinkFrame(frame, offload);
    }

    /// <inheritdoc/>
    public void AskForNeighbour(IpAddress address, MacAddress known)
    {
        var source = SourceFor(address);
        if (source.IsNone)
        {
            return;
        }

        Send(address.IsIPv4
            ? LinkFrames.ArpRequest(_scratch, known.IsNone ? MacAddress.Broadcast : known, _model.Mac, source, address)
            : LinkFrames.NeighbourSolicitation(_scratch, _model.Mac, source, address, known));
    }

    /// <summary>Repeats what is due. The first call announces the node's addresses, so that neighbours that knew an earlier owner learn of the new one.</summary>
    public void Advance(Instant now)
    {
        if (!_announced)
        {
            _announced = true;
            foreach (var address in _own)
            {
                Announce(address);
            }

            Prefetch(_model.GatewayV4, now);
            Prefetch(_model.GatewayV6, now);
        }

        while (_announcements.TryPeek(out var address, out var due) && due <= now)
        {
            _announcements.Dequeue();
            if (AnswersFor(address))
            {
                Announce(address);
            }
        }

        _neighbours.Advance(now);
    }

    /// <summary>Tells everybody on the link that an address is here: a gratuitous ARP request (RFC 5227 section 3) or an unsolicited advertisement (RFC 4861 section 7.2.6).</summary>
    public void Announce(IpAddress address) => Send(address.IsIPv4
        ? LinkFrames.ArpRequest(_scratch, MacAddress.Broadcast, _model.Mac, address, address)
        : LinkFrames.NeighbourAnnouncement(_scratch, _model.Mac, address, NdFlags.Router | NdFlags.Override));

    private void OnArp(ReadOnlySpan<byte> packet, MacAddress source, Instant now)
    {
        if (!ArpHeader.TryParse(packet, out var arp) || arp.SenderMac != source)
        {
            _drops.Count(packet.Length < ArpHeader.Length ? DropReason.Truncated : DropReason.Malformed);
            return;
        }

        if (!IsOwn(arp.SenderAddress))
        {
            _neighbours.Learn(arp.SenderAddress, arp.SenderMac, now);
        }

        if (arp.Operation == ArpOperation.Request && AnswersFor(arp.TargetAddress) && source != _model.Mac)
        {
            Send(LinkFrames.ArpReply(_scratch, _model.Mac, arp));
        }
    }

    private void OnNd(ReadOnlySpan<byte> packet, MacAddress source, Instant now)
    {
        if (!NdMessage.TryParse(packet, out var message))
        {
            _drops.Count(DropReason.Malformed);
            return;
        }

        if (message.Type == Icmpv6Type.NeighbourAdvertisement)
        {
            // An answer to a unicast solicitation may leave the option out (RFC 4861 section 4.4).
            _neighbours.Learn(message.Target, message.LinkLayer.IsNone ? source : message.LinkLayer, now);
            return;
        }

        if (message.Type != Icmpv6Type.NeighbourSolicitation || source == _model.Mac)
        {
            // Routers' and hosts' own business: the next hops are configured.
            _drops.Count(DropReason.NotForUs);
            return;
        }

        if (!message.LinkLayer.IsNone)
        {
            _neighbours.Learn(message.Source, message.LinkLayer, now);
        }

        if (AnswersFor(message.Target))
        {
            Send(LinkFrames.NeighbourAnswer(_scratch, source, _model.Mac, message, NdFlags.Router | NdFlags.Override));
        }
    }

    private void Prefetch(IpAddress gateway, Instant now)
    {
        if (!gateway.IsNone)
        {
            _neighbours.Prefetch(gateway, now);
        }
    }

    /// <summary>The destination address of an IP packet whose fixed header is known to be there.</summary>
    internal static IpAddress DestinationOf(ReadOnlySpan<byte> packet) => IpAddress.FromBytes(packet[0] >> 4 == 4 ? packet.Slice(16, 4) : packet.Slice(24, 16));

    /// <summary>The source address of such a packet.</summary>
    internal static IpAddress SourceOf(ReadOnlySpan<byte> packet) => IpAddress.FromBytes(packet[0] >> 4 == 4 ? packet.Slice(12, 4) : packet.Slice(8, 16));

    private IpAddress NextHop(IpAddress destination)
    {
        foreach (ref readonly var prefix in _onLink.AsSpan())
        {
            if (prefix.Contains(destination))
            {
                return destination;
            }
        }

        return destination.IsIPv4 ? _model.GatewayV4 : _model.GatewayV6;
    }

    /// <summary>The own address that a question comes from: one in the same prefix as the neighbour if possible, else any of its family.</summary>
    private IpAddress SourceFor(IpAddress neighbour)
    {
        foreach (ref readonly var prefix in _onLink.AsSpan())
        {
            if (prefix.Contains(neighbour))
            {
                foreach (var own in _own)
                {
                    if (prefix.Contains(own))
                    {
                        return own;
                    }
                }
            }
        }

        return Array.Find(_own, own => own.IsIPv4 == neighbour.IsIPv4);
    }

    private void Send(int length) => _output.SendUplinkFrame(_scratch.AsSpan(0, length), OffloadInfo.None);
}
