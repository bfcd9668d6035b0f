namespace Masquerade.Auth.KeyHolder;

/// <summary>What a session has used.</summary>
/// <param name="OctetsFrom">Octets from the client: Acct-Input-Octets with Acct-Input-Gigawords.</param>
/// <param name="OctetsTo">Octets to the client: Acct-Output-Octets with Acct-Output-Gigawords.</param>
/// <param name="PacketsFrom">Packets from the client.</param>
/// <param name="PacketsTo">Packets to the client.</param>
public readonly record struct Usage(ulong OctetsFrom, ulong OctetsTo, ulong PacketsFrom, ulong PacketsTo)
{
    /// <summary>Both together; stays at the largest number instead of beginning anew.</summary>
    public static Usage operator +(Usage a, Usage b) =>
        new(Sum(a.OctetsFrom, b.OctetsFrom), Sum(a.OctetsTo, b.OctetsTo), Sum(a.PacketsFrom, b.PacketsFrom), Sum(a.PacketsTo, b.PacketsTo));

    private static ulong Sum(ulong a, ulong b) => a > ulong.MaxValue - b ? ulong.MaxValue : a + b;
}
