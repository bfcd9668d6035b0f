using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>Which connections a rule is about, by who opened them.</summary>
[Flags]
public enum RuleDirection : byte
{
    /// <summary>Opened by the client.</summary>
    Out = 1,

    /// <summary>Opened towards the client.</summary>
    In = 2,

    /// <summary>Either.</summary>
    Both = Out | In,
}

/// <summary>One rule of a policy. It is about connections, not packets: what belongs to an allowed connection passes both ways.</summary>
public sealed record FilterRule
{
    /// <summary>What becomes of a connection that it matches.</summary>
    public required FilterAction Action { get; init; }

    /// <summary>How fast, if the action is a limit.</summary>
    public RateLimit Limit { get; init; }

    /// <summary>Who opened it.</summary>
    public required RuleDirection Direction { get; init; }

    /// <summary>Its protocol; null is any.</summary>
    public TransportProtocol? Protocol { get; init; }

    /// <summary>Addresses of who opens it.</summary>
    public AddressMatch From { get; init; } = AddressMatch.Any;

    /// <summary>Ports of who opens it; empty is any.</summary>
    public IReadOnlyList<PortRange> FromPorts { get; init; } = [];

    /// <summary>Addresses of whom it is opened to.</summary>
    public AddressMatch To { get; init; } = AddressMatch.Any;

    /// <summary>Ports of whom it is opened to; empty is any.</summary>
    public IReadOnlyList<PortRange> ToPorts { get; init; } = [];

    /// <summary>When it holds.</summary>
    public RuleTimes Times { get; init; } = RuleTimes.Always;

    /// <summary>The rule as it was written, in lower case and with single spaces.</summary>
    public required string Text { get; init; }

    /// <summary>The names of the address and port sets that it uses.</summary>
    internal IReadOnlyList<string> AddressSets { get; init; } = [];

    internal IReadOnlyList<string> PortSets { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString() => Text;
}
