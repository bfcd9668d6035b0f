namespace Masquerade.Lab.Scenario;

/// <summary>What makes the access points route and translate: the product, or what one has today.</summary>
internal interface INetworkUnderTest : IDisposable
{
    /// <summary>A sentence about a program that has ended although it should run, or null.</summary>
    string? Failure { get; }

    /// <summary>The programs behind the access points; null if there are none.</summary>
    SiteSummary? Site => null;

    /// <summary>Which access point has had which address until now.</summary>
    AddressOwners Owners => new();

    /// <summary>A client's link is dead and will come back at another access point. Only a network that could see the future may use this.</summary>
    void ClientMoves(int client, int to)
    {
    }
}
