using System.Security.Cryptography;
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
        if (reply.TryReadMsk(out var msk, out var fault))
        {
            var derived = SessionKey.TryDerive(msk, exchange.Session, exchange.Name.Client, out key);
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

        var grant = new SessionGrant(exchange.Session, exchange.Name.Client, terms.UserName ?? exchange.Identity, exchange.Identity, key, terms, now);
        return new KeyHolderAnswer(EapOutcome.Accept, success, KeyHolderCount.Accepts, grant);
    }

    private static KeyHolderAnswer Refuse(ReadOnlyMemory<byte> response, KeyHolderCount reason) => new(EapOutcome.Reject, EapMessage.FailureTo(response.Span), reason);
}
