using System.Buffers;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Fragments;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>
/// Fragments (N-05): once it is known to which flow one belongs, it is a packet like any other to the engines. Each side has a table of its own.
/// </summary>
public sealed partial class AccessPointNode
{
    private readonly IdentificationSource _identifications;
    private readonly FragmentTable _clientFragments;
    private readonly FragmentTable _uplinkFragments;
    private readonly NodeReader _reader;

    /// <summary>Fragmented datagrams of which something is remembered, on both sides.</summary>
    public int FragmentedDatagrams => _clientFragments.Count + _uplinkFragments.Count;

    /// <summary>Fragments that wait for the first one of their datagram, on both sides.</summary>
    public int WaitingFragments => _clientFragments.WaitingFragments + _uplinkFragments.WaitingFragments;

    /// <summary>
    /// Reads a packet. One over IPv4 that may be cut on its way is given another identification when it is translated, like fragments: only this node knows what else is sent from its
    /// addresses (RFC 7857 section 10).
    /// </summary>
    private DropReason Parse(ReadOnlySpan<byte> packet, MacAddress client, out PacketSummary summary)
    {
        // On the uplink side a packet from an own address comes from here, or it is dropped before anything else is done with it.
        var reason = PacketParser.Parse(packet, out summary, hairpin: client.IsNone);
        if (!summary.DontFragment && reason == DropReason.None)
        {
            summary.HasIdentification = true;
            summary.Identification = _identifications.Next(ipv6: false);
        }

        return reason;
    }

    /// <summary>A frame with a fragment, from a client or (none) from the uplink.</summary>
    private void OnFragment(Span<byte> frame, MacAddress client, in OffloadInfo offload)
    {
        var table = client.IsNone ? _uplinkFragments : _clientFragments;
        if (table.Take(frame[EthernetHeader.Length..], offload, client, _now, out var summary, out var slot) != FragmentFate.Ready)
        {
            return;
        }

        table.Settle(slot, summary, Route(frame[..(EthernetHeader.Length + summary.Length)], summary, client, offload).Kind);
        if (summary.Part == FragmentPart.First)
        {
            while (table.TryTakeWaiting(slot, out var waiting, out var later))
            {
                var length = EthernetHeader.Length + later.Length;
                var buffer = ArrayPool<byte>.Shared.Rent(length);
                waiting.Packet[..later.Length].CopyTo(buffer.AsSpan(EthernetHeader.Length));
                table.Settle(slot, later, Route(buffer.AsSpan(0, length), later, client, waiting.Offload).Kind);
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        table.Close(slot);
    }

    private Verdict Route(Span<byte> frame, in PacketSummary summary, MacAddress client, in OffloadInfo offload)
    {
        if (!client.IsNone)
        {
            return ProcessOutbound(frame, summary, client, offload);
        }

        if (_hairpins == 0 && IsOwnPretended(frame, summary))
        {
            Drops.Count(DropReason.Martian);
            return Verdict.Drop(DropReason.Martian);
        }

        return ProcessInbound(frame, summary, offload);
    }

    /// <summary>The tables of an earlier life of this node mean nothing in the next: its ports may be anybody's.</summary>
    private void ForgetFragments()
    {
        _clientFragments.Clear();
        _uplinkFragments.Clear();
    }

    /// <summary>Reads packets again that have waited in an engine.</summary>
    private sealed class NodeReader(AccessPointNode node) : IPacketReader
    {
        private PacketSummary _last;

        /// <summary>What the packet was that was read last, and whether it came from a client.</summary>
        public ref readonly PacketSummary Last => ref _last;

        public bool IsLastFromClient { get; private set; }

        public DropReason Read(ReadOnlySpan<byte> packet, MacAddress client, out PacketSummary summary)
        {
            var reason = node.Parse(packet, client, out summary);
            reason = reason != DropReason.Fragment ? reason : (client.IsNone ? node._uplinkFragments : node._clientFragments).Describe(packet, client, out summary);
            (_last, IsLastFromClient) = (summary, !client.IsNone);
            return reason;
        }
    }
}
