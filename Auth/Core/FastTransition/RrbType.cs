namespace Masquerade.Auth.FastTransition;

/// <summary>What an RRB frame says: the last octet of its protocol identifier. The protocol is hostapd's, since its version 2.7; IEEE 802.11 leaves it open (13.2.2).</summary>
public enum RrbType : byte
{
    /// <summary>A PMK-R1 is asked for.</summary>
    Pull = 1,

    /// <summary>The answer to it, with the key or without.</summary>
    Response = 2,

    /// <summary>A PMK-R1 that nobody has asked for. Not used here.</summary>
    Push = 3,

    /// <summary>Where the other side's numbers are is asked for.</summary>
    SequenceRequest = 4,

    /// <summary>The answer to it.</summary>
    SequenceResponse = 5,
}
