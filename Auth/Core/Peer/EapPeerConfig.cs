using System.Text;
using Masquerade.Auth.Eap;

namespace Masquerade.Auth.Peer;

/// <summary>Who a client says it is and how it proves that.</summary>
public sealed record EapPeerConfig
{
    /// <summary>The longest identity, in octets of UTF-8 (RADIUS User-Name).</summary>
    public const int MaxIdentity = 253;

    /// <summary><see cref="EapType.Tls"/> or <see cref="EapType.Ttls"/>.</summary>
    public EapType Method { get; init; } = EapType.Tls;

    /// <summary>What is said in the clear: the user, or <c>anonymous@realm</c> (RFC 7542 section 2.4). 1 to 253 octets.</summary>
    public required string Identity { get; init; }

    /// <summary>Who is said to be inside the tunnel, with <see cref="EapType.Ttls"/>. Stays the caller's.</summary>
    public TunnelCredentials? Tunnel { get; init; }

    /// <summary>The longest method message in one packet, octets, 64 to 4,000. The default fits a link of 1,500 octets and RADIUS.</summary>
    public int FragmentSize { get; init; } = 1_398;

    /// <summary>The longest TLS message that is put together, octets.</summary>
    public int MaxMessage { get; init; } = 65_536;

    /// <summary>How many requests one authentication takes at most.</summary>
    public int MaxRounds { get; init; } = 100;

    /// <summary>Whether all values are in their ranges.</summary>
    internal bool IsValid => Encoding.UTF8.GetByteCount(Identity) is > 0 and <= MaxIdentity && FragmentSize is >= 64 and <= 4_000 && MaxMessage is >= 1_024 and <= 1 << 20 && MaxRounds > 0 &&
        (Method == EapType.Tls || (Method == EapType.Ttls && Tunnel is not null));
}
