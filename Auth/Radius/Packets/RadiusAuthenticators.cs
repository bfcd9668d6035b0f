using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Masquerade.Auth.Radius;

/// <summary>What shows that a packet comes from somebody who knows the secret. MD5 is what RADIUS is made of; Message-Authenticator (HMAC) is what still holds against BlastRADIUS.</summary>
[SuppressMessage("Security", "CA5351:Do Not Use Broken Cryptographic Algorithms", Justification = "RFC 2865 and RFC 3579 prescribe it")]
public static class RadiusAuthenticators
{
    /// <summary>Octets of each of them.</summary>
    public const int Length = 16;

    /// <summary>Whether a Response Authenticator is right: MD5 over code, identifier, length, Request Authenticator, attributes and secret (RFC 2865 section 3).</summary>
    /// <param name="packet">The answer.</param>
    /// <param name="requestAuthenticator">Of the request that it answers; zeros check an Accounting-, CoA- or Disconnect-Request (RFC 2866 section 3, RFC 5176 section 2.3).</param>
    /// <param name="secret">What both share.</param>
    public static bool IsAuthentic(in RadiusPacket packet, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret)
    {
        Span<byte> expected = stackalloc byte[Length];
        Compute(packet.Octets.Span, requestAuthenticator, secret, expected);
        return CryptographicOperations.FixedTimeEquals(expected, packet.Authenticator);
    }

    /// <summary>Whether there is a Message-Authenticator and it is right: HMAC-MD5 over the packet with the Request Authenticator in its place and zeros for itself (RFC 3579 section 3.2).</summary>
    /// <param name="packet">Request or answer.</param>
    /// <param name="requestAuthenticator">Of the request; for an Access-Request and Status-Server its own, for a CoA- or Disconnect-Request zeros.</param>
    /// <param name="secret">What both share.</param>
    public static bool HasRightMessageAuthenticator(in RadiusPacket packet, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret)
    {
        if (!packet.HasMessageAuthenticator)
        {
            return false;
        }

        Span<byte> expected = stackalloc byte[Length];
        ComputeMessage(packet.Octets.Span, packet.MessageAuthenticatorOffset, requestAuthenticator, secret, expected);
        return CryptographicOperations.FixedTimeEquals(expected, packet.Octets.Span.Slice(packet.MessageAuthenticatorOffset, Length));
    }

    internal static void Compute(ReadOnlySpan<byte> packet, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret, Span<byte> authenticator)
    {
        ArgumentNullException.ThrowIfNull(secret);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        hash.AppendData(packet[..4]);
        hash.AppendData(requestAuthenticator);
        hash.AppendData(packet[RadiusPacket.HeaderLength..]);
        hash.AppendData(secret.Octets);
        hash.GetHashAndReset(authenticator);
    }

    internal static void ComputeMessage(ReadOnlySpan<byte> packet, int offset, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret, Span<byte> authenticator)
    {
        ArgumentNullException.ThrowIfNull(secret);
        Span<byte> zeros = stackalloc byte[Length];
        zeros.Clear();
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.MD5, secret.Octets);
        hash.AppendData(packet[..4]);
        hash.AppendData(requestAuthenticator);
        hash.AppendData(packet[RadiusPacket.HeaderLength..offset]);
        hash.AppendData(zeros);
        hash.AppendData(packet[(offset + Length)..]);
        hash.GetHashAndReset(authenticator);
    }
}
