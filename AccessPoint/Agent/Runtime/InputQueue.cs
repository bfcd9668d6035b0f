using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Masquerade.AccessPoint.Agent.Devices;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>The way into the data thread: bounded, so that whoever produces faster than it consumes has to wait, and waking it from its poll.</summary>
internal sealed class InputQueue(Poller poller)
{
    private const int Capacity = 4_096;

    private readonly Channel<AgentInput> _channel =
        Channel.CreateBounded<AgentInput>(new BoundedChannelOptions(Capacity) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    /// <summary>Hands something over; waits while the queue is full.</summary>
    public async ValueTask PostAsync(AgentInput input, CancellationToken cancel)
    {
        await _channel.Writer.WriteAsync(input, cancel).ConfigureAwait(false);
        poller.Wake();
    }

    /// <summary>The next thing handed over, if there is one.</summary>
    public bool TryTake([NotNullWhen(true)] out AgentInput? input) => _channel.Reader.TryRead(out input);
}
