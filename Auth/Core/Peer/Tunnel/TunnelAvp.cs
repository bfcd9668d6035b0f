using System.Buffers.Binary;

namespace Masquerade.Auth.Peer.Tunnel;

/// <summary>An attribute-value pair of EAP-TTLS (RFC 5281 section 10.1): code, flags, length, vendor if there is one, data, and zeros up to a multiple of four.</summary>
internal readonly ref struct TunnelAvp
{
    /// <summary>Microsoft (RFC 2548).</summary>
    public const uint Microsoft = 311;

    public const uint UserName = 1;
    public const uint UserPassword = 2;
    public const uint ReplyMessage = 18;
    public const uint MsChapError = 2;
    public const uint MsChapChallenge = 11;
    public const uint MsChap2Response = 25;
    public const uint MsChap2Success = 26;

    private const int HeaderLength = 8;
    private const int VendorLength = 4;
    private const byte HasVendor = 0x80;
    private const byte Mandatory = 0x40;

    private TunnelAvp(uint code, uint vendor, bool isMandatory, ReadOnlySpan<byte> data)
    {
        Code = code;
        Vendor = vendor;
        IsMandatory = isMandatory;
        Data = data;
    }

    public uint Code { get; }

    /// <summary>0 for the codes of RADIUS and Diameter.</summary>
    public uint Vendor { get; }

    /// <summary>Whether who does not know it must give up (section 10.1, M).</summary>
    public bool IsMandatory { get; }

    public ReadOnlySpan<byte> Data { get; }

    /// <summary>Takes the first one off. False if there is none, or it is not one; then the rest is no use.</summary>
    public static bool TryTake(ref ReadOnlySpan<byte> octets, out TunnelAvp avp)
    {
        avp = default;
        if (octets.Length < HeaderLength)
        {
            return false;
        }

        var flags = octets[4];
        var length = (int)(BinaryPrimitives.ReadUInt32BigEndian(octets[4..]) & 0xFF_FFFF);
        var header = (flags & HasVendor) != 0 ? HeaderLength + VendorLength : HeaderLength;
        if (length < header || length > octets.Length)
        {
            return false;
        }

        var vendor = header > HeaderLength ? BinaryPrimitives.ReadUInt32BigEndian(octets[HeaderLength..]) : 0;
        avp = new TunnelAvp(BinaryPrimitives.ReadUInt32BigEndian(octets), vendor, (flags & Mandatory) != 0, octets[header..length]);

        // Some senders leave the padding of the last one out.
        octets = octets[Math.Min(octets.Length, Padded(length))..];
        return true;
    }

    /// <summary>Writes one, mandatory; false if it does not fit.</summary>
    public static bool TryWrite(Span<byte> destination, ref int at, uint code, uint vendor, ReadOnlySpan<byte> data)
    {
        var header = vendor != 0 ? HeaderLength + VendorLength : HeaderLength;
        var length = header + data.Length;
        if (destination.Length - at < Padded(length))
        {
            return false;
        }

        var avp = destination.Slice(at, Padded(length));
        avp.Clear();
        BinaryPrimitives.WriteUInt32BigEndian(avp, code);
        BinaryPrimitives.WriteUInt32BigEndian(avp[4..], (uint)length);
        avp[4] = vendor != 0 ? (byte)(HasVendor | Mandatory) : Mandatory;
        if (vendor != 0)
        {
            BinaryPrimitives.WriteUInt32BigEndian(avp[HeaderLength..], vendor);
        }

        data.CopyTo(avp[header..]);
        at += avp.Length;
        return true;
    }

    private static int Padded(int length) => (length + 3) & ~3;
}
