using System.Buffers.Binary;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.Eapol;

/// <summary>
/// A view of an EAPOL PDU over the caller's buffer (IEEE 802.1X-2020 clause 11.3): version, type, length and body, without the Ethernet header in front
/// (<see cref="Masquerade.Core.Wire.EtherType.Eapol"/>). Octets behind the body, such as Ethernet's padding, are not part of it.
/// </summary>
public readonly ref struct EapolFrame
{
    /// <summary>Octets before the body: version, type, length.</summary>
    public const int HeaderLength = 4;

    /// <summary>The version that is written unless the caller says otherwise: IEEE 802.1X-2004, which every supplicant takes.</summary>
    public const byte DefaultVersion = 2;

    /// <summary>The PAE group address (IEEE 802.1X-2020 table 11-1), 01-80-C2-00-00-03. Bridges do not forward it.</summary>
    public static readonly MacAddress GroupAddress = new(0x0180_C200_0003);

    private readonly ReadOnlySpan<byte> _pdu;

    private EapolFrame(ReadOnlySpan<byte> pdu) => _pdu = pdu;

    /// <summary>
    /// The sender's version: 1 (2001), 2 (2004), 3 (2010 and 2020). Higher ones are read as version 3, as clause 11.5 has it of versions to come.
    /// </summary>
    public byte Version => _pdu[0];

    /// <summary>What the body is; may be a value that <see cref="EapolType"/> does not name.</summary>
    public EapolType Type => (EapolType)_pdu[1];

    /// <summary>The octets after the header, without padding.</summary>
    public ReadOnlySpan<byte> Body => _pdu[HeaderLength..];

    /// <summary>Header and body, without padding: what a MIC is computed over.</summary>
    public ReadOnlySpan<byte> Pdu => _pdu;

    /// <summary>Makes a view; false if the header is cut off, the version is 0, or the body is longer than what is there.</summary>
    public static bool TryParse(ReadOnlySpan<byte> octets, out EapolFrame frame) => TryParse(octets, out frame, out _);

    /// <summary>Makes a view, or says why not.</summary>
    public static bool TryParse(ReadOnlySpan<byte> octets, out EapolFrame frame, out EapolFault fault)
    {
        frame = default;
        if (octets.Length < HeaderLength)
        {
            fault = EapolFault.TooShort;
            return false;
        }

        if (octets[0] == 0)
        {
            fault = EapolFault.Version;
            return false;
        }

        var body = BinaryPrimitives.ReadUInt16BigEndian(octets[2..]);
        if (body > octets.Length - HeaderLength)
        {
            fault = EapolFault.BodyLength;
            return false;
        }

        fault = EapolFault.None;
        frame = new EapolFrame(octets[..(HeaderLength + body)]);
        return true;
    }

    /// <summary>Writes a PDU; false if the destination is too short or the body longer than 65,535 octets.</summary>
    /// <param name="destination">Where to; may overlap the body if that is already in its place.</param>
    /// <param name="version">The version to claim, 1 to 3.</param>
    /// <param name="type">What the body is.</param>
    /// <param name="body">The body; empty for Start and Logoff.</param>
    /// <param name="written">Octets of the PDU; 0 if it was not written.</param>
    public static bool TryWrite(Span<byte> destination, byte version, EapolType type, ReadOnlySpan<byte> body, out int written)
    {
        written = 0;
        if (body.Length > ushort.MaxValue || destination.Length < HeaderLength + body.Length)
        {
            return false;
        }

        body.CopyTo(destination[HeaderLength..]);
        WriteHeader(destination, version, type, body.Length);
        written = HeaderLength + body.Length;
        return true;
    }

    internal static void WriteHeader(Span<byte> destination, byte version, EapolType type, int bodyLength)
    {
        destination[0] = version;
        destination[1] = (byte)type;
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)bodyLength);
    }
}
