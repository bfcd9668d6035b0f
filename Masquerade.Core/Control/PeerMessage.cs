using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>A datagram between two nodes on the data path. It travels behind the translated packets that were sent before it.</summary>
/// <param name="Client">The client that moved.</param>
/// <param name="Epoch">The epoch of the new FAM.</param>
/// <param name="Token">The token of the move (<see cref="FamChange.Token"/>); a wrong one is ignored.</param>
public abstract record PeerMessage(MacAddress Client, Epoch Epoch, ulong Token);

/// <summary>HAM → previous FAM: the last packet on the old way is in front of this. The HAM holds new packets until <see cref="Drained"/> or a short deadline, so that order is kept.</summary>
public sealed record Drain(MacAddress Client, Epoch Epoch, ulong Token) : PeerMessage(Client, Epoch, Token);

/// <summary>
/// HAM → all FAMs of a client, behind packets of which the further ones have copies. In the epoch's place is which HAM's mark it is, and which one.
/// </summary>
public sealed record CopyMark(MacAddress Client, ulong Place, ulong Token) : PeerMessage(Client, new Epoch(Place), Token)
{
    /// <summary>A mark of a HAM.</summary>
    public static CopyMark Of(NodeId ham, uint number, MacAddress client, ulong token) => new(client, ((ulong)HashOf(ham) << 32) | number, token);

    /// <summary>The mark's number, the HAM's first is 1.</summary>
    public uint Number => (uint)Place;

    /// <summary>What tells the HAMs of one client apart.</summary>
    public uint Ham => (uint)(Place >> 32);

    /// <summary>FNV-1a of a node's name: it must be the same at every node.</summary>
    public static uint HashOf(NodeId node)
    {
        var hash = 2_166_136_261u;
        foreach (var letter in node.Name ?? string.Empty)
        {
            hash = unchecked((hash ^ letter) * 16_777_619u);
        }

        return hash;
    }
}

/// <summary>First FAM → HAM → further FAMs: what went in front of the mark is delivered.</summary>
public sealed record CopyMarked(MacAddress Client, ulong Place, ulong Token) : PeerMessage(Client, new Epoch(Place), Token)
{
    /// <summary>The mark's number.</summary>
    public uint Number => (uint)Place;

    /// <summary>What tells the HAMs of one client apart.</summary>
    public uint Ham => (uint)(Place >> 32);

    /// <summary>Whether it is a node's mark.</summary>
    public bool IsOf(NodeId ham) => Ham == CopyMark.HashOf(ham);
}

/// <summary>Node → node, for the coordinator: are you there?</summary>
public sealed record Probe(ulong Token) : PeerMessage(MacAddress.None, Epoch.None, Token);

/// <summary>Answer to <see cref="Probe"/>. Only the node that the address was configured at gives it, not one that has taken it over.</summary>
public sealed record Probed(ulong Token) : PeerMessage(MacAddress.None, Epoch.None, Token);

/// <summary>HAM → FAM: a question that is as long as the packets that are to pass. What follows the token is only there for its length.</summary>
public sealed record PathProbe(ulong Token) : PeerMessage(MacAddress.None, Epoch.None, Token);

/// <summary>Answer to <see cref="PathProbe"/>: it has come whole.</summary>
public sealed record PathProbed(ulong Token) : PeerMessage(MacAddress.None, Epoch.None, Token);

/// <summary>Previous FAM → HAM: everything in front of your marker has gone to the new FAM.</summary>
public sealed record Drained(MacAddress Client, Epoch Epoch, ulong Token) : PeerMessage(Client, Epoch, Token);
