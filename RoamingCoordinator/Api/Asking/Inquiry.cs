using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Api.Observing;

namespace Masquerade.RoamingCoordinator.Api.Asking;

/// <summary>A client as it was at one moment.</summary>
/// <param name="Record">All that the coordinator knows. Immutable.</param>
/// <param name="Trail">Its latest moves, the latest first.</param>
/// <param name="Since">Since when it is where it is.</param>
internal sealed record ClientView(ClientRecord Record, IReadOnlyList<Roam> Trail, DateTimeOffset Since);

/// <summary>Clients as they were at one moment.</summary>
/// <param name="Clients">In the order in which they were asked for; null for one that is not known.</param>
/// <param name="AsOf">The number of the event that was the latest then.</param>
internal sealed record ClientViews(IReadOnlyList<ClientView?> Clients, long AsOf);

/// <summary>
/// Asks the coordinator: a question runs in its loop, looks at a little, and is answered by what it saw. Questions are few at a time and short, so that no move waits for an
/// operator.
/// </summary>
internal sealed class Inquiry(ICoordinatorLoop loop, Chronicle chronicle, TimeProvider wall, int maxQuestions)
{
    /// <summary>The most clients that one question looks at.</summary>
    public const int MaxClients = 64;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private int _asked;

    /// <summary>Questions that were turned away because too many waited.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    private long _refused;

    /// <summary>Asks what can be told at once.</summary>
    public Task<T> AskAsync<T>(Func<CoordinatorCore, Instant, T> question, CancellationToken cancel) =>
        AskLaterAsync<T>((core, now, answer) => answer.TrySetResult(question(core, now)), cancel);

    /// <summary>Asks what the store may have to be asked for.</summary>
    public async Task<T> AskLaterAsync<T>(Action<CoordinatorCore, Instant, TaskCompletionSource<T>> question, CancellationToken cancel)
    {
        if (Interlocked.Increment(ref _asked) > maxQuestions)
        {
            Interlocked.Decrement(ref _asked);
            Interlocked.Increment(ref _refused);
            throw new NotAvailableException($"{maxQuestions} requests wait for the coordinator already");
        }

        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            var posted = loop.TryPost((core, now) =>
            {
                try
                {
                    question(core, now, answer);
                }
                catch (Exception e) when (e is InvalidOperationException or ArgumentException or KeyNotFoundException or NullReferenceException)
                {
                    // A mistake in a question must not end the coordinator.
                    answer.TrySetException(e);
                }
            });
            if (!posted)
            {
                throw new NotAvailableException("the coordinator has too much to do");
            }

            return await answer.Task.WaitAsync(Patience, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new NotAvailableException("the coordinator or its store does not answer");
        }
        finally
        {
            Interlocked.Decrement(ref _asked);
        }
    }

    /// <summary>Loads at most <see cref="MaxClients"/> clients.</summary>
    public Task<ClientViews> LoadAsync(IReadOnlyList<MacAddress> clients, CancellationToken cancel) => AskLaterAsync<ClientViews>(
        (core, now, answer) =>
        {
            var found = new ClientView?[clients.Count];
            var left = clients.Count;
            var today = wall.GetUtcNow();
            if (left == 0)
            {
                answer.TrySetResult(new ClientViews(found, chronicle.Ring.Last));
            }

            for (var i = 0; i < clients.Count; i++)
            {
                var index = i;
                core.Store.Load(clients[index], loaded =>
                {
                    if (loaded.Failure != StoreFailure.None)
                    {
                        answer.TrySetException(new NotAvailableException($"the store cannot tell: {loaded.Failure}"));
                    }
                    else if (loaded.Found.Record is { } record)
                    {
                        found[index] = new ClientView(record, chronicle.Trails.Of(record.Client), today - (now - record.Since));
                    }

                    if (--left == 0)
                    {
                        answer.TrySetResult(new ClientViews(found, chronicle.Ring.Last));
                    }
                });
            }
        },
        cancel);

    /// <summary>The next part of the store's list of clients.</summary>
    public Task<ClientPage> ListAsync(ulong from, CancellationToken cancel) => AskLaterAsync<ClientPage>(
        (core, _, answer) => core.Store.List(NodeId.None, from, page =>
        {
            if (page.Failure != StoreFailure.None)
            {
                answer.TrySetException(new NotAvailableException($"the store cannot tell: {page.Failure}"));
            }
            else
            {
                answer.TrySetResult(page);
            }
        }),
        cancel);
}
