using System.Collections.Concurrent;
using System.Net;
using Masquerade.AccessPoint.Agent.Configuration;
using Masquerade.AccessPoint.Agent.Control;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Pki.Channel;

namespace Masquerade.Pki.Tests;

/// <summary>The agent's connection to a coordinator, which says Hello and otherwise only listens.</summary>
internal sealed class RunningAgent : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly SharedText _log = new();
    private readonly CoordinatorClient _client;
    private readonly Task _running;
    private readonly Task _watching;
    private readonly string _node;
    private readonly byte _number;
    private int _ups;
    private int _downs;

    /// <param name="coordinator">Where the coordinator listens.</param>
    /// <param name="node">What the agent calls itself.</param>
    /// <param name="files">Its files; null for plain text.</param>
    /// <param name="certified">Who its files are of; <paramref name="node"/> if not given.</param>
    /// <param name="names">Names that the coordinator may have.</param>
    /// <param name="number">Makes its addresses its own.</param>
    public RunningAgent(IPEndPoint coordinator, string node, CredentialFiles? files, SiteIdentity? certified = null, string[]? names = null, byte number = 1)
    {
        (_node, _number) = (node, number);
        if (files is not null)
        {
            Store = CredentialStore.Open(files, certified ?? Site.AgentCalled(node), TimeSpan.FromDays(30), TimeProvider.System, out var problems);
            Assert.Empty(problems);
            Security = new ChannelSecurity(Store!, names ?? [], Events.Add, _log);
        }

        _client = new CoordinatorClient([new CoordinatorAddress(coordinator.Address.ToString(), (ushort)coordinator.Port)], PostAsync, _log)
        {
            FirstPause = TimeSpan.FromMilliseconds(50),
            ConnectTimeout = TimeSpan.FromSeconds(15),
            Security = Security,
        };
        _running = Task.Run(() => _client.RunAsync(_stop.Token));
        _watching = Security is null ? Task.CompletedTask : Task.Run(() => Security.WatchAsync(TimeSpan.FromMilliseconds(100), _stop.Token));
    }

    public CredentialStore? Store { get; }

    public ChannelSecurity? Security { get; }

    public ConcurrentBag<EngineEvent> Events { get; } = [];

    public ConcurrentQueue<ControlMessage> Messages { get; } = new();

    /// <summary>Connections that came about.</summary>
    public int Ups => Volatile.Read(ref _ups);

    /// <summary>Connections that ended.</summary>
    public int Downs => Volatile.Read(ref _downs);

    public string Log => _log.ToString();

    public void Send(ControlMessage message) => _client.Send(message);

    public Task LoggedAsync(string text) => Wait.ForAsync(() => Log.Contains(text, StringComparison.Ordinal), () => $"{_node}'s log has no \"{text}\":\n{Log}");

    /// <summary>Waits for the coordinator's welcome.</summary>
    public Task WelcomedAsync(int times = 1) => Wait.ForAsync(() => Messages.OfType<Welcome>().Count() >= times, () => $"{_node} was not welcomed:\n{Log}");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running, _watching).WaitAsync(TimeSpan.FromSeconds(20));
        _stop.Dispose();
    }

    private ValueTask PostAsync(AgentInput input, CancellationToken cancel)
    {
        switch (input)
        {
            case ControlUp:
                Interlocked.Increment(ref _ups);
                var own = IpAddress.FromV4(0x0A01_0000 + (uint)(_number << 8) + 10);
                _client.Send(new Hello { Id = 1, Node = new NodeId(_node), Incarnation = 1, PeerEndpoint = new TransportEndpoint(own, 4_747), Addresses = [own] });
                break;
            case ControlDown:
                Interlocked.Increment(ref _downs);
                break;
            case ControlReceived received:
                Messages.Enqueue(received.Message);
                break;
        }

        return ValueTask.CompletedTask;
    }
}
