using System.Numerics;

namespace Masquerade.Auth.Handshake;

/// <summary>How a link may be protected behind the handshake. Of two that both sides know the higher one is taken.</summary>
[Flags]
public enum LinkCiphers : uint
{
    /// <summary>None at all: no agreement.</summary>
    None = 0,

    /// <summary>The handshake proves who the client is, and frames go as they are: something else protects the link.</summary>
    ProofOnly = 1,

    /// <summary>IEEE 802.1AE with GCM-AES-128.</summary>
    GcmAes128 = 2,
}

/// <summary>How two sides agree.</summary>
internal static class CipherChoice
{
    /// <summary>The highest that both know; none if there is none.</summary>
    public static LinkCiphers Best(LinkCiphers own, LinkCiphers others)
    {
        var common = (uint)(own & others);
        return common == 0 ? LinkCiphers.None : (LinkCiphers)(1u << BitOperations.Log2(common));
    }

    /// <summary>Whether it is one, and of these.</summary>
    public static bool IsOneOf(LinkCiphers choice, LinkCiphers offer) => BitOperations.IsPow2((uint)choice) && (choice & offer) == choice;
}
