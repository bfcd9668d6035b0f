using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>What becomes of a question for a key of fast transitions.</summary>
public enum RoamingKeyOutcome : byte
{
    /// <summary>The key comes along.</summary>
    Given = 0,

    /// <summary>There is no session that holds with a key of that name: the client authenticates.</summary>
    Unknown = 1,

    /// <summary>That key is not this access point's.</summary>
    Refused = 2,
}

/// <summary>Agent → coordinator (repeated until answered, for a few seconds): a client turns to this access point by a fast transition (IEEE 802.11-2020 clause 13). It moves nothing.</summary>
public sealed record RoamingKeyQuery : ControlMessage
{
    /// <summary>Octets of a name of a key.</summary>
    public const int NameLength = 16;

    /// <summary>Octets of a key.</summary>
    public const int KeyLength = 32;

    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>R1KH-ID: which of the access point's radios asks.</summary>
    public required MacAddress Holder { get; init; }

    /// <summary>PMKR0Name, as the client says it; <see cref="NameLength"/> octets.</summary>
    public required Octets Name { get; init; }
}

/// <summary>Coordinator → agent, answer to <see cref="RoamingKeyQuery"/>.</summary>
public sealed record RoamingKeyReply : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>What becomes of it.</summary>
    public required RoamingKeyOutcome Outcome { get; init; }

    /// <summary>PMK-R1, <see cref="RoamingKeyQuery.KeyLength"/> octets; none unless it is given.</summary>
    public Octets Key { get; init; } = Octets.Empty;

    /// <summary>The pairwise cipher suite of the client, its selector as a number.</summary>
    public uint Cipher { get; init; }

    /// <summary>For how many seconds the session holds; 0: it does not end by itself.</summary>
    public uint SecondsLeft { get; init; }

    /// <summary>The VLAN of the client, 1 to 4,094; 0: none.</summary>
    public uint Vlan { get; init; }

    /// <summary>The session's user, whom the link will have proved by the key; empty unless it is given.</summary>
    public string User { get; init; } = string.Empty;
}
