using Masquerade.Core.Wire;

namespace Masquerade.Fam;

/// <summary>
/// What either end of a TCP connection would take for its own, so far as it has been seen here: enough to tell a RST that its receiver will believe from one that somebody off the path
/// has guessed (RFC 5961 section 3, RFC 7857 section 2.2). What an end takes is learnt from its own acknowledgments, so a forger of the server's packets has no part in
/// what the server's RSTs are held against. It is not handed over with the client: the first packet that the client sends at its next access point says it anew.
/// </summary>
internal struct TcpWindows
{
    /// <summary>The scale of an end whose SYN has not been seen here: what most hosts use or more.</summary>
    private const byte LikelyScale = 8;

    private TcpEnd _client;
    private TcpEnd _server;

    /// <summary>How much is known of what an end takes.</summary>
    private enum Knowledge : byte
    {
        Nothing,

        /// <summary>The other end has begun: this one's first acknowledgment must be of that.</summary>
        Expected,

        /// <summary>It has said so itself.</summary>
        Said,
    }

    /// <summary>Learns from a segment that is no RST.</summary>
    public void Observe(ReadOnlySpan<byte> packet, in PacketSummary summary, bool fromClient)
    {
        ref var sender = ref (fromClient ? ref _client : ref _server);
        var isSyn = (summary.TcpFlags & TcpFlags.Syn) != 0;
        if (isSyn)
        {
            ObserveSyn(ref sender, ref (fromClient ? ref _server : ref _client), packet, summary, fromClient);
        }

        if ((summary.TcpFlags & TcpFlags.Ack) != 0)
        {
            Observe(summary.TcpAcknowledgment, summary.TcpWindow, fromClient, isSyn);
        }
    }

    /// <summary>Learns from what a segment that is no RST acknowledges.</summary>
    public void Observe(uint acknowledged, ushort window, bool fromClient, bool isSyn = false)
    {
        ref var sender = ref (fromClient ? ref _client : ref _server);

        // The latest counts, not the highest: it comes from the end itself, and a client that was elsewhere meanwhile may be gigabytes further on.
        sender.Next = acknowledged;
        sender.Window = isSyn ? window : (uint)window << (sender.ScaleIsKnown ? sender.Scale : LikelyScale);
        sender.Known = Knowledge.Said;
    }

    /// <summary>
    /// Whether the receiver of a RST would take it for the other end's. Of the client's own RSTs only those are doubted that are known to be outside the server's window: nobody but
    /// the client sends from its link. Of a server's RST there must be proof.
    /// </summary>
    public readonly bool Believes(in PacketSummary summary, bool fromClient)
    {
        if (fromClient)
        {
            return _server.Known != Knowledge.Said || _server.Takes(summary.TcpSequence);
        }

        // A server that refuses has no sequence number yet; what it acknowledges is proof (RFC 9293 section 3.10.7.3).
        return _client.Known != Knowledge.Nothing
            ? _client.Takes(summary.TcpSequence)
            : _server.Known != Knowledge.Nothing && (summary.TcpFlags & TcpFlags.Ack) != 0 && _server.Takes(summary.TcpAcknowledgment);
    }

    private static void ObserveSyn(ref TcpEnd sender, ref TcpEnd receiver, ReadOnlySpan<byte> packet, in PacketSummary summary, bool fromClient)
    {
        sender.Scale = TcpOptions.WindowScale(packet, summary) ?? 0;
        sender.ScaleIsKnown = true;
        var begins = (summary.TcpFlags & TcpFlags.Ack) == 0;
        if (begins && fromClient)
        {
            // It begins anew, whatever was there.
            sender.Known = Knowledge.Nothing;
            receiver = default;
        }

        if (receiver.Known == Knowledge.Nothing)
        {
            // What the receiver has said of itself is not overridden by what the other end says of it.
            receiver.Next = summary.TcpSequence + 1;
            receiver.Window = (uint)summary.PayloadLength;
            receiver.Known = Knowledge.Expected;
        }
    }

    private struct TcpEnd
    {
        public uint Next;
        public uint Window;
        public Knowledge Known;
        public byte Scale;
        public bool ScaleIsKnown;

        public readonly bool Takes(uint sequence) => unchecked(sequence - Next) <= Window;
    }
}
