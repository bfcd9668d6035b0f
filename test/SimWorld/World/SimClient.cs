using Masquerade.Core.Flow;

namespace Masquerade.SimWorld.World;

/// <summary>An unmodified client: it has one address of each family, a gateway that looks the same everywhere, and a link to one access point at a time.</summary>
internal sealed class SimClient
{
    public required int Index { get; init; }

    public required MacAddress Mac { get; init; }

    public required IpAddress V4 { get; init; }

    public required IpAddress V6 { get; init; }

    /// <summary>The access point it is linked to; -1 while its radio is off.</summary>
    public int At { get; set; } = -1;

    /// <summary>Where it has been.</summary>
    public HashSet<int> Visited { get; } = [];

    public ushort NextPort { get; set; } = 20_000;

    public List<Flow> Flows { get; } = [];
}
