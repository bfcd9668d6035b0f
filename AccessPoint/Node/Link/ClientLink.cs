using Masquerade.AccessPoint.Users;
using Masquerade.Auth.Protection;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Link;

/// <summary>
/// The client side below IP: the virtual gateway's ARP and ND, the same at every access point. It also answers for every other address of the client subnets
/// (proxy ARP, RFC 1027), since the client that has it may be at another access point; only the asker's own address is left alone, or clients would find it taken.
/// </summary>
internal sealed class ClientLink(ClientSideModel model, INodeOutput output, DropCounters drops, IdentificationSource identifications)
{
    /// <summary>RFC 4861 section 6.2.1, MaxRtrAdvInterval: well under the advertised lifetime.</summary>
    private static readonly TimeSpan AdvertisementInterval = TimeSpan.FromSeconds(200);

    private readonly IpAddress[] _gateways = [.. model.GatewayAddresses];
    private readonly IpPrefix[] _prefixes = [.. model.Prefixes];
    private readonly IpPrefix[] _advertised = [.. model.Prefixes.Where(p => !p.IsIPv4).Take(LinkFrames.MaxPrefixes)];
    private readonly IpAddress _routerAddress = model.GatewayAddresses.FirstOrDefault(a => !a.IsIPv4 && a.IsLinkLocal);
    private readonly byte[] _scratch = new byte[LinkFrames.MaxLength];
    private readonly byte[] _segment = new byte[ushort.MaxValue + EthernetHeader.Length];
    private readonly byte[] _piece = new byte[EthernetHeader.Length + model.Mtu];
    private readonly byte[] _protected = new byte[EthernetHeader.Length + Math.Max(model.Mtu, LinkFrames.MaxLength) + MacsecChannel.FrameOverhead];
    private readonly byte[] _copy = new byte[ushort.MaxValue + EthernetHeader.Length];

    /// <summary>Who is let in; null: everybody is.</summary>
    public UserSide? Users { get; init; }

    /// <summary>When the next router advertisement is due.</summary>
    public Instant NextDeadline { get; private set; } = Instant.Zero;

    /// <summary>Whether anybody is there whose link is not protected, and who is let in.</summary>
    private bool HearInTheClear => Users is null || Users.HasAdmittedInTheClear;

    private bool Advertises => _advertised.Length > 0 && !_routerAddress.IsNone;

    /// <summary>Whether an address is one that a client may have, or the gateway has.</summary>
    public bool IsHost(IpAddress address) => IsInSubnet(address, out var isNobodys) && !isNobodys;

    /// <summary>Whether an address is no host's: the network's own or its broadcast address in an IPv4 subnet of the clients.</summary>
    public bool IsNobodys(IpAddress address) => IsInSubnet(address, out var isNobodys) && isNobodys;

    /// <summary>Whether an address is the virtual gateway's.</summary>
    public bool IsGateway(IpAddress address) => Array.IndexOf(_gateways, address) >= 0;

    /// <summary>
    /// Looks at a frame from the client device. True: it carries an IP packet that wants to be routed. False: it is finished (answered, ignored, or dropped and counted).
    /// </summary>
    /// <param name="frame">The frame.</param>
    /// <param name="source">The client whose presence the frame proves; none if it proves nobody's.</param>
    /// <param name="claimed">ARP and neighbour discovery: the address that it says it has; none if it says none.</param>
    public bool Accept(ReadOnlySpan<byte> frame, out MacAddress source, out IpAddress claimed)
    {
        source = MacAddress.None;
        claimed = IpAddress.None;
        if (!EthernetHeader.TryParse(frame, out var ethernet))
        {
            drops.Count(DropReason.Truncated);
            return false;
        }

        var sender = ethernet.Source;
        var destination = ethernet.Destination;
        if (sender.IsGroup || sender.IsNone)
        {
            drops.Count(DropReason.Malformed);
            return false;
        }

        // A frame from our own virtual address is another access point's, or our own come back: never a client.
        if (sender == model.GatewayMac || (destination != model.GatewayMac && !destination.IsGroup))
        {
            drops.Count(DropReason.NotForUs);
            return false;
        }

        source = sender;
        var packet = ethernet.Payload;
        switch (ethernet.Type)
        {
            case EtherType.Arp:
                claimed = AnswerArp(packet, source);
                return false;
            case EtherType.IPv6 when NdMessage.IsNeighbourDiscovery(packet):
                claimed = AnswerNd(packet, source);
                return false;
            default:
                return PacketFrames.IsToBeRouted(ethernet, drops);
        }
    }

    /// <summary>Whether a client's link is protected.</summary>
    public bool IsProtected(MacAddress client) => Users?.LinkTo(client) is not null;

    /// <summary>The largest IP packet that a client's link carries: protection needs room in each frame.</summary>
    public int MtuTo(MacAddress client) => model.Mtu - (Users?.LinkTo(client)?.Link!.Overhead ?? 0);

    /// <summary>Sends an IP packet to a client, or to a group; the Ethernet header in front of it is written here. True: it has been sent to one client, as one frame, in the clear.</summary>
    public bool SendInPlace(Span<byte> frame, in OffloadInfo offload, MacAddress client)
    {
        if (Users is null)
        {
            return Send(frame, offload, client);
        }

        if (!Users.AdmitsTo(client, frame.Length))
        {
            return false;
        }

        if (!client.IsGroup)
        {
            return Send(frame, offload, client, Users.LinkTo(client));
        }

        // No key is shared: each protected client gets a copy under its own. The checksum is made once: what is finished must not be finished again.
        var rest = offload;
        if (Users.Protected.Count > 0 && offload.GsoType == 0)
        {
            PacketFrames.FinishChecksum(frame, offload);
            rest = OffloadInfo.None;
        }

        for (var i = 0; i < Users.Protected.Count; i++)
        {
            Send(frame, rest, client, Users.Protected[i]);
        }

        if (HearInTheClear)
        {
            Send(frame, rest, client);
        }

        return false;
    }

    private bool Send(Span<byte> frame, in OffloadInfo offload, MacAddress client, UserClient? link = null)
    {
        if (link is not null)
        {
            SendProtected(frame, offload, link);
            return false;
        }

        var fitted = offload;
        switch (PacketFrames.Fit(frame, model.Mtu, ref fitted, drops))
        {
            case Fitting.AsIs:
                EthernetHeader.WriteForIp(frame, client, model.GatewayMac);
                output.SendClientFrame(frame, fitted);
                return true;
            case Fitting.Cut:
                PacketFrames.FinishChecksum(frame, offload);
                var cutter = new Ipv4Cutter(frame[EthernetHeader.Length..], model.Mtu);
                while (cutter.TryNext(_piece.AsSpan(EthernetHeader.Length), out var length))
                {
                    var piece = _piece.AsSpan(0, EthernetHeader.Length + length);
                    EthernetHeader.WriteForIp(piece, client, model.GatewayMac);
                    output.SendClientFrame(piece, OffloadInfo.None);
                }

                break;
            case Fitting.Segments:
                var segments = PacketFrames.Segments(frame, offload, identifications);
                while (segments.TryNext(_segment.AsSpan(EthernetHeader.Length), out var length))
                {
                    Send(_segment.AsSpan(0, EthernetHeader.Length + length), OffloadInfo.None, client);
                }

                break;
        }

        return false;
    }

    /// <summary>What is encrypted no device can finish any more: checksums and segments are made here.</summary>
    private void SendProtected(Span<byte> frame, in OffloadInfo offload, UserClient to)
    {
        if (offload.GsoType != 0)
        {
            var packet = frame[EthernetHeader.Length..];
            var reason = PacketParser.Parse(packet, out var summary);
            if (reason != DropReason.None || summary.Kind is not (PacketKind.Tcp or PacketKind.Udp) || offload.GsoSize == 0)
            {
                drops.Count(reason != DropReason.None ? reason : DropReason.Malformed);
                return;
            }

            var packets = new SuperPacket(packet, summary, offload, identifications);
            while (packets.TryNext(_segment.AsSpan(EthernetHeader.Length), out var length))
            {
                SendProtected(_segment.AsSpan(0, EthernetHeader.Length + length), OffloadInfo.None, to);
            }

            return;
        }

        PacketFrames.FinishChecksum(frame, offload);
        var mtu = model.Mtu - to.Link!.Overhead;
        var none = OffloadInfo.None;
        switch (PacketFrames.Fit(frame, mtu, ref none, drops))
        {
            case Fitting.AsIs:
                EthernetHeader.WriteForIp(frame, to.Mac, model.GatewayMac);
                Emit(frame, to);
                break;
            case Fitting.Cut:
                var cutter = new Ipv4Cutter(frame[EthernetHeader.Length..], mtu);
                while (cutter.TryNext(_piece.AsSpan(EthernetHeader.Length), out var length))
                {
                    var piece = _piece.AsSpan(0, EthernetHeader.Length + length);
                    EthernetHeader.WriteForIp(piece, to.Mac, model.GatewayMac);
                    Emit(piece, to);
                }

                break;
        }
    }

    private void Emit(ReadOnlySpan<byte> frame, UserClient to)
    {
        if (Users!.TryProtect(to, frame, _protected, out var length))
        {
            output.SendClientFrame(_protected.AsSpan(0, length), OffloadInfo.None);
        }
    }

    /// <summary>Sends an IP packet that has no room for a header in front.</summary>
    public void SendCopy(ReadOnlySpan<byte> packet, in OffloadInfo offload, MacAddress client)
    {
        if (PacketFrames.TryCopy(packet, _copy, drops, out var frame))
        {
            SendInPlace(frame, offload, client);
        }
    }

    /// <summary>Sends router advertisements when they are due, the first at once.</summary>
    public void Advance(Instant now)
    {
        if (now < NextDeadline)
        {
            return;
        }

        NextDeadline = Advertises ? now + AdvertisementInterval : Instant.Never;
        if (Advertises)
        {
            Advertise(NdMessage.GroupMac(NdMessage.AllNodes), NdMessage.AllNodes);
        }
    }

    /// <summary>Asks a client alone whether it still has an address.</summary>
    public void Ask(MacAddress client, IpAddress address)
    {
        foreach (var gateway in _gateways)
        {
            if (gateway.IsIPv4 == address.IsIPv4)
            {
                Send(address.IsIPv4
                    ? LinkFrames.ArpRequest(_scratch, client, model.GatewayMac, gateway, address)
                    : LinkFrames.NeighbourSolicitation(_scratch, model.GatewayMac, _routerAddress.IsNone ? gateway : _routerAddress, address, client));
                return;
            }
        }
    }

    /// <summary>Answers if there is something to say; tells which address the sender has.</summary>
    private IpAddress AnswerArp(ReadOnlySpan<byte> packet, MacAddress source)
    {
        if (!ArpHeader.TryParse(packet, out var arp) || arp.SenderMac != source)
        {
            drops.Count(packet.Length < ArpHeader.Length ? DropReason.Truncated : DropReason.Malformed);
            return IpAddress.None;
        }

        // Probes (RFC 5227: sender 0.0.0.0) and announcements (sender = target) ask whether an address is free; only for the gateway's own is the answer no.
        var isProbe = arp.SenderAddress == IpAddress.FromV4(0) || arp.SenderAddress == arp.TargetAddress;
        if (arp.Operation == ArpOperation.Request && (IsGateway(arp.TargetAddress) || (!isProbe && IsHost(arp.TargetAddress))))
        {
            Send(LinkFrames.ArpReply(_scratch, model.GatewayMac, arp));
            return arp.SenderAddress;
        }

        // What we do not answer is not an error of anybody's, but it ends here: it is counted.
        drops.Count(DropReason.NotForUs);
        return arp.SenderAddress;
    }

    private IpAddress AnswerNd(ReadOnlySpan<byte> packet, MacAddress source)
    {
        if (!NdMessage.TryParse(packet, out var message))
        {
            drops.Count(DropReason.Malformed);
            return IpAddress.None;
        }

        if (message.Type is Icmpv6Type.RouterAdvertisement or Icmpv6Type.Redirect)
        {
            drops.Count(DropReason.RogueServer);
            return IpAddress.None;
        }

        // Who announces an address has it; else who asks has the one that it asks from. A probe (from ::) has none yet.
        var claimed = message.Type == Icmpv6Type.NeighbourAdvertisement ? message.Target : message.Source;

        if (message.Type == Icmpv6Type.RouterSolicitation && Advertises)
        {
            Advertise(source, message.Source.IsNone ? NdMessage.AllNodes : message.Source);
            return claimed;
        }

        var isGateway = IsGateway(message.Target);
        if (message.Type != Icmpv6Type.NeighbourSolicitation || (!isGateway && (message.Source.IsNone || message.Source == message.Target || !IsHost(message.Target))))
        {
            drops.Count(DropReason.NotForUs);
            return claimed;
        }

        // A proxy never overrides (RFC 4861 section 7.2.8).
        Send(LinkFrames.NeighbourAnswer(_scratch, source, model.GatewayMac, message, isGateway ? NdFlags.Router | NdFlags.Override : NdFlags.None));
        return claimed;
    }

    private void Advertise(MacAddress to, IpAddress destination)
    {
        for (var i = 0; to.IsGroup && i < Users?.Protected.Count; i++)
        {
            // Their links carry less.
            Advertise(Users.Protected[i].Mac, destination);
        }

        if (to.IsGroup && !HearInTheClear)
        {
            return;
        }

        var length = LinkFrames.RouterAdvertisement(_scratch, to, model.GatewayMac, _routerAddress, destination, MtuTo(to), _advertised);
        if (to.IsGroup)
        {
            output.SendClientFrame(_scratch.AsSpan(0, length), OffloadInfo.None);
        }
        else
        {
            Send(length);
        }
    }

    /// <summary>Sends what is in the buffer to whom its header says; what is for a group to each protected client by itself as well.</summary>
    private void Send(int length)
    {
        var frame = _scratch.AsSpan(0, length);
        var to = MacAddress.FromBytes(frame);
        if (!to.IsGroup && Users?.LinkTo(to) is { } link)
        {
            Emit(frame, link);
            return;
        }

        for (var i = 0; to.IsGroup && i < Users?.Protected.Count; i++)
        {
            Users.Protected[i].Mac.WriteTo(frame);
            Emit(frame, Users.Protected[i]);
            to.WriteTo(frame);
        }

        if (!to.IsGroup || HearInTheClear)
        {
            output.SendClientFrame(frame, OffloadInfo.None);
        }
    }

    private bool IsInSubnet(IpAddress address, out bool isNobodys)
    {
        foreach (ref readonly var prefix in _prefixes.AsSpan())
        {
            if (prefix.Contains(address))
            {
                isNobodys = prefix.IsIPv4 && prefix.Length < 31 && (address == prefix.Address || address == prefix.Last);
                return true;
            }
        }

        isNobodys = false;
        return false;
    }
}
