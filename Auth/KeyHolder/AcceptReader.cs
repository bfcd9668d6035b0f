using System.Security.Cryptography;
using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Control;

namespace Masquerade.Auth.KeyHolder;

/// <summary>Makes a session of an Access-Accept, or says why none comes of it. The MSK lives no longer than this.</summary>
internal static class AcceptReader
{
    public static KeyHolderAnswer Read(RadiusReply reply, Exchange exchange, ReadOnlyMemory<byte> response, bool isKeyed, DateTimeOffset now)
    {
        var packet = reply.Packet;
        var eap = packet.Concatenate(RadiusAttributeType.EapMessage);
        if (!EapMessage.TryRead(eap, out var code, out var success) || code != EapMessage.Success)
        {
            return Refuse(response, KeyHolderCount.AcceptWithoutSuccess);
        }

        if (!SessionTermsReader.TryRead(packet, out var terms, out _))
        {
            return Refuse(response, KeyHolderCount.BadTerms);
        }

        SessionKey? key = null;
        PmkR0? roaming = null;
        if (reply.TryReadMsk(out var msk, out var fault))
        {
            var derived = SessionKey.TryDerive(msk, exchange.Session, exchange.Name.Client, out key);
            if (derived && exchange.Domain is { } domain)
            {
                // Without it the session is none the worse: the client authenticates at its next access point.
                _ = PmkR0.TryDerive(msk, domain, exchange.Session, exchange.Name.Client, out roaming);
            }

            CryptographicOperations.ZeroMemory(msk);
            if (!derived)
            {
                return Refuse(response, KeyHolderCount.NoKey);
            }
        }
        else if (isKeyed || fault != MskFault.Absent)
        {
            // A key that is there and wrong is never as good as none.
            return Refuse(response, KeyHolderCount.NoKey);
        }

        var grant = new SessionGrant(exchange.Session, exchange.Name.Client, terms.UserName ?? exchange.Identity, exchange.Identity, key, terms, now) { Roaming = roaming };
        return new KeyHolderAnswer(EapOutcome.Accept, success, KeyHolderCount.Accepts, grant);
    }

    private static KeyHolderAnswer Refuse(ReadOnlyMemory<byte> response, KeyHolderCount reason) => new(EapOutcome.Reject, EapMessage.FailureTo(response.Span), reason);
}
