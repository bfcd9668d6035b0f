using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.World;

/// <summary>An unmodified client: it has one address of each family, a gateway that looks the same everywhere, and a link to one access point at a time, but in worlds of several links.</summary>
internal sealed class SimClient
{
    public required int Index { get; init; }

    public required MacAddress Mac { get; init; }

    public required IpAddress V4 { get; init; }

    public required IpAddress V6 { get; init; }

    /// <summary>The access point it is linked to; -1 while its radio is off.</summary>
    public int At { get; set; } = -1;

    /// <summary>The access points that it is linked to besides, by further radios or because they hear the same one.</summary>
    public List<int> Also { get; } = [];

    /// <summary>Whose turn it is of its links.</summary>
    public int Turn { get; set; }

    public bool IsLinkedTo(int accessPoint) => At == accessPoint || Also.Contains(accessPoint);

    /// <summary>Where it has been.</summary>
    public HashSet<int> Visited { get; } = [];

    public ushort NextPort { get; set; } = 20_000;

    public List<Flow> Flows { get; } = [];

    /// <summary>Fragments that wait for the rest of their datagrams.</summary>
    public Reassembly Pieces { get; } = new();
}
