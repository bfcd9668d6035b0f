using System.ComponentModel.DataAnnotations;
using System.Numerics;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Addressing;

/// <summary>
/// The addresses that a site without a DHCP server gives its clients, and what else clients are told. Where in the pool a client's address is looked for follows from its MAC address
/// alone, so that also a coordinator that has forgotten everything begins at the same place.
/// </summary>
public sealed record AddressPool
{
    /// <summary>The most addresses of a pool.</summary>
    public const int MaxAddresses = 65_536;

    /// <summary>Addresses that the store is asked for at once.</summary>
    public const int CandidatesAtOnce = 256;

    /// <summary>The clients' subnet, IPv4; its network and broadcast addresses are never given.</summary>
    public required IpPrefix Prefix { get; init; }

    /// <summary>The first address that is given.</summary>
    public required IpAddress First { get; init; }

    /// <summary>The last one; at most <see cref="MaxAddresses"/> from the first.</summary>
    public required IpAddress Last { get; init; }

    /// <summary>Addresses between them that are not given: the gateway's, a printer's.</summary>
    public IReadOnlySet<IpAddress> Excluded { get; init; } = new HashSet<IpAddress>();

    /// <summary>How long a client may use an address without asking again.</summary>
    [Range(10_000, 2_592_000_000)]
    public TimeSpan LeaseTime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How long an address that was offered waits for the client to take it.</summary>
    [Range(1_000, 600_000)]
    public TimeSpan OfferTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long an address is not given out that a client found in use by somebody else.</summary>
    [Range(1_000, 86_400_000)]
    public TimeSpan Quarantine { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The DNS servers.</summary>
    public IReadOnlyList<IpAddress> DnsServers { get; init; } = [];

    /// <summary>The DNS domain; empty if there is none.</summary>
    public string Domain { get; init; } = string.Empty;

    private uint Size => Last.V4 - First.V4 + 1;

    /// <summary>Whether an address is one that may be given.</summary>
    public bool Contains(IpAddress address) =>
        address.IsIPv4 && address.V4 >= First.V4 && address.V4 <= Last.V4 && Prefix.Contains(address) && !Excluded.Contains(address)
        && (Prefix.Length >= 31 || (address != Prefix.Address && address != Prefix.Last));

    /// <summary>
    /// Where to look for an address for a client, best first, in parts: what it has, what it asks for (after a loss of the store it had that), then the whole pool in an order of its own.
    /// </summary>
    /// <param name="client">The client.</param>
    /// <param name="current">The address that it has or had; none if nothing is known.</param>
    /// <param name="requested">The address that it asks for; none if it asks for none.</param>
    /// <param name="part">0, 1, 2 … Empty means that there are no more.</param>
    public IReadOnlyList<IpAddress> Candidates(MacAddress client, IpAddress current, IpAddress requested, int part)
    {
        var candidates = new List<IpAddress>(CandidatesAtOnce + 2);
        if (part == 0)
        {
            candidates.AddRange(((IpAddress[])[current, requested]).Where(Contains).Distinct());
        }

        // A walk by a step that has no divisor in common with the size comes by every address once.
        var hash = Mix(client.Value);
        var start = hash % Size;
        var step = 1 + ((hash >> 32) % Size);
        while (BigInteger.GreatestCommonDivisor(step, Size) != 1)
        {
            step++;
        }

        for (var i = (ulong)part * CandidatesAtOnce; i < Math.Min(Size, ((ulong)part + 1) * CandidatesAtOnce); i++)
        {
            var address = IpAddress.FromV4(First.V4 + (uint)((start + (i * step)) % Size));
            if (Contains(address) && !(part == 0 && (address == current || address == requested)))
            {
                candidates.Add(address);
            }
        }

        // A part of which everything is excluded is not the end.
        return candidates.Count == 0 && (ulong)(part + 1) * CandidatesAtOnce < Size ? Candidates(client, current, requested, part + 1) : candidates;
    }

    /// <summary>The finaliser of SplitMix64: neighbouring MAC addresses, as one vendor's devices have, land far apart.</summary>
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9;
        value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB;
        return value ^ (value >> 31);
    }
}
