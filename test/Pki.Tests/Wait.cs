namespace Masquerade.Pki.Tests;

/// <summary>Waits for what other threads do; generous, because the machine may be busy.</summary>
internal static class Wait
{
    public static async Task ForAsync(Func<bool> condition, Func<string> otherwise, int seconds = 20)
    {
        for (var until = Environment.TickCount64 + (seconds * 1_000); !condition();)
        {
            Assert.True(Environment.TickCount64 < until, otherwise());
            await Task.Delay(10);
        }
    }
}
