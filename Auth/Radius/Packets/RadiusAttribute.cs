using System.Buffers.Binary;
using System.Net;

namespace Masquerade.Auth.Radius;

/// <summary>One attribute of a packet, over the packet's octets.</summary>
public readonly ref struct RadiusAttribute
{
    internal RadiusAttribute(RadiusAttributeType type, ReadOnlySpan<byte> value, int offset)
    {
        Type = type;
        Value = value;
        Offset = offset;
    }

    /// <summary>Which one; numbers without a name are passed on as they are.</summary>
    public RadiusAttributeType Type { get; }

    /// <summary>Its value, 0 to 253 octets. An empty one is not sent by anybody who follows RFC 2865 section 5.</summary>
    public ReadOnlySpan<byte> Value { get; }

    /// <summary>Where the value begins in the packet.</summary>
    internal int Offset { get; }

    /// <summary>Reads a number of 32 bits; false if the value has another length.</summary>
    public bool TryGetNumber(out uint number)
    {
        number = 0;
        return Value.Length == 4 && BinaryPrimitives.TryReadUInt32BigEndian(Value, out number);
    }

    /// <summary>Reads an address of 4 or 16 octets; false if the value has another length.</summary>
    public bool TryGetAddress(out IPAddress? address)
    {
        address = Value.Length is 4 or 16 ? new IPAddress(Value) : null;
        return address is not null;
    }

    /// <summary>Reads text (RFC 2865 section 5: UTF-8, without NUL); false if it is none.</summary>
    public bool TryGetText(out string text) => RadiusText.TryRead(Value, out text);

    /// <summary>Reads the head of a vendor's attribute (RFC 2865 section 5.26): its number and what is behind it.</summary>
    public bool TryGetVendor(out uint vendor, out ReadOnlySpan<byte> content)
    {
        vendor = 0;
        content = default;
        if (Type != RadiusAttributeType.VendorSpecific || Value.Length < 6 || Value[0] != 0)
        {
            return false;
        }

        vendor = BinaryPrimitives.ReadUInt32BigEndian(Value);
        content = Value[4..];
        return true;
    }
}
