using System.Net;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>An access point that speaks RADIUS itself.</summary>
/// <param name="Node">What it is called here.</param>
/// <param name="Secret">What it shares with this proxy, and with nobody else.</param>
public sealed record RadiusProxyClient(NodeId Node, RadiusSecret Secret);

/// <summary>Whom the proxy serves, and its limits.</summary>
public sealed record RadiusProxySettings
{
    /// <summary>Where it listens; port 0 takes a free one.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary>The access points, by their addresses.</summary>
    public required IReadOnlyDictionary<IPAddress, RadiusProxyClient> Clients { get; init; }

    /// <summary>Whether links of these access points are protected: a user without key is then refused.</summary>
    public bool IsKeyed { get; init; } = true;

    /// <summary>Requests that are remembered for <see cref="Remember"/>, under way or answered (RFC 5080 section 2.2.2). With more, further ones are dropped.</summary>
    public int MaximumRemembered { get; init; } = 16_384;

    /// <summary>How long an answer can be had again.</summary>
    public TimeSpan Remember { get; init; } = TimeSpan.FromSeconds(30);
}
