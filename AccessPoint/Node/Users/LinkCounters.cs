using Masquerade.Auth.Handshake;
using Masquerade.Auth.Protection;
using Masquerade.Core.Diagnostics;

namespace Masquerade.AccessPoint.Users;

/// <summary>What has become of handshakes and of frames on protected links, all clients together.</summary>
public sealed class LinkCounters
{
    private readonly long[] _handshake = new long[HandshakeCounters.ReasonCount];
    private readonly long[] _frames = new long[ProtectionCounters.ReasonCount];

    /// <summary>Handshakes that were begun, those for new keys included.</summary>
    public long Begun { get; internal set; }

    /// <summary>Handshakes that have proved a client.</summary>
    public long Proven { get; internal set; }

    /// <summary>Handshakes that a client did not answer.</summary>
    public long Unanswered { get; internal set; }

    /// <summary>Handshakes that ended in a contradiction.</summary>
    public long Failed { get; internal set; }

    /// <summary>EAPOL-Key frames of clients with which no handshake is made.</summary>
    public long Unexpected { get; internal set; }

    /// <summary>Logoffs in the name of clients whose links are protected: nobody knows who has sent them.</summary>
    public long LogoffsIgnored { get; internal set; }

    /// <summary>EAPOL-Key frames that were dropped for this reason.</summary>
    public long this[HandshakeDrop reason] => Volatile.Read(ref _handshake[(int)reason]);

    /// <summary>Protected frames that were dropped for this reason.</summary>
    public long this[ProtectionDrop reason] => Volatile.Read(ref _frames[(int)reason]);

    internal void Count(HandshakeDrop reason) => _handshake[(int)reason]++;

    /// <summary>Counts a frame; what it counts as among all drops.</summary>
    internal DropReason Count(ProtectionDrop reason)
    {
        _frames[(int)reason]++;
        return reason switch
        {
            ProtectionDrop.NotProtected => DropReason.NotProtected,
            ProtectionDrop.Replayed or ProtectionDrop.Late => DropReason.LinkReplayed,
            ProtectionDrop.NoKey or ProtectionDrop.PacketNumbersExhausted => DropReason.LinkKeyless,
            ProtectionDrop.Truncated => DropReason.Truncated,
            ProtectionDrop.NoRoom => DropReason.TooBig,
            _ => DropReason.LinkForged,
        };
    }
}
