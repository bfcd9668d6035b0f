using System.ComponentModel.DataAnnotations;

namespace Masquerade.AccessPoint;

/// <summary>How clients reach each other at their own addresses (N-13).</summary>
public sealed record NeighbourhoodConfig
{
    /// <summary>They do not: what a client sends to an address of the clients' subnets is translated like everything else.</summary>
    public static readonly NeighbourhoodConfig Off = new() { Enabled = false };

    /// <summary>Whether they do, wherever each of them is.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Whether they are kept apart instead: what one sends to another is refused, at the same access point too.</summary>
    public bool Isolate { get; init; }

    /// <summary>Whether clients hear the multicast DNS messages (RFC 6762) of clients at other access points.</summary>
    public bool RelayMdns { get; init; }

    /// <summary>Whether clients hear the SSDP messages (discovery of UPnP devices) of clients at other access points. Answers to searches are packets between neighbours.</summary>
    public bool RelaySsdp { get; init; }

    /// <summary>The most such messages in a second, each way, of all clients together; as many may come at once. Each goes to every other node that relays.</summary>
    [Range(1, 1_000_000)]
    public int RelaysPerSecond { get; init; } = 200;

    /// <summary>The most such messages in a second of one client, here or elsewhere.</summary>
    [Range(1, 1_000_000)]
    public int RelaysPerClient { get; init; } = 20;

    /// <summary>The most clients elsewhere of which it is remembered where they are.</summary>
    [Range(1, 1_048_576)]
    public int MaxLocations { get; init; } = 4_096;

    /// <summary>The most flows between a client here and one elsewhere, own and other nodes' each. An own one takes a port.</summary>
    [Range(1, 1_048_576)]
    public int MaxFlows { get; init; } = 16_384;

    /// <summary>The most flows of one client to clients elsewhere.</summary>
    [Range(1, 65_536)]
    public int MaxFlowsPerClient { get; init; } = 1_024;

    /// <summary>How long a packet waits at most until it is known where it has to go, or whose it is.</summary>
    public TimeSpan HoldTime { get; init; } = TimeSpan.FromMilliseconds(200);
}
