namespace Masquerade.Auth.Peer;

/// <summary>Why an EAP packet was dropped.</summary>
public enum EapPeerDrop : byte
{
    /// <summary>It was not.</summary>
    None = 0,

    /// <summary>No EAP packet.</summary>
    Malformed,

    /// <summary>A response: only peers send them.</summary>
    NotForPeers,

    /// <summary>An identity request while a method runs (RFC 3748 section 5.1).</summary>
    IdentityInMethod,

    /// <summary>Another method than the one that runs.</summary>
    OtherMethod,

    /// <summary>Success or Failure with another identifier than the last response, or before the method allows it (RFC 4137 section 4.2).</summary>
    NotFitting,

    /// <summary>All is over, and this is no new beginning.</summary>
    AfterEnd,

    /// <summary>More than <see cref="EapPeerConfig.MaxRounds"/> requests.</summary>
    TooManyRounds,

    /// <summary>A fragment without flags, or a length field that is cut off.</summary>
    FragmentMalformed,

    /// <summary>A first fragment of several that does not say the length of the whole (RFC 5216 section 2.1.5).</summary>
    FragmentWithoutLength,

    /// <summary>Fragments that are longer or shorter than was said, or say one thing and then another.</summary>
    FragmentLength,

    /// <summary>A message of more than <see cref="EapPeerConfig.MaxMessage"/> octets.</summary>
    FragmentTooLong,

    /// <summary>An empty fragment that says more will come.</summary>
    FragmentEmpty,

    /// <summary>Something else than the acknowledgement that a fragment of ours needs.</summary>
    NoAcknowledgement,

    /// <summary>A start in the middle, or something else than one at the beginning.</summary>
    NoStart,
}
