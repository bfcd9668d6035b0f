using System.Net;
using System.Net.Sockets;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>
/// An access point played by the test over real connections, with an agent's manners: it tries one coordinator after the other, repeats what is unanswered, acknowledges pushes,
/// hands clients over, disowns what others believe to be anchored here and is not, says everything anew when it is told that the store is another one, and takes over what it is
/// asked to.
/// </summary>
internal sealed partial class PlayedAgent : IAsyncDisposable
{
    private readonly ulong _number;
    private readonly IReadOnlyList<IPEndPoint> _coordinators;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SortedDictionary<ulong, (ControlMessage Message, TaskCompletionSource<ControlMessage> Answer)> _unanswered = [];
    private readonly Dictionary<MacAddress, (Epoch Epoch, Dictionary<MappingId, MappingRecord> Mappings)> _served = [];
    private readonly Dictionary<MappingId, (MacAddress Client, MappingRecord Record)> _anchored = [];
    private readonly Dictionary<MappingId, (Epoch Epoch, TransportEndpoint Fam)> _ways = [];
    private readonly Task _running;
    private NetworkStream? _stream;
    private ulong _lastId;
    private ulong? _store;
    private int _first;

    public PlayedAgent(ulong number, IReadOnlyList<IPEndPoint> coordinators, int first, ulong incarnation = 1, PlayedUplink? uplink = null)
    {
        (_number, _coordinators, _first, Incarnation, _uplink) = (number, coordinators, first, incarnation, uplink);
        uplink?.Join(this, At(_number, 4_747));
        _running = Task.Run(RunAsync);
    }

    public ulong Incarnation { get; private set; }

    public int Welcomes { get; private set; }

    /// <summary>Whether nothing that was asked is unanswered.</summary>
    public bool IsQuiet
    {
        get
        {
            lock (_gate)
            {
                return _unanswered.Count == 0;
            }
        }
    }

    /// <summary>The way to a mapping that is anchored here, as far as this node has been told.</summary>
    public TransportEndpoint WayOf(MappingId mapping)
    {
        lock (_gate)
        {
            return _ways.TryGetValue(mapping, out var way) ? way.Fam : TransportEndpoint.None;
        }
    }

    public bool Serves(MacAddress client, out Epoch epoch)
    {
        lock (_gate)
        {
            var serves = _served.TryGetValue(client, out var found);
            epoch = found.Epoch;
            return serves;
        }
    }

    public async Task<ArriveReply> ArriveAsync(MacAddress client, params int[] offers)
    {
        var reply = (ArriveReply)await AskAsync(id => new Arrive { Id = id, Client = client, Offers = [.. offers.Select(p => new FamOffer(TransportProtocol.Udp, At(_number, p)))] });
        lock (_gate)
        {
            if (reply.Status == AckStatus.Ok && (!_served.TryGetValue(client, out var at) || at.Epoch < reply.Epoch))
            {
                _served[client] = (reply.Epoch, reply.Mappings.ToDictionary(m => m.Mapping));
                Disown(client, reply.Mappings.Where(m => m.Ham == Name(_number)).Select(m => m.Mapping));
            }
        }

        return reply;
    }

    /// <summary>Opens a connection here: this node is its HAM.</summary>
    public async Task<MappingId> OpenAsync(MacAddress client, int port)
    {
        Assert.True(Serves(client, out var epoch));
        var record = Mapping(_number, port, epoch.Value);
        lock (_gate)
        {
            _served[client].Mappings[record.Mapping] = record;
            _anchored[record.Mapping] = (client, record);
            _ways[record.Mapping] = (epoch, record.FamEndpoint);
        }

        var ack = (Ack)await AskAsync(id => new Announce { Id = id, Client = client, Epoch = epoch, Mappings = [record] });
        Assert.Equal(AckStatus.Ok, ack.Status);
        return record.Mapping;
    }

    public async Task CloseAsync(MacAddress client, MappingId mapping)
    {
        Assert.True(Serves(client, out var epoch));
        lock (_gate)
        {
            _served[client].Mappings.Remove(mapping);
            _anchored.Remove(mapping);
        }

        await AskAsync(id => new Announce { Id = id, Client = client, Epoch = epoch, Ended = [mapping] });
    }

    public async ValueTask DisposeAsync()
    {
        _uplink?.Leave(this);
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private async Task<ControlMessage> AskAsync(Func<ulong, ControlMessage> ask)
    {
        var answer = new TaskCompletionSource<ControlMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        Ask(ask, answer);
        return await answer.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    /// <summary>Asks for nothing but to be heard.</summary>
    private void Tell(Func<ulong, ControlMessage> tell) => Ask(tell, new TaskCompletionSource<ControlMessage>(TaskCreationOptions.RunContinuationsAsynchronously));

    private void Ask(Func<ulong, ControlMessage> ask, TaskCompletionSource<ControlMessage> answer)
    {
        lock (_gate)
        {
            var id = ++_lastId;
            var message = ask(id);
            _unanswered[id] = (message, answer);
            Send(message);
        }
    }

    private async Task RunAsync()
    {
        var repeating = RepeatAsync();
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using var client = new TcpClient { NoDelay = true };
                await client.ConnectAsync(_coordinators[_first++ % _coordinators.Count], _stop.Token);
                await SpeakAsync(client.GetStream());
            }
            catch (Exception e) when (e is SocketException or IOException or OperationCanceledException or ObjectDisposedException)
            {
                // The next one.
            }

            lock (_gate)
            {
                _stream = null;
            }

            await Task.WhenAny(Task.Delay(50 + Random.Shared.Next(50), _stop.Token));
        }

        await repeating;
    }

    private async Task SpeakAsync(NetworkStream stream)
    {
        ulong hello;
        lock (_gate)
        {
            hello = ++_lastId;
            Write(stream, Greeting(hello));
        }

        using var end = new ControlEnd(stream);
        while (await end.NextAsync(_stop.Token) is { } message)
        {
            lock (_gate)
            {
                Take(stream, hello, message);
            }
        }
    }

    private void Take(NetworkStream stream, ulong hello, ControlMessage message)
    {
        switch (message)
        {
            case Welcome welcome when welcome.Id == hello:
                if (IsFencedBy(welcome.Owners))
                {
                    stream.Close();
                    break;
                }

                Welcomes++;
                _stream = stream;
                foreach (var (asked, _) in _unanswered.Values)
                {
                    Send(asked);
                }

                if (_store != welcome.StoreIncarnation)
                {
                    _store = welcome.StoreIncarnation;
                    SayEverything();
                }

                break;
            case Ack or ArriveReply when _unanswered.Remove(message.Id, out var asked):
                asked.Answer.TrySetResult(message);
                break;
            case FamChange change:
                TakeChange(change);
                break;
            case MappingsEnded ended:
                Forget(ended.Client, ended.Mappings);
                Send(new Ack { Id = message.Id, Status = AckStatus.Ok });
                break;
            case ArrivalUpdate update:
                TakeUpdate(update);
                Send(new Ack { Id = message.Id, Status = AckStatus.Ok });
                break;
            case AddressOwners owners:
                if (IsFencedBy(owners.Owners))
                {
                    stream.Close();
                }
                else if (!HoldsOffers)
                {
                    Send(new Ack { Id = message.Id, Status = AckStatus.Ok });
                }

                break;
            case AdoptMappings adopt when !HoldsAdoptions:
                Adopt(adopt);
                Send(new Ack { Id = message.Id, Status = AckStatus.Ok });
                break;
            case ProbeNode probe:
                Send(new ProbeResult { Id = probe.Id, Alive = _uplink?.IsAlive(probe.Peer) ?? true });
                break;
            case FamCleared:
                Send(new Ack { Id = message.Id, Status = AckStatus.Ok });
                break;
        }
    }

    /// <summary>A lost store may believe that a mapping lives which has ended; its HAM knows better.</summary>
    private void Disown(MacAddress client, IEnumerable<MappingId> believed)
    {
        MappingId[] unknown = [.. believed.Where(id => !_anchored.TryGetValue(id, out var anchored) || anchored.Client != client)];
        if (unknown.Length > 0)
        {
            Forget(client, unknown);
            Tell(id => new ReleaseMappings { Id = id, Client = client, Mappings = unknown });
        }
    }

    private void Forget(MacAddress client, IEnumerable<MappingId> mappings)
    {
        foreach (var mapping in mappings)
        {
            if (_served.TryGetValue(client, out var at))
            {
                at.Mappings.Remove(mapping);
            }

            if (_anchored.TryGetValue(mapping, out var anchored) && anchored.Client == client)
            {
                _anchored.Remove(mapping);
            }
        }
    }

    private void TakeChange(FamChange change)
    {
        Disown(change.Client, change.Routes.Where(r => r.Ham == Name(_number)).Select(r => r.Mapping));
        foreach (var route in change.Routes.Where(r => r.Ham == Name(_number) && !r.NewFamEndpoint.IsNone))
        {
            if (_anchored.ContainsKey(route.Mapping) && (!_ways.TryGetValue(route.Mapping, out var way) || way.Epoch <= change.Epoch))
            {
                _ways[route.Mapping] = (change.Epoch, route.NewFamEndpoint);
            }
        }

        if (change.NewFam != Name(_number) && _served.TryGetValue(change.Client, out var at) && at.Epoch < change.Epoch)
        {
            _served.Remove(change.Client);
            Tell(id => new HandOver { Id = id, Client = change.Client, Epoch = at.Epoch, Mappings = [.. at.Mappings.Values] });
        }

        Send(new Ack { Id = change.Id, Status = AckStatus.Ok });
    }

    private void SayEverything()
    {
        foreach (var group in _anchored.GroupBy(a => a.Value.Client))
        {
            var epoch = group.Max(a => _ways.TryGetValue(a.Key, out var way) ? way.Epoch : Epoch.None);
            AnchorReport Report(ulong id) => new()
            {
                Id = id, Client = group.Key, Epoch = epoch, FamEpoch = epoch,
                Mappings = [.. group.Select(a => a.Value.Record with { FamEndpoint = _ways.TryGetValue(a.Key, out var way) ? way.Fam : TransportEndpoint.None })],
            };
            Tell(Report);
        }

        foreach (var (client, (epoch, mappings)) in _served)
        {
            Tell(id => new Announce { Id = id, Client = client, Epoch = epoch, Full = true, Mappings = [.. mappings.Values] });
        }
    }

    private async Task RepeatAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            await Task.WhenAny(Task.Delay(100, _stop.Token));
            lock (_gate)
            {
                if (_uplink is not null)
                {
                    Send(new Heartbeat { Id = ++_lastId, Mappings = (uint)_anchored.Count });
                }

                foreach (var (asked, _) in _unanswered.Values.Take(100))
                {
                    Send(asked);
                }
            }
        }
    }

    private void Send(ControlMessage message)
    {
        if (_stream is { } stream)
        {
            Write(stream, message);
        }
    }

    private static void Write(NetworkStream stream, ControlMessage message)
    {
        var frame = ControlEnd.Frame(message);
        try
        {
            stream.Write(frame.Span);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The reading side notices.
        }
    }
}
