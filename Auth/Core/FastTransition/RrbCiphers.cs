namespace Masquerade.Auth.FastTransition;

/// <summary>hostapd's own numbers of pairwise ciphers, which RRB frames have.</summary>
internal static class RrbCiphers
{
    private const ushort Ccmp = 1 << 4;

    /// <summary>The number of a suite (IEEE 802.11-2020 table 9-149); that of CCMP-128, which every client of a robust network has, if it is none that a fast transition uses.</summary>
    public static ushort NumberOf(uint suite) => suite switch
    {
        0x000F_AC02 => 1 << 3,
        0x000F_AC08 => 1 << 6,
        0x000F_AC09 => 1 << 8,
        0x000F_AC0A => 1 << 9,
        _ => Ccmp,
    };
}
