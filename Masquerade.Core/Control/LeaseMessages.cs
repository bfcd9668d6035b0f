using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>What a client wants of the site's pool of addresses.</summary>
public enum LeaseAction : byte
{
    /// <summary>An address: the one that it has or had, the one it names, or any.</summary>
    Offer = 0,

    /// <summary>The address it names and no other, for the whole lease time.</summary>
    Confirm = 1,

    /// <summary>Nothing any more: it gives the address back.</summary>
    Release = 2,

    /// <summary>Another one: somebody else uses the address that it was given.</summary>
    Decline = 3,

    /// <summary>No address, only what else there is to know.</summary>
    Inform = 4,
}

/// <summary>Agent → coordinator (repeated until answered): a client here wants an address, or gives one back.</summary>
public sealed record LeaseRequest : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>What it wants.</summary>
    public required LeaseAction Action { get; init; }

    /// <summary>The address that it names; none if it names none.</summary>
    public IpAddress Address { get; init; }
}

/// <summary>Coordinator → agent, answer to <see cref="LeaseRequest"/>.</summary>
public sealed record LeaseReply : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>Ok; Refused: not this address, or there is none left; Unknown: there is no pool, so nothing is to be said to the client.</summary>
    public required AckStatus Status { get; init; }

    /// <summary>The client's address; none where there is none to tell.</summary>
    public IpAddress Address { get; init; }

    /// <summary>How long it may be used, in seconds.</summary>
    public uint LeaseSeconds { get; init; }

    /// <summary>The site's DNS servers.</summary>
    public IReadOnlyList<IpAddress> DnsServers { get; init; } = [];

    /// <summary>The site's DNS domain; empty if there is none. At most <see cref="ControlLimits.MaxDomainLength"/> characters.</summary>
    public string Domain { get; init; } = string.Empty;
}
