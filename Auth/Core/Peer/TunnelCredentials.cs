using System.Text;
using Masquerade.Auth.Keys;

namespace Masquerade.Auth.Peer;

/// <summary>User and password for a tunnel. The password's octets are kept in one place and zeroed when disposed of.</summary>
public sealed class TunnelCredentials : IDisposable
{
    private readonly SecretBytes _password;

    /// <summary>Takes a copy; the caller zeroes its own.</summary>
    /// <param name="method">How the password is proved.</param>
    /// <param name="user">The user; 1 to 253 octets of UTF-8.</param>
    /// <param name="password">The password in UTF-8, 1 to 253 octets; for MS-CHAP-V2 at most 256 characters.</param>
    /// <exception cref="ArgumentException">One of them is out of its range.</exception>
    public TunnelCredentials(TunnelMethod method, string user, ReadOnlySpan<byte> password)
    {
        ArgumentNullException.ThrowIfNull(user);
        if (Encoding.UTF8.GetByteCount(user) is 0 or > EapPeerConfig.MaxIdentity || password.Length is 0 or > EapPeerConfig.MaxIdentity)
        {
            throw new ArgumentException("out of range", nameof(user));
        }

        Method = method;
        User = user;
        _password = new SecretBytes(password);
    }

    /// <summary>How the password is proved.</summary>
    public TunnelMethod Method { get; }

    /// <summary>The user.</summary>
    public string User { get; }

    /// <summary>The password in UTF-8.</summary>
    internal ReadOnlySpan<byte> Password => _password.Span;

    /// <summary>Zeroes the password.</summary>
    public void Dispose() => _password.Dispose();

    /// <summary>The user, and no password.</summary>
    public override string ToString() => $"{User} ({Method})";
}
