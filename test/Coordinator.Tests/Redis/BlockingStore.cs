using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;

namespace Masquerade.Coordinator.Tests.Redis;

/// <summary>Waits for the answers of a store with I/O, so that the contract's tests can ask it like any other.</summary>
internal sealed class BlockingStore(IClientStore store) : IClientStore
{
    public ulong Incarnation => store.Incarnation;

    public bool IsShared => store.IsShared;

    public int? ClientCount => store.ClientCount;

    public void Load(MacAddress client, Action<LoadResult> done) => Wait(store.Load, client, done);

    public void CompareAndSet(ClientRecord record, Versioned loaded, SetScope scope, Action<SetResult> done) =>
        Wait<(ClientRecord Record, Versioned Loaded, SetScope Scope), SetResult>((a, answer) => store.CompareAndSet(a.Record, a.Loaded, a.Scope, answer), (record, loaded, scope), done);

    public void Forget(NodeId node, MacAddress client) => store.Forget(node, client);

    public void FindClaim(MappingId mapping, Action<EndpointClaim?> done) => Wait(store.FindClaim, mapping, done);

    public void List(NodeId node, ulong from, Action<ClientPage> done) =>
        Wait<(NodeId Node, ulong From), ClientPage>((a, answer) => store.List(a.Node, a.From, answer), (node, from), done);

    private static void Wait<TQuestion, TAnswer>(Action<TQuestion, Action<TAnswer>> ask, TQuestion question, Action<TAnswer> done)
    {
        var answer = new TaskCompletionSource<TAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        ask(question, answer.SetResult);
        Assert.True(answer.Task.Wait(TimeSpan.FromSeconds(20)), "no completion came");
        done(answer.Task.Result);
    }
}
