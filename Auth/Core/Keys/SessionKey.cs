using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Keys;

/// <summary>
/// SK: what the client and the key holder have in common after an authentication (decision 28). No access point ever has it; the key of each access point is made from it.
/// </summary>
public sealed class SessionKey : IDisposable
{
    /// <summary>Octets of the key.</summary>
    public const int Length = 32;

    /// <summary>Octets of the MSK that it is made from (RFC 3748 section 7.10: at least 64; methods export 64).</summary>
    public const int MskLength = 64;

    private readonly SecretBytes _key;

    private SessionKey(ReadOnlySpan<byte> key, SessionId session, MacAddress client)
    {
        _key = new SecretBytes(key);
        Session = session;
        Client = client;
    }

    /// <summary>Whose authentication it comes from.</summary>
    public SessionId Session { get; }

    /// <summary>The client that it was made for.</summary>
    public MacAddress Client { get; }

    /// <summary>The octets, for sealing.</summary>
    internal ReadOnlySpan<byte> Bytes => _key.Span;

    /// <summary>Makes the key of a session: HKDF-SHA-256 (RFC 5869) over the MSK. The caller forgets the MSK.</summary>
    /// <param name="msk">64 octets, not all zero.</param>
    /// <param name="session">The session; not none.</param>
    /// <param name="client">The client's MAC address; not none, no group address.</param>
    /// <param name="key">The key, owned by the caller; null if refused.</param>
    /// <returns>False if one of the three cannot be.</returns>
    public static bool TryDerive(ReadOnlySpan<byte> msk, SessionId session, MacAddress client, [NotNullWhen(true)] out SessionKey? key)
    {
        key = null;
        if (!SecretBytes.IsKey(msk, MskLength) || !IsContext(session, client))
        {
            return false;
        }

        Span<byte> info = stackalloc byte[KeyContext.Length];
        KeyContext.Write(info, session, client);
        Span<byte> derived = stackalloc byte[Length];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, msk, derived, "Masquerade session key 1"u8, info);
        key = new SessionKey(derived, session, client);
        CryptographicOperations.ZeroMemory(derived);
        return true;
    }

    /// <summary>Takes a key that was made before, as a client keeps it or the key holder opens it. The caller zeroes its copy.</summary>
    /// <param name="bytes">32 octets, not all zero.</param>
    /// <param name="session">The session; not none.</param>
    /// <param name="client">The client's MAC address; not none, no group address.</param>
    /// <param name="key">The key, owned by the caller; null if refused.</param>
    public static bool TryFrom(ReadOnlySpan<byte> bytes, SessionId session, MacAddress client, [NotNullWhen(true)] out SessionKey? key)
    {
        key = SecretBytes.IsKey(bytes, Length) && IsContext(session, client) ? new SessionKey(bytes, session, client) : null;
        return key is not null;
    }

    /// <summary>Makes the key of one access point: HKDF-Expand (RFC 5869 section 2.3) bound to its name. From it nobody learns this key or that of another one.</summary>
    /// <param name="node">The access point.</param>
    /// <exception cref="ArgumentException">That is no node name.</exception>
    /// <exception cref="ObjectDisposedException">The key is gone.</exception>
    public AccessPointKey DeriveFor(NodeId node)
    {
        if (!NodeId.IsValid(node.Name))
        {
            throw new ArgumentException("not a node name", nameof(node));
        }

        var label = "Masquerade access point key 1\0"u8;
        Span<byte> info = stackalloc byte[label.Length + NodeId.MaxLength + 1 + KeyContext.Length];
        label.CopyTo(info);
        var at = label.Length + System.Text.Encoding.ASCII.GetBytes(node.Name, info[label.Length..]);
        info[at++] = 0;
        Client.WriteTo(info[at..]);
        Session.WriteTo(info[(at + KeyContext.MacLength)..]);

        Span<byte> derived = stackalloc byte[AccessPointKey.Length];
        HKDF.Expand(HashAlgorithmName.SHA256, _key.Span, derived, info[..(at + KeyContext.Length)]);
        var key = AccessPointKey.Own(derived, node, Session, Client);
        CryptographicOperations.ZeroMemory(derived);
        return key;
    }

    /// <summary>Zeroes the key.</summary>
    public void Dispose() => _key.Dispose();

    /// <summary>Whose key it is; never the key.</summary>
    public override string ToString() => $"session key of {Client}, session {Session}";

    internal static bool IsContext(SessionId session, MacAddress client) => !session.IsNone && !client.IsNone && !client.IsGroup;
}
