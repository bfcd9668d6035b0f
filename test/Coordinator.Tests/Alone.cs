namespace Masquerade.Coordinator.Tests;

/// <summary>Tests that hold something to a time limit: other tests beside them would be measured too.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
