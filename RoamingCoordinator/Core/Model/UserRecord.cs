using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>A client's user session as it is kept: whose it is and what he may, without any key in clear .</summary>
public sealed record UserRecord
{
    /// <summary>The most octets of <see cref="SealedKey"/>, and of <see cref="SealedRoamingKey"/>.</summary>
    public const int MaxSealedKey = 256;

    /// <summary>The most octets of <see cref="Terms"/>.</summary>
    public const int MaxTerms = 32_768;

    /// <summary>The session's identity, <see cref="UserSession.IdLength"/> octets.</summary>
    public required Octets Session { get; init; }

    /// <summary>The user; at most <see cref="ControlLimits.MaxReasonLength"/> characters.</summary>
    public required string User { get; init; }

    /// <summary>The session key, sealed by the key holder; none where links are not protected.</summary>
    public Octets SealedKey { get; init; } = Octets.Empty;

    /// <summary>The key for fast transitions (PMK-R0), sealed by the key holder; none where there is none.</summary>
    public Octets SealedRoamingKey { get; init; } = Octets.Empty;

    /// <summary>What else the key holder wants to be given back: what the server said of policies, for accounting. Nobody else reads it.</summary>
    public Octets Terms { get; init; } = Octets.Empty;

    /// <summary>When it began, in Unix milliseconds.</summary>
    public long Began { get; init; }

    /// <summary>When it ends, in Unix milliseconds; 0: not by itself.</summary>
    public long Ends { get; init; }

    /// <summary>After how many seconds without a packet it ends; 0: it does not.</summary>
    public uint IdleSeconds { get; init; }

    /// <summary>The role that the site gives where there is no authenticated user, such as <c>guest</c>; empty: there is one.</summary>
    public string Role { get; init; } = string.Empty;

    /// <summary>The part of the network that the user belongs to.</summary>
    public string Segment { get; init; } = string.Empty;

    /// <summary>The access point that last said that it uses the session.</summary>
    public NodeId At { get; init; }

    /// <summary>How it knows that the client is the user's.</summary>
    public SessionProof Proof { get; init; }

    /// <summary>Whether the client has had a protected link in this session: it is not let in without one any more.</summary>
    public bool IsProtected { get; init; }

    /// <summary>Whether it is over.</summary>
    /// <param name="unixMilliseconds">The time.</param>
    public bool HasEnded(long unixMilliseconds) => Ends != 0 && Ends <= unixMilliseconds;
}
