using System.Diagnostics;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>The clock of the live agent: CLOCK_MONOTONIC, which no one sets and which never goes back.</summary>
public static class MonotonicClock
{
    private static readonly long NanosecondsPerTick = 1_000_000_000 / Stopwatch.Frequency;

    /// <summary>Now, from the boot of the machine. Does not allocate and makes no system call (vDSO).</summary>
    public static Instant Now => new(Stopwatch.GetTimestamp() * NanosecondsPerTick);
}
