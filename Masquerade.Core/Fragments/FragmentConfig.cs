namespace Masquerade.Core.Fragments;

/// <summary>Limits and times for fragments. All of them count for each side of a node by itself: what servers send takes nothing from what clients send.</summary>
public sealed record FragmentConfig
{
    /// <summary>The most fragmented datagrams at once.</summary>
    public int MaxDatagrams { get; init; } = 4_096;

    /// <summary>The most fragmented datagrams of one sender at once.</summary>
    public int MaxDatagramsPerSender { get; init; } = 256;

    /// <summary>The most datagrams of which fragments wait for the first one; beyond it those that have waited longest give way.</summary>
    public int MaxWaiting { get; init; } = 64;

    /// <summary>The most such datagrams of one sender.</summary>
    public int MaxWaitingPerSender { get; init; } = 16;

    /// <summary>How long fragments wait for the first one.</summary>
    public TimeSpan WaitTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long after its first fragment the others of a datagram are passed on (RFC 791 section 3.2: 15 s). Where ports rest for less (<c>ports.restMilliseconds</c>), that counts: a
    /// fragment never meets the next owner of a port.
    /// </summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromSeconds(15);
}
