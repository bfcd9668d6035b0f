using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>One authentication under way. Its fields belong to the key holder's lock, but for those that only the question under way touches.</summary>
internal sealed class Exchange(ExchangeName name, string identity, SessionId session)
{
    public ExchangeName Name { get; } = name;

    public string Identity { get; } = identity;

    public SessionId Session { get; } = session;

    /// <summary>Where keys for fast transitions hold; null: none are made.</summary>
    public MobilityDomain? Domain { get; init; }

    /// <summary>The server that the conversation is with, and what it wants back.</summary>
    public RadiusServer? Server { get; set; }

    public byte[]? State { get; set; }

    public int Rounds { get; set; }

    /// <summary>The client's last word, and what was or will be said to it.</summary>
    public ReadOnlyMemory<byte> Last { get; set; }

    public Task<KeyHolderAnswer>? Answer { get; set; }

    /// <summary>When it is forgotten.</summary>
    public long Deadline { get; set; }

    public LinkedListNode<Exchange>? Place { get; set; }

    public ExchangeState Stage { get; set; }
}

/// <summary>How far an exchange has come.</summary>
internal enum ExchangeState
{
    /// <summary>The client has spoken once, as anybody can.</summary>
    Begun,

    /// <summary>It has answered a challenge.</summary>
    Known,

    /// <summary>It is over; its last answer can be had again.</summary>
    Ended,
}

/// <summary>What an exchange is known by.</summary>
internal readonly record struct ExchangeName(NodeId Node, MacAddress Client, ulong Number);
