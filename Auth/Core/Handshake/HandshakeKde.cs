using System.Buffers.Binary;
using System.Text;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Handshake;

/// <summary>
/// What the messages say besides IEEE 802.11's own fields: key data encapsulations (IEEE 802.11-2020 12.7.2) under the locally administered identifier D2-4D-51 (decision 30).
/// </summary>
internal static class HandshakeKde
{
    /// <summary>Nobody is assigned it: the local bit is set, and by IEEE 802c it is in the quadrant that each site administers for itself.</summary>
    public const uint Oui = 0xD24D51;

    /// <summary>The form of offer and choice.</summary>
    public const byte Form = 1;

    private const byte Node = 1;
    private const byte Session = 2;
    private const byte Offer = 3;
    private const byte Choice = 4;
    private const byte Macsec = 5;

    private const int CipherLength = 1 + sizeof(uint);
    private const int MacsecLength = Sci.Length + 1 + sizeof(uint);

    /// <summary>Who the access point is, in which session, and what it offers: all of message 1, and part of message 3.</summary>
    public static bool TryAddIdentity(ref KeyDataWriter writer, NodeId node, SessionId session, LinkCiphers offer)
    {
        Span<byte> name = stackalloc byte[NodeId.MaxLength];
        var length = Encoding.ASCII.GetBytes(node.Name, name);
        Span<byte> id = stackalloc byte[SessionId.Length];
        session.WriteTo(id);
        return writer.TryAddKde(Oui, Node, name[..length]) && writer.TryAddKde(Oui, Session, id) && TryAddCiphers(ref writer, Offer, offer);
    }

    /// <summary>What the client has chosen.</summary>
    public static bool TryAddChoice(ref KeyDataWriter writer, LinkCiphers choice) => TryAddCiphers(ref writer, Choice, choice);

    /// <summary>Who sends as whom, under which number, from which packet number on.</summary>
    public static bool TryAddMacsec(ref KeyDataWriter writer, Sci sender, byte keyNumber, uint firstPacketNumber)
    {
        Span<byte> data = stackalloc byte[MacsecLength];
        sender.WriteTo(data);
        data[Sci.Length] = keyNumber;
        BinaryPrimitives.WriteUInt32BigEndian(data[(Sci.Length + 1)..], firstPacketNumber);
        return writer.TryAddKde(Oui, Macsec, data);
    }

    /// <summary>Reads what <see cref="TryAddIdentity"/> writes.</summary>
    public static bool TryReadIdentity(ReadOnlySpan<byte> keyData, out NodeId node, out SessionId session, out LinkCiphers offer)
    {
        node = NodeId.None;
        session = SessionId.None;
        offer = LinkCiphers.None;
        if (!KeyDataReader.TryFind(keyData, Oui, Node, out var name) || name.Length is 0 or > NodeId.MaxLength ||
            !KeyDataReader.TryFind(keyData, Oui, Session, out var id) || id.Length != SessionId.Length)
        {
            return false;
        }

        node = new NodeId(Encoding.Latin1.GetString(name));
        session = SessionId.FromBytes(id);
        return NodeId.IsValid(node.Name) && !session.IsNone && TryReadCiphers(keyData, Offer, out offer);
    }

    /// <summary>Reads what <see cref="TryAddChoice"/> writes.</summary>
    public static bool TryReadChoice(ReadOnlySpan<byte> keyData, out LinkCiphers choice) => TryReadCiphers(keyData, Choice, out choice);

    /// <summary>Reads what <see cref="TryAddMacsec"/> writes.</summary>
    public static bool TryReadMacsec(ReadOnlySpan<byte> keyData, out Sci sender, out byte keyNumber, out uint firstPacketNumber)
    {
        sender = default;
        keyNumber = 0;
        firstPacketNumber = 0;
        if (!KeyDataReader.TryFind(keyData, Oui, Macsec, out var data) || data.Length != MacsecLength)
        {
            return false;
        }

        sender = Sci.FromBytes(data);
        keyNumber = data[Sci.Length];
        firstPacketNumber = BinaryPrimitives.ReadUInt32BigEndian(data[(Sci.Length + 1)..]);
        return true;
    }

    private static bool TryAddCiphers(ref KeyDataWriter writer, byte type, LinkCiphers ciphers)
    {
        Span<byte> data = stackalloc byte[CipherLength];
        data[0] = Form;
        BinaryPrimitives.WriteUInt32BigEndian(data[1..], (uint)ciphers);
        return writer.TryAddKde(Oui, type, data);
    }

    private static bool TryReadCiphers(ReadOnlySpan<byte> keyData, byte type, out LinkCiphers ciphers)
    {
        ciphers = LinkCiphers.None;
        if (!KeyDataReader.TryFind(keyData, Oui, type, out var data) || data.Length != CipherLength || data[0] != Form)
        {
            return false;
        }

        ciphers = (LinkCiphers)BinaryPrimitives.ReadUInt32BigEndian(data[1..]);
        return true;
    }
}
