using Masquerade.Core.Flow;

namespace Masquerade.Auth.Filter;

/// <summary>The addresses that one end of a rule takes.</summary>
/// <param name="Prefixes">Which; of either family, and they may overlap.</param>
/// <param name="IsInverted">All others, of both families.</param>
public sealed record AddressMatch(IReadOnlyList<IpPrefix> Prefixes, bool IsInverted)
{
    /// <summary>Every address.</summary>
    public static readonly AddressMatch Any = new([], true);

    /// <summary>Whether every address is taken.</summary>
    public bool IsAny => IsInverted && Prefixes.Count == 0;

    /// <summary>Whether an address is taken.</summary>
    public bool Contains(IpAddress address)
    {
        for (var i = 0; i < Prefixes.Count; i++)
        {
            if (Prefixes[i].Contains(address))
            {
                return !IsInverted;
            }
        }

        return IsInverted;
    }
}
