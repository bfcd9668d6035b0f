using System.Buffers.Binary;
using Masquerade.AccessPoint.Link;
using Masquerade.AccessPoint.Ways;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>
/// Packets that the network would drop because their source is not this node's (N-09): their endpoints are exchanged for the two nodes' own on the way, and put back at its end. Engines
/// know nothing of it. Nothing is added to a packet, so it stays as long as it was.
/// </summary>
public sealed partial class AccessPointNode
{
    private readonly StandIns _standIns;

    /// <summary>Where a packet goes that an engine has rewritten for the uplink.</summary>
    private enum Leg : byte
    {
        /// <summary>From a client, to a server.</summary>
        ToServer,

        /// <summary>From a server, to the FAM.</summary>
        ToFam,
    }

    /// <summary>Packets to servers that went by their HAM because the network drops them otherwise.</summary>
    public long SentByHam { get; private set; }

    /// <summary>Packets to FAMs that went with a stand-in for the server.</summary>
    public long SentForServer { get; private set; }

    /// <summary>Packets that FAMs elsewhere sent by this HAM.</summary>
    public long RelayedForFam { get; private set; }

    /// <summary>Stand-ins of this node and of others that are remembered.</summary>
    public int StandInCount => _standIns.SentCount + _standIns.KnownCount;

    private Instant NextWayDeadline => Instant.Min(Instant.Min(_ways.NextDeadline, _standIns.NextDeadline), _earlyUntil);

    private void AdvanceStandIns(Instant now)
    {
        _standIns.Advance(_pool, now);
        if (now >= _earlyUntil)
        {
            ReplayEarly();
        }

        if (_standIns.KnownCount == 0)
        {
            _formerFams.Clear();
        }
    }

    private void ForgetWays()
    {
        _ways.Clear();
        _standIns.Clear();
        _formerFams.Clear();
        Drops.Count(DropReason.Fenced, _early.Count);
        _early.Clear();
        _earlyUntil = Instant.Never;
    }

    /// <summary>
    /// Looks whether a packet gets through as it is; if not, rewrites it so that it does. Nothing is looked at where its source is this node's own, as for all clients that are at home.
    /// </summary>
    /// <param name="packet">The packet, as the engine has rewritten it.</param>
    /// <param name="offload">Its offload state.</param>
    /// <param name="before">What it was before.</param>
    /// <param name="leg">Where it goes.</param>
    private void Detour(Span<byte> packet, in OffloadInfo offload, in PacketSummary before, Leg leg)
    {
        var source = UplinkLink.SourceOf(packet);
        var destination = UplinkLink.DestinationOf(packet);
        if (_uplinkLink.IsOwn(source) || _uplinkLink.IsOwn(destination) || (_showsClients && leg == Leg.ToServer && source == before.Tuple.Source.Address))
        {
            // From here, to here, or under the client's own address: no HAM has a part in it.
            return;
        }

        if (leg == Leg.ToServer)
        {
            DetourToServer(packet, offload, before, source, destination);
        }
        else
        {
            DetourToFam(packet, offload, before, source, destination);
        }
    }

    private void DetourToServer(Span<byte> packet, in OffloadInfo offload, in PacketSummary before, IpAddress masquerade, IpAddress server)
    {
        // Where there is but one address that it can be, most packets need no second look for their mapping.
        var only = OnlyOwn(masquerade.IsIPv4);
        if (!only.IsNone && _ways.Use(toServers: true, masquerade, only, server, _now) is not { State: WayState.Rewritten, HasCookie: true })
        {
            return;
        }

        var isError = before.Kind == PacketKind.IcmpError;
        if (!Fam.TryFindOutbound(isError ? before.EmbeddedTuple.Reply() : before.Tuple, out var mapping, out var fam, out var client)
            || mapping.Masquerade.Address != masquerade || !_uplinkLink.IsOwn(fam.Address)
            || _ways.Use(toServers: true, masquerade, fam.Address, server, _now) is not { State: WayState.Rewritten, HasCookie: true } way)
        {
            return;
        }

        if (before.Part == FragmentPart.Later)
        {
            // Its ports are in the first fragment; the addresses are the same for all of a mapping.
            PacketRewriter.Source(packet, before, new PacketRewriter.Rewrite(mapping.Masquerade, fam), checksumPartial: false);
            PacketRewriter.Destination(packet, before, new PacketRewriter.Rewrite(before.Tuple.Destination, mapping.Masquerade), checksumPartial: false);
            SentByHam++;
            return;
        }

        var real = new FlowTuple(mapping.Masquerade, isError ? before.EmbeddedTuple.Source : before.Tuple.Destination, mapping.Protocol);
        var standIn = _standIns.Get(StandInUse.ToServer, mapping.Protocol, real, fam, client, _pool, _now);
        if (standIn is null)
        {
            return;
        }

        Say(standIn, way);
        SentByHam++;
        if (isError)
        {
            // As if the HAM had sent the packet that it is about: an error goes to who did.
            var summary = before;
            summary.Tuple = before.Tuple with { Source = before.Tuple.Source with { Address = masquerade } };
            PacketRewriter.ErrorInbound(packet, summary, standIn.ToDestination);
            PacketRewriter.ErrorOutbound(packet, summary, standIn.ToSource);
            return;
        }

        PacketRewriter.Source(packet, before, standIn.ToSource, offload.ChecksumPartial);
        PacketRewriter.Destination(packet, before, standIn.ToDestination, offload.ChecksumPartial);
    }

    private void DetourToFam(Span<byte> packet, in OffloadInfo offload, in PacketSummary before, IpAddress server, IpAddress fam)
    {
        var isError = before.Kind == PacketKind.IcmpError;
        var here = isError ? before.EmbeddedTuple.Source : before.Tuple.Destination;
        var peer = isError ? before.EmbeddedTuple.Destination : before.Tuple.Source;
        var protocol = isError ? before.EmbeddedTuple.Protocol : before.Tuple.Protocol;
        if (!Ham.Anchors(protocol, here, peer))
        {
            if (!Fam.TryFindInbound(protocol, here, peer, out var mapping, out _) || !Ham.Anchors(protocol, mapping.Masquerade, peer))
            {
                SendBackByHam(packet, offload, before, here);
                return;
            }

            // It has come to the return endpoint of a client that has gone again.
            here = mapping.Masquerade;
        }

        var way = _ways.Use(toServers: false, fam, here.Address, server, _now);
        if (way is not { State: WayState.Rewritten, HasCookie: true })
        {
            return;
        }

        if (isError)
        {
            var summary = before;
            summary.Tuple = before.Tuple with { Source = before.Tuple.Source with { Address = server } };
            PacketRewriter.ErrorSource(packet, summary, here.Address);
            SentForServer++;
            return;
        }

        var real = before.Tuple.Source;
        if (before.Part == FragmentPart.Later)
        {
            PacketRewriter.Source(packet, before, new PacketRewriter.Rewrite(real, here), checksumPartial: false);
            SentForServer++;
            return;
        }

        Ham.TryFindFam(protocol, here, peer, out _, out _, out var client);
        var standIn = _standIns.Get(StandInUse.ToFam, protocol, new FlowTuple(real, DestinationOf(packet, before), protocol), here, client, _pool, _now);
        if (standIn is null)
        {
            return;
        }

        Say(standIn, way);
        PacketRewriter.Source(packet, before, standIn.ToSource, offload.ChecksumPartial);
        SentForServer++;
    }

    /// <summary>
    /// What a previous FAM sends on to the next one has the server's source, and the next FAM does not know this node: it goes back to the HAM, which both know.
    /// </summary>
    private void SendBackByHam(Span<byte> packet, in OffloadInfo offload, in PacketSummary before, TransportEndpoint fam)
    {
        var isError = before.Kind == PacketKind.IcmpError;
        var protocol = isError ? before.EmbeddedTuple.Protocol : before.Tuple.Protocol;
        var server = isError ? before.EmbeddedTuple.Destination : before.Tuple.Source;
        if (!Fam.TryFindInbound(protocol, fam, server, out var mapping, out var client) || mapping.Masquerade.IsNone)
        {
            return;
        }

        var way = _ways.Find(toServers: true, mapping.Masquerade.Address, fam.Address);
        if (way is not { State: WayState.Rewritten, HasCookie: true })
        {
            return;
        }

        if (isError)
        {
            var summary = before;
            PacketRewriter.ErrorSource(packet, summary, fam.Address);
            return;
        }

        if (before.Part != FragmentPart.Later)
        {
            var standIn = _standIns.Get(StandInUse.Back, protocol, new FlowTuple(server, mapping.Masquerade, protocol), fam, client, _pool, _now);
            if (standIn is null)
            {
                return;
            }

            Say(standIn, way);
            PacketRewriter.Source(packet, before, standIn.ToSource, offload.ChecksumPartial);
            PacketRewriter.Destination(packet, before, new PacketRewriter.Rewrite(DestinationOf(packet, before), mapping.Masquerade), offload.ChecksumPartial);
        }
        else
        {
            var next = new TransportEndpoint(UplinkLink.DestinationOf(packet), 0);
            PacketRewriter.Source(packet, before, new PacketRewriter.Rewrite(server, fam), checksumPartial: false);
            PacketRewriter.Destination(packet, before, new PacketRewriter.Rewrite(next, mapping.Masquerade), checksumPartial: false);
        }

        SentByHam++;
    }

    /// <summary>The destination endpoint that a packet with a transport header has now.</summary>
    private static TransportEndpoint DestinationOf(ReadOnlySpan<byte> packet, in PacketSummary before)
    {
        var port = before.Kind switch
        {
            PacketKind.IcmpReply => IcmpHeader.IdentifierOffset,
            PacketKind.IcmpQuery => -1,
            _ => 2,
        };
        return new TransportEndpoint(UplinkLink.DestinationOf(packet), port < 0 ? (ushort)0 : BinaryPrimitives.ReadUInt16BigEndian(packet[(before.TransportOffset + port)..]));
    }

    /// <summary>The only own address of a family; none if there are several, or there is none.</summary>
    private IpAddress OnlyOwn(bool isIPv4)
    {
        var only = IpAddress.None;
        foreach (var own in _uplinkLink.Own)
        {
            if (own.IsIPv4 == isIPv4)
            {
                if (!only.IsNone)
                {
                    return IpAddress.None;
                }

                only = own;
            }
        }

        return only;
    }

    private void Say(SentStandIn standIn, Way way)
    {
        if (StandIns.MustSay(standIn, _now))
        {
            SendWay(
                new StandIn(way.Cookie, standIn.Use, standIn.Protocol, standIn.Client, standIn.Source, standIn.Destination, standIn.Server),
                standIn.Source.Address, new TransportEndpoint(standIn.Destination.Address, _model.PeerPort));
        }
    }
}
