using System.Runtime.ExceptionServices;

namespace Masquerade.Bench.Network;

/// <summary>Work on one core.</summary>
internal static class Pinned
{
    /// <summary>Runs something on a thread that stays on a core.</summary>
    public static void Run(int core, Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Kernel.PinThread(core);
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }
}
