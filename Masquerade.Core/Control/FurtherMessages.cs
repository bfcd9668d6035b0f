using Masquerade.Core.Flow;

namespace Masquerade.Core.Control;

/// <summary>
/// Agent → coordinator: the client's link here is gone, and it may have others. A further FAM is one no more by this; if it was the client's FAM, a further one is summoned. Answered by
/// <see cref="Ack"/>.
/// </summary>
public sealed record LinkLost : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch that the sender knows.</summary>
    public required Epoch Epoch { get; init; }
}

/// <summary>
/// Coordinator → further FAM (repeated until acknowledged): the client's FAM is gone, or its link there is. The receiver, if it hears the client, asks for it with an <see cref="Arrive"/>
/// that is not <see cref="Arrive.Also"/>.
/// </summary>
public sealed record Summon : ControlMessage
{
    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The epoch of the FAM that is gone.</summary>
    public required Epoch Epoch { get; init; }
}
