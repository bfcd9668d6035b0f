using System.Buffers.Binary;

namespace Masquerade.Auth.Radius;

/// <summary>Makes packets of attributes. Message-Authenticator is always the first attribute, where it protects the MD5 state that a collision would need (BlastRADIUS).</summary>
public static class RadiusEncoder
{
    /// <summary>An Access-Request or Status-Server, with Message-Authenticator.</summary>
    /// <param name="code">What it is.</param>
    /// <param name="identifier">A number that no other request under way on this port has.</param>
    /// <param name="requestAuthenticator">16 octets of chance.</param>
    /// <param name="attributes">What it says.</param>
    /// <param name="secret">Of the server.</param>
    public static byte[] Request(RadiusCode code, byte identifier, ReadOnlySpan<byte> requestAuthenticator, RadiusAttributeWriter attributes, RadiusSecret secret)
    {
        var packet = Lay(code, identifier, attributes, withMessageAuthenticator: true);
        requestAuthenticator.CopyTo(packet.AsSpan(4));
        SignMessage(packet, requestAuthenticator, secret);
        return packet;
    }

    /// <summary>An Accounting-, CoA- or Disconnect-Request, whose authenticator is computed (RFC 2866 section 3, RFC 5176 section 2.3).</summary>
    /// <param name="code">What it is.</param>
    /// <param name="identifier">A number that no other request under way on this port has.</param>
    /// <param name="attributes">What it says.</param>
    /// <param name="secret">Of the server.</param>
    /// <param name="withMessageAuthenticator">RFC 5176 section 3.4 has one in its requests; RFC 2866 knows none.</param>
    public static byte[] ComputedRequest(RadiusCode code, byte identifier, RadiusAttributeWriter attributes, RadiusSecret secret, bool withMessageAuthenticator)
    {
        Span<byte> zeros = stackalloc byte[RadiusAuthenticators.Length];
        zeros.Clear();
        var packet = Lay(code, identifier, attributes, withMessageAuthenticator);
        if (withMessageAuthenticator)
        {
            SignMessage(packet, zeros, secret);
        }

        RadiusAuthenticators.Compute(packet, zeros, secret, packet.AsSpan(4, RadiusAuthenticators.Length));
        return packet;
    }

    /// <summary>An answer, with Message-Authenticator.</summary>
    /// <param name="code">What it is.</param>
    /// <param name="identifier">That of the request.</param>
    /// <param name="requestAuthenticator">That of the request.</param>
    /// <param name="attributes">What it says.</param>
    /// <param name="secret">Of the client.</param>
    /// <param name="withMessageAuthenticator">Accounting-Response (RFC 2866) has none.</param>
    public static byte[] Response(
        RadiusCode code, byte identifier, ReadOnlySpan<byte> requestAuthenticator, RadiusAttributeWriter attributes, RadiusSecret secret, bool withMessageAuthenticator = true)
    {
        var packet = Lay(code, identifier, attributes, withMessageAuthenticator);
        if (withMessageAuthenticator)
        {
            SignMessage(packet, requestAuthenticator, secret);
        }

        RadiusAuthenticators.Compute(packet, requestAuthenticator, secret, packet.AsSpan(4, RadiusAuthenticators.Length));
        return packet;
    }

    private static byte[] Lay(RadiusCode code, byte identifier, RadiusAttributeWriter attributes, bool withMessageAuthenticator)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        var room = withMessageAuthenticator ? 2 + RadiusAuthenticators.Length : 0;
        var packet = new byte[RadiusPacket.HeaderLength + room + attributes.Octets.Length];
        packet[0] = (byte)code;
        packet[1] = identifier;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        if (withMessageAuthenticator)
        {
            packet[RadiusPacket.HeaderLength] = (byte)RadiusAttributeType.MessageAuthenticator;
            packet[RadiusPacket.HeaderLength + 1] = (byte)room;
        }

        attributes.Octets.CopyTo(packet.AsSpan(RadiusPacket.HeaderLength + room));
        return packet;
    }

    private static void SignMessage(Span<byte> packet, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret) => RadiusAuthenticators.ComputeMessage(
        packet, RadiusPacket.HeaderLength + 2, requestAuthenticator, secret, packet.Slice(RadiusPacket.HeaderLength + 2, RadiusAuthenticators.Length));
}
