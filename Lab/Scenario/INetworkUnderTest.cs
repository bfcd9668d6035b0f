namespace Masquerade.Lab.Scenario;

/// <summary>What makes the access points route and translate: the product, or what one has today.</summary>
internal interface INetworkUnderTest : IDisposable
{
    /// <summary>A sentence about a program that has ended although it should run, or null.</summary>
    string? Failure { get; }
}
