namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>One thing after the other, each until what it was given is disposed of.</summary>
internal sealed class AsyncTurn
{
    private readonly Lock _gate = new();
    private Task _last = Task.CompletedTask;

    public async Task<IDisposable> BeginAsync()
    {
        var mine = new Turn();
        Task before;
        lock (_gate)
        {
            (before, _last) = (_last, mine.Ended);
        }

        await before.ConfigureAwait(false);
        return mine;
    }

    private sealed class Turn : IDisposable
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Ended => _ended.Task;

        public void Dispose() => _ended.TrySetResult();
    }
}
