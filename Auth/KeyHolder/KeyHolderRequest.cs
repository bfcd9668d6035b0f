using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>What a supplicant says, as an access point passes it on.</summary>
public sealed record KeyHolderRequest
{
    /// <summary>The access point.</summary>
    public required NodeId Node { get; init; }

    /// <summary>The client.</summary>
    public required MacAddress Client { get; init; }

    /// <summary>The access point's number of this authentication; another authentication has another one.</summary>
    public required ulong Exchange { get; init; }

    /// <summary>The EAP response, whole.</summary>
    public required ReadOnlyMemory<byte> Eap { get; init; }

    /// <summary>Who the client says it is; null takes it from its EAP-Response/Identity, which then must come first.</summary>
    public string? Identity { get; init; }

    /// <summary>The network's name, for Called-Station-Id; null for the settings'.</summary>
    public string? Ssid { get; init; }

    /// <summary>Whether links of this network are protected: an EAP method that makes no key is then refused.</summary>
    public bool IsKeyed { get; init; } = true;
}
