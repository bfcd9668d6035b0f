using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Masquerade.SimWorld.Store;

/// <summary>
/// An answer that comes later, on the world's clock. What waits for it goes on at once and on the world's only thread: with a Task that would be a scheduler's affair, and a seed
/// would not give the same world twice.
/// </summary>
[AsyncMethodBuilder(typeof(SimTaskBuilder<>))]
internal sealed class SimTask<T> : INotifyCompletion
{
    private Action? _continuation;
    private T? _result;

    public bool IsCompleted { get; private set; }

    public SimTask<T> GetAwaiter() => this;

    public T GetResult() => _result!;

    public void OnCompleted(Action continuation)
    {
        if (IsCompleted)
        {
            continuation();
        }
        else
        {
            _continuation += continuation;
        }
    }

    /// <summary>Gives the answer; the first one counts.</summary>
    public void Complete(T result)
    {
        if (IsCompleted)
        {
            return;
        }

        IsCompleted = true;
        _result = result;
        var continuation = _continuation;
        _continuation = null;
        continuation?.Invoke();
    }
}

/// <summary>Makes async methods return a <see cref="SimTask{T}"/>. What they throw comes out where they were called or went on.</summary>
internal sealed class SimTaskBuilder<T>
{
    public SimTask<T> Task { get; } = new();

#pragma warning disable CA1000 // The compiler wants it so.
    public static SimTaskBuilder<T> Create() => new();
#pragma warning restore CA1000

    public void Start<TStateMachine>(ref TStateMachine machine)
        where TStateMachine : IAsyncStateMachine => machine.MoveNext();

    public void SetStateMachine(IAsyncStateMachine machine) => throw new NotSupportedException();

    public void SetResult(T result) => Task.Complete(result);

    public void SetException(Exception exception) => ExceptionDispatchInfo.Throw(exception);

    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine machine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine
    {
        // The machine is moved to the heap as it is; the copy left behind does nothing any more.
        IAsyncStateMachine moved = machine;
        awaiter.OnCompleted(moved.MoveNext);
    }

    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine machine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => AwaitOnCompleted(ref awaiter, ref machine);
}
