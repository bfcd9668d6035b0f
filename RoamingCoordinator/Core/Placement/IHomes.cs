using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator;

/// <summary>Which node is a client's home: where its connections are anchored whatever access point they are opened at.</summary>
public interface IHomes
{
    /// <summary>The client's home; none if it has none.</summary>
    NodeId HomeOf(MacAddress client);
}

/// <summary>Homes as a table that does not change.</summary>
/// <param name="homes">The home of each client that has one.</param>
public sealed class HomeTable(IReadOnlyDictionary<MacAddress, NodeId> homes) : IHomes
{
    /// <summary>Nobody has a home.</summary>
    public static HomeTable Empty { get; } = new(new Dictionary<MacAddress, NodeId>());

    /// <summary>How many clients have one.</summary>
    public int Count => homes.Count;

    /// <summary>One client of each home.</summary>
    public IEnumerable<MacAddress> OneOfEach => homes.DistinctBy(h => h.Value).Select(h => h.Key);

    /// <inheritdoc/>
    public NodeId HomeOf(MacAddress client) => homes.TryGetValue(client, out var home) ? home : NodeId.None;
}
