using System.Buffers.Binary;

namespace Masquerade.Auth.Eapol;

/// <summary>
/// One entry of key data (IEEE 802.11-2020 clause 12.7.2): an element such as the RSNE, or a key data encapsulation (KDE), whose content begins with an
/// organisation's identifier and a data type.
/// </summary>
public readonly ref struct KeyDataElement
{
    /// <summary>The identifier of KDEs and of vendors' elements.</summary>
    public const byte KdeId = 0xDD;

    /// <summary>The identifier of the RSN element (IEEE 802.11-2020 clause 9.4.2.24).</summary>
    public const byte RsnId = 0x30;

    /// <summary>The organisation of IEEE 802.11's own KDEs, 00-0F-AC.</summary>
    public const uint Ieee80211Oui = 0x000FAC;

    internal KeyDataElement(byte id, ReadOnlySpan<byte> content)
    {
        Id = id;
        Content = content;
    }

    /// <summary>The element's identifier.</summary>
    public byte Id { get; }

    /// <summary>What follows the length octet.</summary>
    public ReadOnlySpan<byte> Content { get; }

    /// <summary>Whether it is a KDE: identifier 0xDD and at least an organisation and a data type.</summary>
    public bool IsKde => Id == KdeId && Content.Length >= 4;

    /// <summary>A KDE's organisation, 24 bits; 0 if it is not a KDE.</summary>
    public uint Oui => IsKde ? BinaryPrimitives.ReadUInt32BigEndian(Content) >> 8 : 0;

    /// <summary>A KDE's data type within its organisation; 0 if it is not a KDE.</summary>
    public byte DataType => IsKde ? Content[3] : (byte)0;

    /// <summary>A KDE's data; empty if it is not a KDE.</summary>
    public ReadOnlySpan<byte> Data => IsKde ? Content[4..] : default;

    /// <summary>Whether it is a KDE of this organisation and data type.</summary>
    public bool Is(uint oui, byte dataType) => IsKde && Oui == oui && DataType == dataType;
}
