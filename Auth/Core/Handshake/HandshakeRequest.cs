using Masquerade.Auth.Eapol;

namespace Masquerade.Auth.Handshake;

/// <summary>
/// An EAPOL-Key frame by which a client asks for a handshake (IEEE 802.11-2020 12.7.2, the Request bit), because access points do not offer it to everybody: Debian's wpa_supplicant ends its
/// connection when a wired authenticator sends it message 1. It has no MIC, as there are no keys yet: it proves nothing and is a wish.
/// </summary>
public static class HandshakeRequest
{
    private const KeyInformation Information = KeyInformation.Pairwise | KeyInformation.Request;

    /// <summary>Writes one.</summary>
    /// <param name="destination">At least <see cref="HandshakeFrame.MaxLength"/> octets.</param>
    /// <returns>Its length, from the EAPOL header on.</returns>
    public static int Write(Span<byte> destination) =>
        HandshakeFrame.Write(destination, new EapolKeyFields { Information = Information, DescriptorVersion = HandshakeFrame.DescriptorVersion }, null);

    /// <summary>Whether a frame, from the EAPOL header on, is one.</summary>
    public static bool Is(ReadOnlySpan<byte> pdu) => HandshakeFrame.TryParse(pdu, out var frame) == HandshakeDrop.None && frame.Information == Information;
}
