using System.Buffers.Binary;
using Masquerade.AccessPoint.Link;
using Masquerade.Core.Engine;
using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.AccessPoint;

/// <summary>Packets that need not come here one by one (decision 47): what has become of this one, as one frame and by nothing but its engine, may become of the next.</summary>
public sealed partial class AccessPointNode
{
    private IFastPath? FastPath => _model.FastPath;

    /// <summary>A packet that the FAM engine has just passed has been sent as it is.</summary>
    /// <param name="frame">As it was sent.</param>
    /// <param name="before">As it came.</param>
    /// <param name="toClient">Whether it was sent to a client.</param>
    private void LetPass(ReadOnlySpan<byte> frame, in PacketSummary before, bool toClient)
    {
        if (!Fam.MayPass(out var connection, out var client, out var owner) || before.Part != FragmentPart.Whole || before.Kind is not (PacketKind.Tcp or PacketKind.Udp) || StandInCount > 0)
        {
            return;
        }

        // What is under a key must come under it, and the kernel has none.
        if (_users?.LinkTo(owner) is not null)
        {
            return;
        }

        var packet = frame[EthernetHeader.Length..];
        var ports = packet[before.TransportOffset..];
        var after = new FlowTuple(
            new TransportEndpoint(UplinkLink.SourceOf(packet), BinaryPrimitives.ReadUInt16BigEndian(ports)),
            new TransportEndpoint(UplinkLink.DestinationOf(packet), BinaryPrimitives.ReadUInt16BigEndian(ports[2..])),
            before.Tuple.Protocol);

        // What has gone round about has both ends changed; what comes from an own address may be from a client here, who may move.
        if (toClient ? after.Source == before.Tuple.Source && !_uplinkLink.IsOwn(before.Tuple.Source.Address) : after.Destination == before.Tuple.Destination)
        {
            Fam.Pass(new PassingWay(connection, client, owner, toClient, before.Tuple, after, MacAddress.FromBytes(frame)));
        }
    }

    /// <summary>Packets that this node does not see go by a way that it must go on asking about (N-09).</summary>
    private void NotePassed(IpAddress masquerade, IpAddress fam, IpAddress server)
    {
        if (_ways.IsOn)
        {
            _ = _ways.Use(toServers: true, masquerade, fam, server, _now);
        }
    }
}
