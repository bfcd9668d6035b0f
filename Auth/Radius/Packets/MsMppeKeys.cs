using System.Security.Cryptography;

namespace Masquerade.Auth.Radius;

/// <summary>What MS-MPPE-Send-Key and MS-MPPE-Recv-Key (RFC 2548 section 2.4) carry after EAP: the two halves of the MSK (RFC 5216 section 2.3, RFC 5247 section 1.2).</summary>
public static class MsMppeKeys
{
    /// <summary>Microsoft's enterprise number.</summary>
    public const uint Vendor = 311;

    /// <summary>The vendor type of MS-MPPE-Send-Key.</summary>
    public const byte SendKey = 16;

    /// <summary>The vendor type of MS-MPPE-Recv-Key.</summary>
    public const byte RecvKey = 17;

    /// <summary>Octets of an MSK (RFC 3748 section 7.10: at least 64; these two attributes carry just that).</summary>
    public const int MskLength = 64;

    private const int Half = MskLength / 2;

    /// <summary>Reads the MSK: Recv-Key ‖ Send-Key, as the authenticator sees them.</summary>
    /// <param name="packet">An Access-Accept whose authenticators have been checked.</param>
    /// <param name="requestAuthenticator">Of the request that it answers.</param>
    /// <param name="secret">Of the server.</param>
    /// <param name="msk">64 octets; to be cleared by the caller.</param>
    /// <param name="fault">Why there is none.</param>
    public static bool TryReadMsk(in RadiusPacket packet, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret, out byte[] msk, out MskFault fault)
    {
        msk = [];
        var all = new byte[MskLength];
        fault = Fill(packet, requestAuthenticator, secret, all);
        if (fault == MskFault.None && (IsZero(all.AsSpan(0, Half)) || IsZero(all.AsSpan(Half))))
        {
            fault = MskFault.AllZero;
        }

        if (fault != MskFault.None)
        {
            CryptographicOperations.ZeroMemory(all);
            return false;
        }

        msk = all;
        return true;
    }

    /// <summary>Writes the MSK's halves, sealed for another client.</summary>
    /// <param name="attributes">What they are added to.</param>
    /// <param name="msk">64 octets.</param>
    /// <param name="requestAuthenticator">Of that client's request.</param>
    /// <param name="secret">Of that client.</param>
    public static void Write(RadiusAttributeWriter attributes, ReadOnlySpan<byte> msk, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        var salt = (ushort)RandomNumberGenerator.GetInt32(0x8000);
        attributes.AddVendor(Vendor, SendKey, SaltedSecret.Seal(msk[Half..MskLength], salt, requestAuthenticator, secret));
        attributes.AddVendor(Vendor, RecvKey, SaltedSecret.Seal(msk[..Half], (ushort)(salt ^ 1), requestAuthenticator, secret));
    }

    private static MskFault Fill(in RadiusPacket packet, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret, Span<byte> msk)
    {
        var found = 0;
        foreach (var attribute in packet.Attributes)
        {
            if (!attribute.TryGetVendor(out var vendor, out var content) || vendor != Vendor)
            {
                continue;
            }

            // A Vendor-Specific may hold several of the vendor's attributes (RFC 2865 section 5.26).
            while (content.Length >= 2 && content[1] >= 2 && content[1] <= content.Length)
            {
                var value = content[2..content[1]];
                if (content[0] is SendKey or RecvKey)
                {
                    var bit = content[0] == RecvKey ? 1 : 2;
                    if ((found & bit) != 0)
                    {
                        return MskFault.Twice;
                    }

                    found |= bit;
                    if (!SaltedSecret.TryOpen(value, requestAuthenticator, secret, out var key))
                    {
                        return MskFault.Sealed;
                    }

                    var right = key.Length == Half;
                    if (right)
                    {
                        key.CopyTo(msk[(bit == 1 ? 0 : Half)..]);
                    }

                    CryptographicOperations.ZeroMemory(key);
                    if (!right)
                    {
                        return MskFault.Length;
                    }
                }

                content = content[content[1]..];
            }
        }

        return found switch { 3 => MskFault.None, 0 => MskFault.Absent, _ => MskFault.Half };
    }

    private static bool IsZero(ReadOnlySpan<byte> key)
    {
        var all = 0;
        foreach (var octet in key)
        {
            all |= octet;
        }

        return all == 0;
    }
}
