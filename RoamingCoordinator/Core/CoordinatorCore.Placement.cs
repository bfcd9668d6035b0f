using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// New connections whose HAM policy places at another node than the asker: that node anchors the mapping, then the asker becomes its FAM. Rules that send on are followed here,
/// before anybody is asked, to a node where the chain ends; that node anchors and never sends on. It must answer soon, or the asker anchors the connection itself.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>Requests that nobody waits for any more and whose answers, or copies of them, may still come.</summary>
    private const int MaxSettled = 4_096;

    /// <summary>How many times as long a node has that alone can anchor a mapping; an access point lets packets wait for a second.</summary>
    private const int PatientFactor = 6;

    private readonly Dictionary<ulong, ParkedAttach> _parked = [];
    private readonly Dictionary<(NodeId Asker, ulong Id), ulong> _parkedByRequest = [];
    private readonly Queue<(ulong Id, Instant Deadline)> _parkedDeadlines = new();

    /// <summary>Those that can be anchored at one node only: there is no use in giving up so soon.</summary>
    private readonly Queue<(ulong Id, Instant Deadline)> _patientDeadlines = new();
    private readonly Dictionary<ulong, (ParkedAttach Parked, TransportEndpoint Masquerade)> _settled = [];
    private readonly Queue<ulong> _settledOrder = new();
    private long _loopsReported;
    private Instant _nextLoopReport;

    /// <summary>New connections that policy would have sent round in a loop.</summary>
    public long PlacementLoops { get; private set; }

    private void OnAttach(NodeState node, Attach attach)
    {
        if (_parkedByRequest.ContainsKey((node.Id, attach.Id)))
        {
            // The same request again; its answer is on its way.
            return;
        }

        RunAttach(node, attach, mayPlace: _parked.Count < _options.MaxAnchorRequests, isRequest: true);
    }

    /// <summary>Decides an attach; if policy wants its HAM elsewhere, that node is asked to anchor it.</summary>
    private void RunAttach(NodeState asker, Attach attach, bool mayPlace, bool isRequest)
    {
        var context = Context(_now);
        var placeAt = NodeId.None;
        Run(new Job(attach.Client, (state, refused) =>
        {
            placeAt = NodeId.None;
            return IsElsewhere(attach.FamEndpoint.Address, asker) ? null : refused is null ? AttachStep.Attach(state, asker.Id, attach, context, mayPlace, out placeAt) : AttachStep.Refuse(attach);
        })
        {
            Asker = asker,
            Request = attach,
            Authority = asker.Id,
            IsRequest = isRequest,
            Done = () =>
            {
                if (Nodes.Find(placeAt) is { } ham)
                {
                    Place(asker, attach, ham);
                }
            },
        });
    }

    /// <summary>
    /// Whether an attach was said before its address went to another node, or before it was heard of here that it has come. It is not answered: who still waits for that asks again.
    /// </summary>
    private bool IsElsewhere(IpAddress address, NodeState asker) => Nodes.MovedTo(address) is { IsNone: false } owner && owner != asker.Id;

    private void CountLoop(PlacementLooped looped)
    {
        PlacementLoops++;
        if (_now >= _nextLoopReport)
        {
            // At most one line a second, however many connections are opened.
            _nextLoopReport = _now + TimeSpan.FromSeconds(1);
            _output.Report(looped with { Count = PlacementLoops - _loopsReported });
            _loopsReported = PlacementLoops;
        }
    }

    private void Place(NodeState asker, Attach attach, NodeState ham)
    {
        var request = new AnchorRequest
        {
            Id = ++_lastId,
            Client = attach.Client,
            Epoch = attach.Epoch,
            Protocol = attach.Protocol,
            ClientEndpoint = attach.ClientEndpoint,
            At = attach.At,
            Server = attach.MappingAt(TransportEndpoint.None).Server,
        };
        if (!ham.Outbox.Send(request, _now))
        {
            RunAttach(asker, attach, mayPlace: false, isRequest: false);
            return;
        }

        _parked[request.Id] = new ParkedAttach(asker.Id, ham.Id, attach);
        _parkedByRequest[(asker.Id, attach.Id)] = request.Id;
        if (attach.At.IsNone)
        {
            _parkedDeadlines.Enqueue((request.Id, _now + _options.AnchorTimeout));
        }
        else
        {
            _patientDeadlines.Enqueue((request.Id, _now + (_options.AnchorTimeout * PatientFactor)));
        }
    }

    private void OnAnchorReply(NodeState ham, AnchorReply reply, Instant now)
    {
        if (_settled.TryGetValue(reply.Id, out var settled) && settled.Parked.Ham == ham.Id)
        {
            ham.Outbox.Complete(reply.Id);
            if (reply.Status == AckStatus.Ok && reply.Masquerade != settled.Masquerade)
            {
                Push(ham.Id, AttachStep.Unwanted(settled.Parked.Attach, reply.Masquerade));
            }

            return;
        }

        if (!_parked.TryGetValue(reply.Id, out var parked) || parked.Ham != ham.Id)
        {
            return;
        }

        ham.Outbox.Complete(reply.Id);
        Settle(reply.Id, parked, reply.Masquerade);
        var asker = Nodes.Find(parked.Asker);
        if (reply.Status != AckStatus.Ok || Nodes.OwnerOf(reply.Masquerade.Address) != ham.Id)
        {
            if (asker is not null)
            {
                RunAttach(asker, parked.Attach, mayPlace: false, isRequest: false);
            }

            return;
        }

        var context = Context(now);
        Run(new Job(parked.Attach.Client, (state, refused) => refused is null
            ? AttachStep.Placed(state, parked.Asker, parked.Attach, ham.Id, reply.Masquerade, context, reply.Opened)
            : AttachStep.NotPlaced(parked.Attach, ham.Id, reply.Masquerade))
        {
            Asker = asker,
            Request = parked.Attach,
            Authority = ham.Id,
        });
    }

    /// <summary>Who has waited long enough for the node that policy chose is its own HAM.</summary>
    private void AdvanceParked(Instant now)
    {
        AdvanceParked(_parkedDeadlines, now);
        AdvanceParked(_patientDeadlines, now);
    }

    private void AdvanceParked(Queue<(ulong Id, Instant Deadline)> deadlines, Instant now)
    {
        while (deadlines.TryPeek(out var next) && (next.Deadline <= now || !_parked.ContainsKey(next.Id)))
        {
            deadlines.Dequeue();
            if (_parked.TryGetValue(next.Id, out var parked))
            {
                // The node may have anchored it, and its answer may have got lost: it is asked until it answers, and then told that nobody wants it any more.
                Settle(next.Id, parked, TransportEndpoint.None);
                if (Nodes.Find(parked.Asker) is { } asker)
                {
                    RunAttach(asker, parked.Attach, mayPlace: false, isRequest: false);
                }
            }
        }
    }

    private void Settle(ulong id, ParkedAttach parked, TransportEndpoint masquerade)
    {
        _parked.Remove(id);
        _parkedByRequest.Remove((parked.Asker, parked.Attach.Id));
        _settled[id] = (parked, masquerade);
        _settledOrder.Enqueue(id);
        if (_settledOrder.Count > MaxSettled && _settledOrder.TryDequeue(out var oldest) && _settled.Remove(oldest, out var forgotten))
        {
            Nodes.Find(forgotten.Parked.Ham)?.Outbox.Complete(oldest);
        }
    }

    private sealed record ParkedAttach(NodeId Asker, NodeId Ham, Attach Attach);
}
