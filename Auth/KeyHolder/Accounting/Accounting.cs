using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>
/// Tells accounting servers (RFC 2866) about sessions. Records wait until a server confirms them: they are kept for a day, told with their Acct-Delay-Time, and bounded in number. Safe for many callers at once.
/// </summary>
public sealed class Accounting : IAsyncDisposable
{
    private readonly AccountingSettings _settings;
    private readonly RadiusClient _radius;
    private readonly TimeProvider _time;
    private readonly AccountingQueue _queue;
    private readonly Lock _gate = new();
    private readonly long[] _counts = new long[Enum.GetValues<AccountingCount>().Length];
    private readonly CancellationTokenSource _stop = new();
    private readonly HashSet<Task> _running = [];
    private TaskCompletionSource? _idle;
    private int _underWay;
    private bool _isPaused;

    /// <summary>Accounting.</summary>
    /// <param name="settings">Its limits.</param>
    /// <param name="radius">Asks the accounting servers; remains the caller's.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public Accounting(AccountingSettings settings, RadiusClient radius, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        settings.Validate(nameof(settings));
        (_settings, _radius, _time) = (settings, radius, time ?? TimeProvider.System);
        _queue = new AccountingQueue(settings.MaximumRecords);
    }

    /// <summary>Records that wait.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _queue.Count;
            }
        }
    }

    /// <summary>How often something has happened.</summary>
    public long this[AccountingCount count] => Interlocked.Read(ref _counts[(int)count]);

    /// <summary>Begins a session and tells so.</summary>
    public AccountingSession Start(SessionGrant grant, NodeId node)
    {
        ArgumentNullException.ThrowIfNull(grant);
        var session = new AccountingSession(this, _time, grant.Session, grant.Client, node, grant.User, grant.Terms, grant.At, default);
        session.Start();
        return session;
    }

    /// <summary>Goes on with a session that was begun before, by another process perhaps; tells nothing.</summary>
    /// <param name="session">Its name.</param>
    /// <param name="client">The client.</param>
    /// <param name="node">Where it is.</param>
    /// <param name="user">Who it is.</param>
    /// <param name="terms">What the server said.</param>
    /// <param name="began">When it began.</param>
    /// <param name="used">What has been used until now.</param>
    public AccountingSession Resume(SessionId session, MacAddress client, NodeId node, string user, SessionTerms terms, DateTimeOffset began, Usage used) =>
        new(this, _time, session, client, node, user, terms, began, used);

    /// <summary>Waits until all records are confirmed or dropped; for an orderly end.</summary>
    public Task WhenEmptyAsync(CancellationToken cancel = default)
    {
        lock (_gate)
        {
            if (_queue.Count == 0)
            {
                return Task.CompletedTask;
            }

            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task.WaitAsync(cancel);
        }
    }

    /// <summary>Stops; what waits is lost.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Task[] running;
        lock (_gate)
        {
            _idle?.TrySetCanceled(CancellationToken.None);
            running = [.. _running];
        }

        await Task.WhenAll(running);
        _stop.Dispose();
    }

    internal void Enqueue(AccountingRecord record)
    {
        lock (_gate)
        {
            if (_queue.Add(record) is { } count)
            {
                Count(count);
            }

            Pump();
        }
    }

    private void Count(AccountingCount count) => Interlocked.Increment(ref _counts[(int)count]);

    private void Pump()
    {
        while (!_isPaused && !_stop.IsCancellationRequested && _underWay < _settings.MaximumUnderWay && _queue.Take() is { } record)
        {
            _underWay++;
            Run(() => SendAsync(record));
        }

        if (_queue.Count == 0)
        {
            _idle?.TrySetResult();
            _idle = null;
        }
    }

    /// <summary>Starts something that is waited for at the end.</summary>
    private void Run(Func<Task> work)
    {
        var task = Task.Run(work);
        _running.Add(task);
        _ = task.ContinueWith(
            t =>
            {
                lock (_gate)
                {
                    _running.Remove(t);
                }
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private async Task SendAsync(AccountingRecord record)
    {
        AccountingCount end;
        try
        {
            var attributes = record.Attributes(_settings.Nas, _time.GetUtcNow());
            end = (await _radius.SendAsync(RadiusCode.AccountingRequest, attributes, cancel: _stop.Token)).Outcome switch
            {
                RadiusOutcome.Answered => AccountingCount.Confirmed,
                RadiusOutcome.TooLarge => AccountingCount.TooLarge,
                _ => _time.GetUtcNow() - record.At > _settings.MaximumAge ? AccountingCount.TooOld : AccountingCount.Deferred,
            };
        }
        catch (OperationCanceledException)
        {
            return;
        }

        Count(end);
        lock (_gate)
        {
            _underWay--;
            _queue.Done(record, again: end == AccountingCount.Deferred);
            if (end == AccountingCount.Deferred && !_isPaused)
            {
                _isPaused = true;
                Run(ResumeLaterAsync);
            }

            Pump();
        }
    }

    /// <summary>When no server answers there is no use in asking about every record.</summary>
    private async Task ResumeLaterAsync()
    {
        try
        {
            await Task.Delay(_settings.RetryAfter, _time, _stop.Token);
        }
        catch (OperationCanceledException)
        {
            return;
        }

        lock (_gate)
        {
            _isPaused = false;
            Pump();
        }
    }
}
