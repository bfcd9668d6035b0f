using Masquerade.AccessPoint.Agent.Devices;
using Masquerade.AccessPoint.Agent.FastPath;
using Masquerade.AccessPoint.Agent.Observing;
using Masquerade.Core.Engine;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>The one thread that touches the node: frames in batches from both devices, what other threads have handed over, and deadlines.</summary>
internal sealed class DataLoop
{
    /// <summary>Frames per device before the other one has its turn and the transmit rings are flushed.</summary>
    private const int Batch = 64;

    /// <summary>Handed-over things per round; frames must not wait behind a flood of control messages.</summary>
    private const int InputBatch = 256;

    private readonly AccessPointModel _model;
    private readonly AccessPointNode _node;
    private readonly IPacketDevice _uplink;
    private readonly IPacketDevice _clients;
    private readonly DeviceOutput _output;
    private readonly InputQueue _inputs;
    private readonly Poller _poller;
    private readonly EventLog _events;
    private readonly FrameHandler _onUplink;
    private readonly FrameHandler _onClient;
    private Instant _now;

    public DataLoop(
        AccessPointModel model, AccessPointNode node, IPacketDevice uplink, IPacketDevice clients, DeviceOutput output, InputQueue inputs, Poller poller, EventLog events)
    {
        _model = model;
        _node = node;
        _uplink = uplink;
        _clients = clients;
        _output = output;
        _inputs = inputs;
        _poller = poller;
        _events = events;
        _onUplink = OnUplink;
        _onClient = OnClient;
        poller.Add(uplink.PollHandle);
        poller.Add(clients.PollHandle);
    }

    /// <summary>The kernel's fast path; null: everything passes here.</summary>
    public KernelFastPath? FastPath { get; init; }

    /// <summary>Runs until cancelled. A device that fails for good ends it with its exception.</summary>
    public void Run(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            _now = _output.Now = MonotonicClock.Now;
            var done = TakeInputs();
            if (_node.NextDeadline <= _now)
            {
                _node.Advance(_now);
            }

            var looked = MonotonicClock.Now;
            var received = _clients.Receive(_onClient, Batch) + _uplink.Receive(_onUplink, Batch);
            done += received;
            _uplink.Flush();
            _clients.Flush();
            FastPath?.Commit(received == 0 ? looked : Instant.Never);
            if (done == 0)
            {
                _poller.Wait(MonotonicClock.Now, FastPath is null ? _node.NextDeadline : Instant.Min(_node.NextDeadline, _now + KernelFastPath.CommitInterval));
            }
        }
    }

    private void OnUplink(Span<byte> frame, in OffloadInfo offload) => _node.OnUplinkFrame(frame, offload, _now);

    private void OnClient(Span<byte> frame, in OffloadInfo offload) => _node.OnClientFrame(frame, offload, _now);

    private int TakeInputs()
    {
        var taken = 0;
        while (taken < InputBatch && _inputs.TryTake(out var input))
        {
            taken++;
            switch (input)
            {
                case ControlReceived received:
                    _node.OnControl(received.Message, _now);
                    break;
                case StationChanged { IsConnected: true } station:
                    _node.OnAssociated(station.Client, _now, station.User);
                    break;
                case StationChanged station:
                    _node.OnDisassociated(station.Client, _now);
                    break;
                case KeyFrameReceived received:
                    _node.OnKeyFrame(received.Frame, _now);
                    break;
                case ControlUp:
                    _node.OnControlConnected(_now);
                    break;
                case ControlDown:
                    _node.OnControlDisconnected(_now);
                    break;
                case StatusAsked asked:
                    asked.Answer.TrySetResult(StatusDocument.Write(_model, _node, _uplink, _clients, _events.Lost, _output.MessagesUnsent, _now, _output.Describe));
                    break;
            }
        }

        return taken;
    }
}
