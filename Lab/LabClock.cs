using System.Diagnostics;
using Masquerade.Lab.Net;

namespace Masquerade.Lab;

/// <summary>
/// The one clock of the laboratory: CLOCK_MONOTONIC in nanoseconds. Everything that is compared (radio, traffic, captures) runs in one process
/// on one machine, so no clock has to be synchronised with another.
/// </summary>
public static class LabClock
{
    private static readonly double s_nanosecondsPerTick = 1e9 / Stopwatch.Frequency;

    /// <summary>Nanoseconds since boot, without suspension.</summary>
    public static long Now => Stopwatch.Frequency == 1_000_000_000 ? Stopwatch.GetTimestamp() : (long)(Stopwatch.GetTimestamp() * s_nanosecondsPerTick);

    /// <summary>Milliseconds as nanoseconds.</summary>
    public static long Milliseconds(double value) => (long)(value * 1e6);

    /// <summary>Nanoseconds as milliseconds.</summary>
    public static double ToMilliseconds(long nanoseconds) => nanoseconds / 1e6;

    /// <summary>CLOCK_REALTIME minus CLOCK_MONOTONIC: packet rings stamp with the former.</summary>
    internal static unsafe long RealtimeOffset()
    {
        var best = long.MaxValue;
        long offset = 0;
        for (var i = 0; i < 5; i++)
        {
            // The reading framed most tightly by two monotonic readings is the least wrong one.
            Libc.TimeSpec real;
            var before = Now;
            _ = Libc.ClockGetTime(Libc.ClockRealtime, &real);
            var after = Now;
            if (after - before < best)
            {
                best = after - before;
                offset = ((long)real.Seconds * 1_000_000_000L) + real.Nanoseconds - before - ((after - before) / 2);
            }
        }

        return offset;
    }

    /// <summary>Sleeps until the clock shows <paramref name="instant"/>; returns at once if that has passed.</summary>
    internal static unsafe void SleepUntil(long instant)
    {
        var request = new Libc.TimeSpec { Seconds = (nint)(instant / 1_000_000_000L), Nanoseconds = (nint)(instant % 1_000_000_000L) };
        while (Libc.ClockNanosleep(Libc.ClockMonotonic, Libc.TimerAbsolute, &request, null) == Libc.Eintr)
        {
            // A signal (the runtime uses some) interrupted the sleep; the target is absolute, so simply sleep on.
        }
    }

    /// <summary>
    /// Gives the calling thread real-time priority, so that the laboratory's own instruments do not wait behind the programs that they measure.
    /// Where that is not permitted the measurement is less precise but still right.
    /// </summary>
    internal static unsafe void MakeThreadPrompt()
    {
        var priority = 20;
        _ = Libc.SchedSetScheduler(0, Libc.SchedFifo, &priority);
    }
}
