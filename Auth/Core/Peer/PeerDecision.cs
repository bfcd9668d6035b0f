namespace Masquerade.Auth.Peer;

/// <summary>What a method would do with a Success (RFC 4137 section 4.2, decision).</summary>
internal enum PeerDecision : byte
{
    /// <summary>Not believe it.</summary>
    Fail = 0,

    /// <summary>Believe it, and a Failure, too.</summary>
    ConditionalSuccess,

    /// <summary>Believe it and no Failure: the server has said yes under protection.</summary>
    UnconditionalSuccess,
}

/// <summary>Where a method is (RFC 4137 section 4.2, methodState).</summary>
internal enum PeerMethodState : byte
{
    /// <summary>It must go on.</summary>
    Continue = 0,

    /// <summary>It may go on, or end.</summary>
    MayContinue,

    /// <summary>It is over.</summary>
    Done,
}
