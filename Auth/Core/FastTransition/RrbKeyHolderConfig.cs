using Masquerade.Core.Flow;

namespace Masquerade.Auth.FastTransition;

/// <summary>The settings of a <see cref="RrbKeyHolder"/>.</summary>
public sealed record RrbKeyHolderConfig
{
    /// <summary>Octets of the key.</summary>
    public const int KeyLength = 32;

    /// <summary>Our MAC address on the link to hostapd.</summary>
    public required MacAddress Address { get; init; }

    /// <summary>The key that is shared with hostapd (<c>r0kh</c> in its configuration), 32 octets. The holder takes a copy.</summary>
    public required ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>How long an answer is awaited before hostapd hears that there is none. hostapd asks again after 1 s and gives up after 4 s (<c>rkh_pull_timeout</c>, <c>rkh_pull_retries</c>).</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>For how long hostapd may keep a key, 1 s to 65,535 s. Then it asks again, so that a session's end is noticed.</summary>
    public TimeSpan KeyLifetime { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Questions under way at once, at most.</summary>
    public int MaxQuestions { get; init; } = 256;

    /// <summary>Pulls that wait for their senders' numbers, at most.</summary>
    public int MaxDeferred { get; init; } = 64;

    /// <summary>Senders whose numbers are remembered, at most; the oldest is forgotten for a new one, and asked again when it comes.</summary>
    public int MaxSenders { get; init; } = 1_024;

    /// <summary>Never the key.</summary>
    public override string ToString() => $"key holder at {Address}";
}
