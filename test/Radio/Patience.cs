using System.Diagnostics;

namespace Masquerade.Radio.Tests;

/// <summary>Waits for what programs do in the machine, which is slow.</summary>
internal static class Patience
{
    public static void WaitFor(Func<bool> condition, string otherwise)
    {
        for (var clock = Stopwatch.StartNew(); !condition(); Thread.Sleep(300))
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(180), otherwise);
        }
    }
}
