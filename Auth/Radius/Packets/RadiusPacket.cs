using System.Buffers.Binary;

namespace Masquerade.Auth.Radius;

/// <summary>Why octets are no RADIUS packet.</summary>
public enum RadiusFault
{
    /// <summary>They are one.</summary>
    None,

    /// <summary>Fewer than 20 octets.</summary>
    TooShort,

    /// <summary>The length field says less than 20, more than 4,096 or more than there is.</summary>
    BadLength,

    /// <summary>An attribute is shorter than its head or goes beyond the packet.</summary>
    BadAttribute,

    /// <summary>Message-Authenticator is not 16 octets long or is there twice.</summary>
    BadMessageAuthenticator,
}

/// <summary>A view of one RADIUS packet (RFC 2865 section 3) whose form has been checked; who sent it has not (<see cref="RadiusAuthenticators"/>).</summary>
public readonly struct RadiusPacket
{
    /// <summary>Octets before the attributes.</summary>
    public const int HeaderLength = 20;

    /// <summary>The longest packet (RFC 2865 section 3).</summary>
    public const int MaximumLength = 4_096;

    /// <summary>The longest value of one attribute.</summary>
    public const int MaximumValue = 253;

    private readonly ReadOnlyMemory<byte> _packet;

    private RadiusPacket(ReadOnlyMemory<byte> packet, int messageAuthenticator)
    {
        _packet = packet;
        MessageAuthenticatorOffset = messageAuthenticator;
    }

    /// <summary>The whole packet, without padding.</summary>
    public ReadOnlyMemory<byte> Octets => _packet;

    /// <summary>What it is.</summary>
    public RadiusCode Code => (RadiusCode)_packet.Span[0];

    /// <summary>What request and answer have in common.</summary>
    public byte Identifier => _packet.Span[1];

    /// <summary>The 16 octets of Request or Response Authenticator.</summary>
    public ReadOnlySpan<byte> Authenticator => _packet.Span[4..HeaderLength];

    /// <summary>The attributes, in the order of the packet.</summary>
    public RadiusAttributes Attributes => new(_packet.Span);

    /// <summary>Where the value of Message-Authenticator begins; 0 if there is none.</summary>
    public int MessageAuthenticatorOffset { get; }

    /// <summary>Whether it has a Message-Authenticator; whether that is right <see cref="RadiusAuthenticators"/> tells.</summary>
    public bool HasMessageAuthenticator => MessageAuthenticatorOffset != 0;

    /// <summary>Looks at octets as a packet. Octets behind the length field's end are padding and left out (RFC 2865 section 3).</summary>
    /// <param name="datagram">What was received; the packet is a view of it.</param>
    /// <param name="packet">The packet.</param>
    /// <param name="fault">Why it is none.</param>
    public static bool TryParse(ReadOnlyMemory<byte> datagram, out RadiusPacket packet, out RadiusFault fault)
    {
        packet = default;
        fault = Check(datagram.Span, out var length, out var messageAuthenticator);
        if (fault != RadiusFault.None)
        {
            return false;
        }

        packet = new RadiusPacket(datagram[..length], messageAuthenticator);
        return true;
    }

    /// <summary>The first attribute of a type.</summary>
    public bool TryGet(RadiusAttributeType type, out RadiusAttribute attribute)
    {
        foreach (var candidate in Attributes)
        {
            if (candidate.Type == type)
            {
                attribute = candidate;
                return true;
            }
        }

        attribute = default;
        return false;
    }

    /// <summary>The values of all attributes of a type behind one another, as EAP-Message and NAS-Filter-Rule are meant; null if there is none.</summary>
    public byte[]? Concatenate(RadiusAttributeType type)
    {
        var length = 0;
        var found = false;
        foreach (var attribute in Attributes)
        {
            if (attribute.Type == type)
            {
                found = true;
                length += attribute.Value.Length;
            }
        }

        if (!found)
        {
            return null;
        }

        var all = new byte[length];
        var at = 0;
        foreach (var attribute in Attributes)
        {
            if (attribute.Type == type)
            {
                attribute.Value.CopyTo(all.AsSpan(at));
                at += attribute.Value.Length;
            }
        }

        return all;
    }

    /// <summary>What it is and how long; attributes may be secrets and are not told.</summary>
    public override string ToString() => _packet.IsEmpty ? "no packet" : $"{Code} id={Identifier} {_packet.Length} octets";

    private static RadiusFault Check(ReadOnlySpan<byte> octets, out int length, out int messageAuthenticator)
    {
        length = 0;
        messageAuthenticator = 0;
        if (octets.Length < HeaderLength)
        {
            return RadiusFault.TooShort;
        }

        length = BinaryPrimitives.ReadUInt16BigEndian(octets[2..]);
        if (length < HeaderLength || length > MaximumLength || length > octets.Length)
        {
            return RadiusFault.BadLength;
        }

        for (var at = HeaderLength; at < length; at += octets[at + 1])
        {
            if (length - at < 2 || octets[at + 1] < 2 || octets[at + 1] > length - at)
            {
                return RadiusFault.BadAttribute;
            }

            if (octets[at] != (byte)RadiusAttributeType.MessageAuthenticator)
            {
                continue;
            }

            if (octets[at + 1] != 2 + RadiusAuthenticators.Length || messageAuthenticator != 0)
            {
                return RadiusFault.BadMessageAuthenticator;
            }

            messageAuthenticator = at + 2;
        }

        return RadiusFault.None;
    }
}
