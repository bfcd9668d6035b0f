using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.World;

/// <summary>Packets in pieces, ICMP errors, and what belongs to no flow: who sends it, and who must never get it.</summary>
internal sealed partial class SimNetwork
{
    private readonly Reassembly _serverPieces = new();
    private uint _identification;

    /// <summary>ICMP errors about packets of flows that have come to those who had sent them.</summary>
    public int ErrorsHeard { get; private set; }

    /// <summary>Datagrams that were sent in pieces and have come whole.</summary>
    public int Assembled { get; private set; }

    /// <summary>Those whose pieces did not belong together.</summary>
    public int MixedUp { get; private set; }

    /// <summary>Somebody outside sends a packet that belongs to no flow.</summary>
    public void FromOutside(byte[] packet) => OverUplink(packet, () => Deliver(packet));

    /// <summary>A packet as its host sends it: as it is, or in pieces and in any order.</summary>
    private List<byte[]> InPieces(byte[] packet)
    {
        if (Settings.Fragments == 0 || !Faulty || FragmentFormat.IsOne(packet) || !OddPackets.MayCut(packet) || !Random.Chance(Settings.Fragments))
        {
            return [packet];
        }

        var pieces = FragmentFormat.Cut(packet, ++_identification, Random);
        for (var i = pieces.Count - 1; i > 0; i--)
        {
            var other = Random.NextInt(i + 1);
            (pieces[i], pieces[other]) = (pieces[other], pieces[i]);
        }

        return pieces;
    }

    /// <summary>False while pieces are missing.</summary>
    private bool TryAssemble(Reassembly pieces, ref byte[] packet)
    {
        if (!FragmentFormat.IsOne(packet))
        {
            return true;
        }

        if (pieces.Take(packet) is not { } whole)
        {
            return false;
        }

        // Different nodes may have given two datagrams of one host the same identification (RFC 7857 section 10): rare, and the checksum tells.
        if (!WireFormat.AreChecksumsRight(whole))
        {
            if (++MixedUp > 2 + (Assembled / 200))
            {
                throw Fail($"a packet from {WireFormat.Source(whole)} to {WireFormat.Destination(whole)} came in pieces that do not belong together, and not the first one");
            }

            return false;
        }

        Assembled++;
        packet = whole;
        return true;
    }

    /// <summary>A router on the way may have something to say about a packet. What nodes send to each other is not for its sender to know: it has never heard of the other address.</summary>
    private void MayBeRefused(byte[] packet)
    {
        if (Faulty && Settings.IcmpErrors > 0 && Random.Chance(Settings.IcmpErrors) && OddPackets.IsFirst(packet) && !OddPackets.IsOfNodes(packet) && !OddPackets.TryReadError(packet, out _))
        {
            FromOutside(OddPackets.Error(OddPackets.Router(!WireFormat.Source(packet).IsIPv4), packet, Random));
        }
    }

    /// <summary>The client may have something to say about a packet that it gets.</summary>
    private void MayComplain(SimClient client, byte[] packet)
    {
        if (Faulty && Settings.IcmpErrors > 0 && client.At >= 0 && Random.Chance(Settings.IcmpErrors))
        {
            SendFrameByRadio(client, OddPackets.Error(WireFormat.Destination(packet), packet, Random));
        }
    }

    /// <summary>A datagram without a checksum has none when it comes, and one with a checksum has one.</summary>
    private void CheckIsSummed(Flow flow, byte[] packet)
    {
        if (flow.Protocol == TransportProtocol.Udp && flow.Local.Address.IsIPv4 && (packet[26] | packet[27]) != 0 != (packet[28 + 13] == 1))
        {
            throw Fail($"{flow}: a datagram's checksum has come or gone on the way");
        }
    }

    /// <summary>An error that a server gets is about a packet that it has sent to somebody whom it knows.</summary>
    private void CheckErrorAtServer(byte[] packet)
    {
        if (!OddPackets.TryReadError(packet, out var quoted))
        {
            if (Settings.Strays && !OddPackets.IsOfNodes(packet) && !OddPackets.IsStranger(WireFormat.Destination(packet)))
            {
                throw Fail($"{WireFormat.Destination(packet)} gets a packet of {WireFormat.Source(packet)} that belongs to no flow");
            }

            return;
        }

        var (protocol, source, to) = OddPackets.ReadQuoted(quoted);
        if (OddPackets.IsStranger(source.Address))
        {
            return;
        }

        if (!Flows.Exists(f => f.Protocol == protocol && f.ServerItself == source && f.Faces.Contains(to)))
        {
            throw Fail($"the server at {WireFormat.Destination(packet)} is told of {protocol} {source} > {to}, which it has not sent");
        }

        Heard(packet, quoted);
    }

    /// <summary>An error that a client gets is about a packet that it has sent. Anything else reaches a client only where strangers are let through.</summary>
    private void CheckOtherAtClient(SimClient client, byte[] packet)
    {
        if (!OddPackets.TryReadError(packet, out var quoted))
        {
            if (Settings.Strays && !OddPackets.IsOfNodes(packet) && !Settings.Hairpins)
            {
                throw Fail($"client c{client.Index + 1} gets a packet of {WireFormat.Source(packet)} that it has not asked for");
            }

            return;
        }

        var (protocol, source, to) = OddPackets.ReadQuoted(quoted);
        if (OddPackets.IsStranger(to.Address) && (source.Address == client.V4 || source.Address == client.V6 || OddPackets.IsStrange(source.Address)))
        {
            return;
        }

        if (!Flows.Exists(f => f.Protocol == protocol && ((f.Client == client && f.Local == source && f.Server == to) || (f.Target?.Client == client && f.ServerItself == source && f.Faces.Contains(to)))))
        {
            throw Fail($"client c{client.Index + 1} is told by {WireFormat.Source(packet)} of {protocol} {source} > {to}, which it has not sent");
        }

        Heard(packet, quoted);
    }

    private void Heard(byte[] packet, ReadOnlySpan<byte> quoted)
    {
        ErrorsHeard++;
        if (!WireFormat.IsHeaderRight(quoted) || (OddPackets.IsWhole(quoted) && !WireFormat.AreChecksumsRight(quoted)))
        {
            throw Fail($"{WireFormat.Destination(packet)} is told of a packet with a wrong checksum");
        }
    }
}
