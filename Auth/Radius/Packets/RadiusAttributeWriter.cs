using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;

namespace Masquerade.Auth.Radius;

/// <summary>
/// Collects attributes in their order. It is not bound to a server: authenticators, identifier and Message-Authenticator are added when a packet is made of it (<see cref="RadiusEncoder"/>).
/// What does not fit is left out whole and shows in <see cref="IsOverfull"/>.
/// </summary>
public sealed class RadiusAttributeWriter
{
    /// <summary>How many octets all attributes may have: a packet's, without its head and its Message-Authenticator.</summary>
    public const int Capacity = RadiusPacket.MaximumLength - RadiusPacket.HeaderLength - 2 - RadiusAuthenticators.Length;

    private readonly byte[] _buffer = new byte[Capacity];
    private int _length;

    /// <summary>Whether something did not fit or was too long for one attribute; such a packet must not be sent.</summary>
    public bool IsOverfull { get; private set; }

    /// <summary>The attributes so far.</summary>
    public ReadOnlySpan<byte> Octets => _buffer.AsSpan(0, _length);

    /// <summary>Adds octets, at most 253; empty ones are left out, for RFC 2865 section 5 does not allow them.</summary>
    public RadiusAttributeWriter Add(RadiusAttributeType type, ReadOnlySpan<byte> value)
    {
        if (value.Length > RadiusPacket.MaximumValue || _length + 2 + value.Length > Capacity)
        {
            IsOverfull = true;
        }
        else if (!value.IsEmpty)
        {
            _buffer[_length] = (byte)type;
            _buffer[_length + 1] = (byte)(2 + value.Length);
            value.CopyTo(_buffer.AsSpan(_length + 2));
            _length += 2 + value.Length;
        }

        return this;
    }

    /// <summary>Adds text; it is cut at 253 octets of UTF-8, between characters.</summary>
    public RadiusAttributeWriter Add(RadiusAttributeType type, string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        Span<byte> octets = stackalloc byte[RadiusPacket.MaximumValue];
        _ = System.Text.Unicode.Utf8.FromUtf16(value, octets, out _, out var written);
        return Add(type, octets[..written]);
    }

    /// <summary>Adds a number of 32 bits.</summary>
    public RadiusAttributeWriter Add(RadiusAttributeType type, uint value)
    {
        Span<byte> octets = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(octets, value);
        return Add(type, octets);
    }

    /// <summary>Adds an address, of 4 or 16 octets as it is.</summary>
    public RadiusAttributeWriter Add(RadiusAttributeType type, IPAddress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Add(type, value.GetAddressBytes());
    }

    /// <summary>Adds what is longer than one attribute, in pieces of 253 octets one behind the other (EAP-Message, NAS-Filter-Rule).</summary>
    public RadiusAttributeWriter AddLong(RadiusAttributeType type, ReadOnlySpan<byte> value)
    {
        for (; !value.IsEmpty && !IsOverfull; value = value[Math.Min(value.Length, RadiusPacket.MaximumValue)..])
        {
            Add(type, value[..Math.Min(value.Length, RadiusPacket.MaximumValue)]);
        }

        return this;
    }

    /// <summary>Adds a vendor's attribute in the form that RFC 2865 section 5.26 suggests: one in each Vendor-Specific.</summary>
    /// <param name="vendor">The vendor's enterprise number.</param>
    /// <param name="type">The vendor's type.</param>
    /// <param name="value">At most 247 octets.</param>
    public RadiusAttributeWriter AddVendor(uint vendor, byte type, ReadOnlySpan<byte> value)
    {
        if (value.Length > RadiusPacket.MaximumValue - 6)
        {
            IsOverfull = true;
            return this;
        }

        Span<byte> octets = stackalloc byte[6 + value.Length];
        BinaryPrimitives.WriteUInt32BigEndian(octets, vendor);
        octets[4] = type;
        octets[5] = (byte)(2 + value.Length);
        value.CopyTo(octets[6..]);
        return Add(RadiusAttributeType.VendorSpecific, octets);
    }

    /// <summary>Adds attributes of a packet as they are, all or those of one type.</summary>
    public RadiusAttributeWriter Copy(in RadiusPacket packet, RadiusAttributeType type)
    {
        foreach (var attribute in packet.Attributes)
        {
            if (attribute.Type == type)
            {
                Add(type, attribute.Value);
            }
        }

        return this;
    }

    /// <summary>Overwrites what has been collected.</summary>
    public void Clear()
    {
        CryptographicOperations.ZeroMemory(_buffer);
        _length = 0;
        IsOverfull = false;
    }
}
