using System.Security.Cryptography;
using System.Text;
using Masquerade.Auth.Keys;

namespace Masquerade.Auth.Peer.Tunnel;

/// <summary>What is said inside an EAP-TTLS tunnel (RFC 5281 section 11.2): the client's AVPs once, and the server's answer to them.</summary>
internal sealed class TunnelClient(TunnelCredentials credentials, FillRandom random) : IDisposable
{
    /// <summary>Room for what is said: name, password or response, and their headers.</summary>
    public const int MaxLength = 640;

    private const int PasswordBlock = 16;
    private const int SuccessLength = 1 + MsChapV2.AuthenticatorLength;
    private readonly byte[] _challenge = new byte[MsChapV2.ChallengeLength + 1];
    private readonly byte[] _own = new byte[MsChapV2.ChallengeLength];
    private readonly byte[] _response = new byte[MsChapV2.ResponseLength];

    /// <summary>Whether the client has said its part.</summary>
    public bool HasSpoken { get; private set; }

    /// <summary>Whether nothing is missing for the client to believe the server: with MS-CHAP-V2 that it knows the password.</summary>
    public bool IsContent { get; private set; }

    /// <summary>Why it has come to nothing.</summary>
    public EapPeerFailure Failure { get; private set; }

    /// <summary>Writes the client's part. Returns its octets; 0 if the tunnel gives no challenge.</summary>
    public int Speak(ITlsEngine tls, Span<byte> destination)
    {
        HasSpoken = true;
        var at = 0;
        Span<byte> user = stackalloc byte[EapPeerConfig.MaxIdentity];
        user = user[..Encoding.UTF8.GetBytes(credentials.User, user)];
        if (!TunnelAvp.TryWrite(destination, ref at, TunnelAvp.UserName, 0, user))
        {
            return 0;
        }

        if (credentials.Method == TunnelMethod.Pap)
        {
            // Padded, so that its length is not to be seen from outside (section 11.2.5).
            Span<byte> padded = stackalloc byte[EapPeerConfig.MaxIdentity + PasswordBlock];
            padded.Clear();
            var password = credentials.Password;
            password.CopyTo(padded);
            var good = TunnelAvp.TryWrite(destination, ref at, TunnelAvp.UserPassword, 0, padded[..((password.Length + PasswordBlock - 1) / PasswordBlock * PasswordBlock)]);
            CryptographicOperations.ZeroMemory(padded);
            IsContent = true;
            return good ? at : 0;
        }

        // Challenge and identifier come out of the tunnel itself, so that nobody can choose them (section 11.1).
        if (!tls.TryExport("ttls challenge", default, _challenge))
        {
            return 0;
        }

        random(_own);
        MsChapV2.Respond(_challenge.AsSpan(0, MsChapV2.ChallengeLength), _own, user, credentials.Password, _response);
        Span<byte> response = stackalloc byte[2 + MsChapV2.ChallengeLength + 8 + MsChapV2.ResponseLength];
        response.Clear();
        response[0] = _challenge[MsChapV2.ChallengeLength];
        _own.CopyTo(response[2..]);
        _response.CopyTo(response[(2 + MsChapV2.ChallengeLength + 8)..]);
        return TunnelAvp.TryWrite(destination, ref at, TunnelAvp.MsChapChallenge, TunnelAvp.Microsoft, _challenge.AsSpan(0, MsChapV2.ChallengeLength)) &&
            TunnelAvp.TryWrite(destination, ref at, TunnelAvp.MsChap2Response, TunnelAvp.Microsoft, response) ? at : 0;
    }

    /// <summary>Takes what the server says. False if it ends it all, for <see cref="Failure"/>.</summary>
    public bool Hear(ReadOnlySpan<byte> avps)
    {
        while (!avps.IsEmpty)
        {
            if (!TunnelAvp.TryTake(ref avps, out var avp))
            {
                Failure = EapPeerFailure.Tunnel;
                return false;
            }

            Hear(avp);
            if (Failure != EapPeerFailure.None)
            {
                return false;
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_challenge);
        CryptographicOperations.ZeroMemory(_own);
        CryptographicOperations.ZeroMemory(_response);
    }

    private void Hear(TunnelAvp avp)
    {
        var isChap = credentials.Method == TunnelMethod.MsChapV2 && HasSpoken;
        switch (avp.Vendor, avp.Code)
        {
            case (TunnelAvp.Microsoft, TunnelAvp.MsChap2Success) when isChap && !IsContent:
                IsContent = IsServerAuthentic(avp.Data);
                Failure = IsContent ? EapPeerFailure.None : EapPeerFailure.ServerNotProven;
                break;
            case (TunnelAvp.Microsoft, TunnelAvp.MsChapError) when isChap:
                Failure = EapPeerFailure.Rejected;
                break;
            case (0, TunnelAvp.ReplyMessage):
                break;
            default:
                // Section 10.1: what must be understood and is not ends the negotiation.
                Failure = avp.IsMandatory ? EapPeerFailure.Tunnel : EapPeerFailure.None;
                break;
        }
    }

    private bool IsServerAuthentic(ReadOnlySpan<byte> data)
    {
        if (data.Length < SuccessLength || data[0] != _challenge[MsChapV2.ChallengeLength])
        {
            return false;
        }

        Span<byte> user = stackalloc byte[EapPeerConfig.MaxIdentity];
        user = user[..Encoding.UTF8.GetBytes(credentials.User, user)];
        return MsChapV2.IsAuthentic(
            _challenge.AsSpan(0, MsChapV2.ChallengeLength), _own, user, credentials.Password, _response, data.Slice(1, MsChapV2.AuthenticatorLength));
    }
}
