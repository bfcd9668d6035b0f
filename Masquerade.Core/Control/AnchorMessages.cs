using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>
/// Coordinator → HAM (repeated until acknowledged): these mappings are anchored at the receiver, which may not know of them: it has lost its tables. What it cannot anchor
/// it gives up by <see cref="ReleaseMappings"/>.
/// </summary>
public sealed record AdoptMappings : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The client's epoch.</summary>
    public required Epoch Epoch { get; init; }

    /// <summary>The mappings; FamEndpoint is where inbound traffic goes, none while nobody serves the client.</summary>
    public required IReadOnlyList<MappingRecord> Mappings { get; init; }
}
