using System.Diagnostics.CodeAnalysis;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Keys;

/// <summary>
/// AK: what one access point is given for one client and session; the pairwise master key of the 4-way handshake. It opens nothing at another access point (RFC 5247 section 5.3).
/// </summary>
public sealed class AccessPointKey : IDisposable
{
    /// <summary>Octets of the key.</summary>
    public const int Length = 32;

    private readonly SecretBytes _key;

    private AccessPointKey(ReadOnlySpan<byte> key, NodeId node, SessionId session, MacAddress client)
    {
        _key = new SecretBytes(key);
        Node = node;
        Session = session;
        Client = client;
    }

    /// <summary>The access point that it was made for.</summary>
    public NodeId Node { get; }

    /// <summary>The session that it belongs to.</summary>
    public SessionId Session { get; }

    /// <summary>The client that it was made for.</summary>
    public MacAddress Client { get; }

    /// <summary>The octets, for the handshake.</summary>
    internal ReadOnlySpan<byte> Bytes => _key.Span;

    /// <summary>Takes a key that came with the session, over the control connection. The caller zeroes its copy.</summary>
    /// <param name="bytes">32 octets, not all zero.</param>
    /// <param name="node">This access point.</param>
    /// <param name="session">The session; not none.</param>
    /// <param name="client">The client; not none, no group address.</param>
    /// <param name="key">The key, owned by the caller; null if refused.</param>
    public static bool TryFrom(ReadOnlySpan<byte> bytes, NodeId node, SessionId session, MacAddress client, [NotNullWhen(true)] out AccessPointKey? key)
    {
        key = SecretBytes.IsKey(bytes, Length) && NodeId.IsValid(node.Name) && SessionKey.IsContext(session, client)
            ? Own(bytes, node, session, client)
            : null;
        return key is not null;
    }

    /// <summary>Copies the key to where it goes over the control connection. Whoever calls this zeroes the copy.</summary>
    /// <param name="destination">At least 32 octets.</param>
    public void CopyTo(Span<byte> destination) => _key.Span.CopyTo(destination);

    /// <summary>Zeroes the key.</summary>
    public void Dispose() => _key.Dispose();

    /// <summary>Whose key it is; never the key.</summary>
    public override string ToString() => $"key of {Node} for {Client}, session {Session}";

    internal static AccessPointKey Own(ReadOnlySpan<byte> bytes, NodeId node, SessionId session, MacAddress client) => new(bytes, node, session, client);
}
