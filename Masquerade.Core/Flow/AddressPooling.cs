namespace Masquerade.Core.Flow;

/// <summary>Which of a node's own addresses a client's next mapping gets (RFC 4787 section 4.1).</summary>
public enum AddressPooling : byte
{
    /// <summary>
    /// The one that its other mappings here have, of its family (RFC 4787 REQ-2, RFC 6888 REQ-2). Without a free port there, the client is refused what is new (RFC 7857 section 4).
    /// </summary>
    Paired = 0,

    /// <summary>Any: the addresses take turns.</summary>
    Arbitrary = 1,
}
