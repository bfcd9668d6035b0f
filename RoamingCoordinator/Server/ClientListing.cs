using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>Reads clients for operators, whether the store answers at once or later.</summary>
internal static class ClientListing
{
    private const int AtOnce = 64;

    /// <summary>The first clients in the order of their MAC addresses; fewer if the store cannot tell.</summary>
    /// <param name="store">The store.</param>
    /// <param name="gate">Held while the store is asked: one that answers at once is the loop's.</param>
    /// <param name="most">How many.</param>
    public static async Task<IReadOnlyList<ClientRecord>> ReadAsync(IClientStore store, Lock gate, int most)
    {
        var page = await AskAsync<ClientPage>(gate, done => store.List(NodeId.None, 0, done)).ConfigureAwait(false);
        var records = new List<ClientRecord>();
        foreach (var part in page.Clients.Take(most).Chunk(AtOnce))
        {
            var found = await Task.WhenAll(part.Select(client => AskAsync<LoadResult>(gate, done => store.Load(client, done)))).ConfigureAwait(false);
            records.AddRange(found.Select(f => f.Found.Record).OfType<ClientRecord>());
        }

        return records;
    }

    private static Task<T> AskAsync<T>(Lock gate, Action<Action<T>> question)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            question(answer.SetResult);
        }

        return answer.Task;
    }
}
