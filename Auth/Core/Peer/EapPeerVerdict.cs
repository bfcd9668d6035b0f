namespace Masquerade.Auth.Peer;

/// <summary>What came of a packet for the peer.</summary>
public enum EapPeerVerdict : byte
{
    /// <summary>Nothing: it was dropped, for <see cref="EapPeer.LastDrop"/>.</summary>
    Dropped = 0,

    /// <summary><see cref="EapPeer.Response"/> is to be sent.</summary>
    Respond,

    /// <summary>The server accepts the client and the client the server; the MSK is there.</summary>
    Succeeded,

    /// <summary>It has ended otherwise, for <see cref="EapPeer.Failure"/>.</summary>
    Failed,
}
