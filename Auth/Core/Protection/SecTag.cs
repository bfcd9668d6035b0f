using System.Buffers.Binary;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.Auth.Protection;

/// <summary>The tag of a protected frame (IEEE 802.1AE-2018 clause 9.3), and where in the frame what is.</summary>
internal readonly struct SecTag
{
    /// <summary>Octets of the two addresses in front of the tag.</summary>
    public const int AddressLength = 12;

    /// <summary>Octets of check value at the end (GCM-AES-128, clause 14.5).</summary>
    public const int IcvLength = 16;

    /// <summary>Where the secure data begins when the sender's identifier is written out.</summary>
    public const int ExplicitHeader = AddressLength + TagLength + Sci.Length;

    /// <summary>How many octets longer a frame gets: tag, identifier and check value.</summary>
    public const int Overhead = TagLength + Sci.Length + IcvLength;

    /// <summary>Secure data shorter than this has its length in the tag (clause 9.7).</summary>
    public const int ShortData = 48;

    private const int TagLength = 8;

    // Ethernet fills short frames up to 60 octets, 64 with a VLAN tag that a bridge may have taken off.
    private const int LongestPadded = 64;

    private const byte VersionBit = 0x80;
    private const byte EndStation = 0x40;
    private const byte ExplicitSci = 0x20;
    private const byte SingleCopyBroadcast = 0x10;
    private const byte Encrypted = 0x08;
    private const byte Changed = 0x04;
    private const byte NumberMask = 0x03;

    private SecTag(byte keyNumber, uint packetNumber, Sci sender, int headerLength, int dataLength)
    {
        KeyNumber = keyNumber;
        PacketNumber = packetNumber;
        Sender = sender;
        HeaderLength = headerLength;
        DataLength = dataLength;
    }

    public byte KeyNumber { get; }

    public uint PacketNumber { get; }

    public Sci Sender { get; }

    /// <summary>Octets before the secure data: what is checked and not encrypted.</summary>
    public int HeaderLength { get; }

    /// <summary>Octets of secure data: EtherType and what follows it.</summary>
    public int DataLength { get; }

    /// <summary>Reads the tag of a frame and applies the checks of clause 9.12.</summary>
    public static ProtectionDrop TryParse(ReadOnlySpan<byte> frame, out SecTag tag)
    {
        tag = default;
        if (frame.Length < EthernetHeader.Length)
        {
            return ProtectionDrop.Truncated;
        }

        var type = BinaryPrimitives.ReadUInt16BigEndian(frame[AddressLength..]);
        if (type != EtherType.Macsec)
        {
            return type == EtherType.Eapol ? ProtectionDrop.Eapol : ProtectionDrop.NotProtected;
        }

        if (frame.Length < AddressLength + TagLength)
        {
            return ProtectionDrop.Truncated;
        }

        var control = frame[14];
        var shortLength = (int)frame[15];
        var packetNumber = BinaryPrimitives.ReadUInt32BigEndian(frame[16..]);
        if (!IsConsistent(control) || shortLength >= ShortData || packetNumber == 0)
        {
            return ProtectionDrop.Malformed;
        }

        if ((control & (Encrypted | Changed)) != (Encrypted | Changed))
        {
            return ProtectionDrop.NotEncrypted;
        }

        if ((control & (ExplicitSci | EndStation)) == 0)
        {
            return ProtectionDrop.UnknownSender;
        }

        var isExplicit = (control & ExplicitSci) != 0;
        var header = isExplicit ? ExplicitHeader : AddressLength + TagLength;
        var room = frame.Length - header - IcvLength;
        if (room < shortLength || room < 2)
        {
            return ProtectionDrop.Truncated;
        }

        if (!IsLength(shortLength, room, frame.Length))
        {
            return ProtectionDrop.Malformed;
        }

        // An end station may leave its identifier out: its address and port 1 (clause 9.5).
        var sender = isExplicit ? Sci.FromBytes(frame[(AddressLength + TagLength)..]) : new Sci(MacAddress.FromBytes(frame[6..]), 1);
        tag = new SecTag((byte)(control & NumberMask), packetNumber, sender, header, shortLength == 0 ? room : shortLength);
        return ProtectionDrop.None;
    }

    /// <summary>Writes the tag of an encrypted frame, behind the addresses, with the sender's identifier.</summary>
    public static void Write(Span<byte> frame, byte keyNumber, uint packetNumber, Sci sender, int dataLength)
    {
        BinaryPrimitives.WriteUInt16BigEndian(frame[AddressLength..], EtherType.Macsec);
        frame[14] = (byte)(ExplicitSci | Encrypted | Changed | keyNumber);
        frame[15] = (byte)(dataLength < ShortData ? dataLength : 0);
        BinaryPrimitives.WriteUInt32BigEndian(frame[16..], packetNumber);
        sender.WriteTo(frame[(AddressLength + TagLength)..]);
    }

    // Clause 9.12 a to c: version 0; who leaves the identifier out does not write it; a single copy broadcast has none either.
    private static bool IsConsistent(byte control) =>
        (control & VersionBit) == 0 && ((control & ExplicitSci) == 0 || (control & (EndStation | SingleCopyBroadcast)) == 0);

    // A short length says where the data ends in a frame that was filled up; without it the data is long and goes to the end.
    private static bool IsLength(int shortLength, int room, int frameLength) => shortLength switch
    {
        0 => room >= ShortData,
        1 => false,
        _ => room == shortLength || frameLength <= LongestPadded,
    };
}
