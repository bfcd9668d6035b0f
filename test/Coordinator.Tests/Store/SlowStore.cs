using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Store;

/// <summary>A store that answers when the test wants it to, or fails.</summary>
internal sealed class SlowStore(IClientStore store) : IClientStore
{
    private readonly List<(MacAddress Client, Action Answer)> _waiting = [];

    public ulong Incarnation { get; set; } = store.Incarnation;

    public List<(NodeId Node, MacAddress Client)> Forgotten { get; } = [];

    public bool IsShared => true;

    public int? ClientCount => store.ClientCount;

    /// <summary>While set, the store fails.</summary>
    public StoreFailure Failure { get; set; }

    /// <summary>Which records it fails to set, and why.</summary>
    public Func<ClientRecord, StoreFailure> Fails { get; set; } = _ => StoreFailure.None;

    /// <summary>While set, records are set and nobody hears of it.</summary>
    public bool SetsSilently { get; set; }

    public int Waiting => _waiting.Count;

    public IEnumerable<MacAddress> WaitingClients => _waiting.Select(w => w.Client);

    /// <summary>Answers the oldest question about a client, or about any.</summary>
    public bool AnswerOne(CoordinatorBench bench, MacAddress? client = null)
    {
        var index = _waiting.FindIndex(w => client is null || w.Client == client);
        if (index < 0)
        {
            return false;
        }

        var answer = _waiting[index].Answer;
        _waiting.RemoveAt(index);
        bench.Core.Complete(answer, bench.Now);
        return true;
    }

    /// <summary>Answers until nothing waits, also what is asked because of an answer; says how many answers that took.</summary>
    public int AnswerAll(CoordinatorBench bench)
    {
        var answers = 0;
        while (AnswerOne(bench))
        {
            answers++;
        }

        return answers;
    }

    public void Load(MacAddress client, Action<LoadResult> done) => Later(client, () =>
    {
        if (Failure != StoreFailure.None)
        {
            done(new LoadResult(default, Failure));
        }
        else
        {
            store.Load(client, done);
        }
    });

    public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done) => Later(record.Client, () =>
    {
        if (Failure != StoreFailure.None || Fails(record) != StoreFailure.None)
        {
            done(new SetResult(StoreOutcome.Failed, Failure != StoreFailure.None ? Failure : Fails(record)));
        }
        else if (SetsSilently)
        {
            store.CompareAndSet(record, loaded, scope, _ => { });
            done(new SetResult(StoreOutcome.Failed, StoreFailure.TimedOut, Version: store.Load(record.Client).Version));
        }
        else
        {
            store.CompareAndSet(record, loaded, scope, done);
        }
    });

    public void Forget(NodeId node, MacAddress client) => Forgotten.Add((node, client));

    public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) => store.FindClaim(mapping, done);

    public void List(NodeId node, ulong from, Action<ClientPage> done) => store.List(node, from, done);

    private void Later(MacAddress client, Action answer) => _waiting.Add((client, answer));
}
