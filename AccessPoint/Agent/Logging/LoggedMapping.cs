using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Logging;

/// <summary>What the log knows of a mapping that lives, or of a client's block of ports: its record, but for the end.</summary>
internal sealed class LoggedMapping
{
    /// <summary>The most access points that a record names, the latest ones; <see cref="Moves"/> counts them all.</summary>
    public const int MostAccessPoints = 16;

    /// <summary>The mapping; of a block the first port, and no protocol.</summary>
    public required MappingId Mapping { get; init; }

    /// <summary>The last port of a block; 0 if it is a mapping.</summary>
    public ushort LastPort { get; init; }

    /// <summary>Whether it is a block, in which the client's mappings have no records of their own.</summary>
    public bool IsBlock => LastPort != 0;

    public required MacAddress Client { get; init; }

    /// <summary>The client's own endpoint; none if the event that named it was lost.</summary>
    public TransportEndpoint ClientEndpoint { get; init; }

    /// <summary>When it was opened, milliseconds since 1970; 0 if that is not known. Of a block: since when the client has had it here.</summary>
    public long Start { get; init; }

    /// <summary>Of a block that came with mappings which are older than its being here: when the oldest of them was opened; else 0.</summary>
    public long Since { get; set; }

    /// <summary>When this node got it from another one, or got it back; 0 if it was opened here.</summary>
    public long Adopted { get; init; }

    /// <summary>Which access points served it, in order.</summary>
    public List<string> AccessPoints { get; init; } = [];

    /// <summary>Which access points passed some of its packets besides, the latest ones.</summary>
    public List<string> FurtherAccessPoints { get; init; } = [];

    /// <summary>The address of the latest one's FAM endpoints; none if nobody serves it yet.</summary>
    public IpAddress FamAddress { get; private set; }

    /// <summary>How often it has gone from one access point to another.</summary>
    public int Moves { get; set; }

    /// <summary>It was alive when this node lost its tables. Whether it still is will be told by the coordinator.</summary>
    public bool IsRecovered { get; set; }

    /// <summary>Until when it was known to be alive, if it is to be told whether it still is: milliseconds since 1970, 0 if that is not known.</summary>
    public long KnownUntil { get; set; }

    /// <summary>Whether this is the mapping that another line is about: a masquerade endpoint is lent again and again, but not at the same time.</summary>
    public bool IsSameAs(LoggedMapping other) => Mapping == other.Mapping && LastPort == other.LastPort && Client == other.Client && Start == other.Start;

    /// <summary>It is served by an access point from now on. False if that is no news.</summary>
    /// <param name="accessPoint">The access point's name; empty if only the address is known.</param>
    /// <param name="address">The address of its FAM endpoint.</param>
    public bool MoveTo(string accessPoint, IpAddress address)
    {
        if (accessPoint.Length > 0 && address == FamAddress && AccessPoints.Count > 0 && string.Equals(AccessPoints[^1], address.ToString(), StringComparison.Ordinal))
        {
            // Its name is heard for the first time.
            AccessPoints[^1] = accessPoint;
            return true;
        }

        var isSame = accessPoint.Length == 0 ? address == FamAddress : AccessPoints.Count > 0 && string.Equals(AccessPoints[^1], accessPoint, StringComparison.Ordinal);
        FamAddress = address;
        if (isSame)
        {
            return false;
        }

        Moves += AccessPoints.Count > 0 ? 1 : 0;
        if (AccessPoints.Count == MostAccessPoints)
        {
            AccessPoints.RemoveAt(0);
        }

        AccessPoints.Add(accessPoint.Length == 0 ? address.ToString() : accessPoint);
        return true;
    }

    /// <summary>A mapping that came with a block is older than the block's being here. False if that is no news.</summary>
    public bool NoteOpened(long opened)
    {
        if (opened == 0 || opened >= Start || (Since != 0 && opened >= Since))
        {
            return false;
        }

        Since = opened;
        return true;
    }

    /// <summary>How a block is named among mappings.</summary>
    public static MappingId IdOf(PortBlock block) => new(default, new TransportEndpoint(block.Address, block.First));

    /// <summary>An access point passes some of its packets besides. False if that is no news.</summary>
    public bool Join(string accessPoint)
    {
        if (FurtherAccessPoints.Contains(accessPoint, StringComparer.Ordinal))
        {
            return false;
        }

        if (FurtherAccessPoints.Count == MostAccessPoints)
        {
            FurtherAccessPoints.RemoveAt(0);
        }

        FurtherAccessPoints.Add(accessPoint);
        return true;
    }

    /// <summary>What a journal says.</summary>
    public void RestoreFam(IpAddress address) => FamAddress = address;
}
