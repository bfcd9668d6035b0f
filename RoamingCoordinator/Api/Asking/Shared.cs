using System.Diagnostics;

namespace Masquerade.RoamingCoordinator.Api.Asking;

/// <summary>
/// What is dear to find out, found out once for all who ask at the same time, and not more often than it may cost: being kept for twenty times as long as it took, it takes at
/// most a twentieth of anybody's time. On a small site that is hardly longer than a moment.
/// </summary>
internal sealed class Shared<T>(Func<CancellationToken, Task<T>> make, CancellationToken stop)
    where T : class
{
    private const int KeptFor = 20;

    private readonly Lock _gate = new();
    private Task<T>? _making;
    private T? _latest;
    private long _made;
    private long _cost;

    /// <summary>How long one who asks waits for the news before the latest that there is will do.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>The latest, or a new one.</summary>
    public async Task<T> GetAsync(CancellationToken cancel)
    {
        Task<T> making;
        T? latest;
        lock (_gate)
        {
            latest = _latest;
            if (latest is not null && Stopwatch.GetTimestamp() - _made < KeptFor * _cost)
            {
                return latest;
            }

            if (_making is null || _making.IsCompleted)
            {
                _making = MakeAsync();
            }

            making = _making;
        }

        try
        {
            return latest is null ? await making.WaitAsync(cancel).ConfigureAwait(false) : await making.WaitAsync(Patience, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return latest!;
        }
    }

    private async Task<T> MakeAsync()
    {
        // Not within the lock of whoever asked first.
        await Task.Yield();
        var from = Stopwatch.GetTimestamp();
        var made = await make(stop).ConfigureAwait(false);
        lock (_gate)
        {
            _made = Stopwatch.GetTimestamp();
            _cost = _made - from;
            _latest = made;
        }

        return made;
    }
}
