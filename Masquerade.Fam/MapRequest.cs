using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Fam;

/// <summary>What became of a client's wish for an explicit mapping.</summary>
public enum MapOutcome : byte
{
    /// <summary>It is as the client wants it, or as near to it as can be.</summary>
    Granted,

    /// <summary>Not all is known of the client yet: it is to be asked again in a moment.</summary>
    NotNow,

    /// <summary>The address is not the client's.</summary>
    SpoofedSource,

    /// <summary>The client has as many mappings as it may.</summary>
    Quota,

    /// <summary>The client opens more at once than it may.</summary>
    Rate,

    /// <summary>No port or no room is left.</summary>
    NoResources,

    /// <summary>The masquerade endpoint that it must be is not to be had.</summary>
    Taken,

    /// <summary>It is kept open for as many servers as it can be.</summary>
    TooManyPeers,

    /// <summary>The mapping is there, and was asked for with another nonce.</summary>
    OthersNonce,

    /// <summary>The mapping is the operator's.</summary>
    Published,
}

/// <summary>A client's wish for an explicit mapping, or for a change of one.</summary>
/// <param name="Client">Who asks.</param>
/// <param name="Protocol">TCP or UDP.</param>
/// <param name="ClientEndpoint">Its own endpoint.</param>
/// <param name="Nonce">What shows that a mapping that is there is its own.</param>
/// <param name="Lifetime">For how long, from now; zero ends it.</param>
public sealed record MapRequest(MacAddress Client, TransportProtocol Protocol, TransportEndpoint ClientEndpoint, MappingNonce Nonce, TimeSpan Lifetime)
{
    /// <summary>The masquerade endpoint that would suit the client; its address or its port may be none.</summary>
    public TransportEndpoint Suggested { get; init; }

    /// <summary>Whether no other endpoint will do.</summary>
    public bool Exactly { get; init; }

    /// <summary>Whom it lets in besides those that it has been told before; nobody named, now or before, is everybody. At most <see cref="ExplicitTerms.MaxFilters"/> together.</summary>
    public IReadOnlyList<RemoteFilter> Filters { get; init; } = [];

    /// <summary>Whether those that it has been told before count no more.</summary>
    public bool ClearsFilters { get; init; }

    /// <summary>The one server that it is for, as if the client had sent to it; none: it lets strangers in.</summary>
    public TransportEndpoint Server { get; init; }
}

/// <summary>The answer to a <see cref="MapRequest"/>.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Masquerade">The masquerade endpoint; none if there is no mapping.</param>
/// <param name="Lifetime">How long the mapping lives, whether or not it is used.</param>
/// <param name="Epoch">For how long the client's explicit mappings have been kept without a loss, here or elsewhere.</param>
public readonly record struct MapAnswer(MapOutcome Outcome, TransportEndpoint Masquerade, TimeSpan Lifetime, TimeSpan Epoch);
