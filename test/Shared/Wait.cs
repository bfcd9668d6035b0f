namespace Masquerade.Testing;

/// <summary>Waits for what other threads and processes do; generous, because the machine may be busy.</summary>
public static class Wait
{
    /// <summary>Waits until something is so.</summary>
    /// <param name="condition">What is asked again and again.</param>
    /// <param name="otherwise">What to say if it does not come about.</param>
    /// <param name="seconds">How long to wait.</param>
    /// <param name="every">The pause between two questions, in milliseconds.</param>
    public static async Task ForAsync(Func<bool> condition, Func<string> otherwise, int seconds = 20, int every = 10)
    {
        for (var until = Environment.TickCount64 + (seconds * 1_000); !condition();)
        {
            Assert.True(Environment.TickCount64 < until, otherwise());
            await Task.Delay(every);
        }
    }
}
