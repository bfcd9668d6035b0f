using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// New connections whose HAM policy places at another node than the asker: that node anchors the mapping, then the asker becomes its FAM. There is one
/// redirection and no second, so a chain cannot loop; and the node that was chosen must answer soon, or the asker anchors the connection itself.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>Requests that were given up and whose answers may still come.</summary>
    private const int MaxGivenUp = 4_096;

    private readonly Dictionary<ulong, ParkedAttach> _parked = [];
    private readonly Dictionary<(NodeId Asker, ulong Id), ulong> _parkedByRequest = [];
    private readonly Queue<(ulong Id, Instant Deadline)> _parkedDeadlines = new();
    private readonly Dictionary<ulong, ParkedAttach> _givenUp = [];
    private readonly Queue<ulong> _givenUpOrder = new();

    private void OnAttach(NodeState node, Attach attach, Instant now)
    {
        if (_parkedByRequest.ContainsKey((node.Id, attach.Id)))
        {
            // The same request again; its answer is on its way.
            return;
        }

        Claim(node, attach.Client, new MappingId(attach.Protocol, attach.FamEndpoint), now);
        var ham = RunAttach(node, attach, mayPlace: _parked.Count < _options.MaxAnchorRequests, now);
        if (ham is null)
        {
            return;
        }

        var request = new AnchorRequest
        {
            Id = ++_lastId,
            Client = attach.Client,
            Epoch = attach.Epoch,
            Protocol = attach.Protocol,
            ClientEndpoint = attach.ClientEndpoint,
        };
        if (!ham.Outbox.Send(request, now))
        {
            RunAttach(node, attach, mayPlace: false, now);
            return;
        }

        _parked[request.Id] = new ParkedAttach(node.Id, ham.Id, attach);
        _parkedByRequest[(node.Id, attach.Id)] = request.Id;
        _parkedDeadlines.Enqueue((request.Id, now + _options.AnchorTimeout));
    }

    /// <summary>Decides an attach; the node that is to anchor the connection, or null if it is decided.</summary>
    private NodeState? RunAttach(NodeState asker, Attach attach, bool mayPlace, Instant now)
    {
        var context = new StepContext(Nodes, _options, now, _random.NextUInt64());
        var placeAt = NodeId.None;
        Run(attach.Client, state => AttachStep.Attach(state, asker.Id, attach, context, mayPlace, out placeAt), asker, attach, now);
        return Nodes.Find(placeAt);
    }

    private void OnAnchorReply(NodeState ham, AnchorReply reply, Instant now)
    {
        if (_givenUp.TryGetValue(reply.Id, out var late) && late.Ham == ham.Id)
        {
            _givenUp.Remove(reply.Id);
            if (reply.Status == AckStatus.Ok)
            {
                Push(ham.Id, AttachStep.Unwanted(late.Attach, reply.Masquerade), now);
            }

            return;
        }

        if (!_parked.TryGetValue(reply.Id, out var parked) || parked.Ham != ham.Id)
        {
            return;
        }

        Unpark(reply.Id, parked);
        var asker = Nodes.Find(parked.Asker);
        if (reply.Status != AckStatus.Ok || Nodes.OwnerOf(reply.Masquerade.Address) != ham.Id)
        {
            if (asker is not null)
            {
                RunAttach(asker, parked.Attach, mayPlace: false, now);
            }

            return;
        }

        Claim(ham, parked.Attach.Client, new MappingId(parked.Attach.Protocol, reply.Masquerade), now);
        var context = new StepContext(Nodes, _options, now, _random.NextUInt64());
        Run(
            parked.Attach.Client,
            state => AttachStep.Placed(state, parked.Asker, parked.Attach, ham.Id, reply.Masquerade, context),
            asker,
            parked.Attach,
            now);
    }

    /// <summary>Who has waited long enough for the node that policy chose is its own HAM.</summary>
    private void AdvanceParked(Instant now)
    {
        while (_parkedDeadlines.TryPeek(out var next) && (next.Deadline <= now || !_parked.ContainsKey(next.Id)))
        {
            _parkedDeadlines.Dequeue();
            if (_parked.TryGetValue(next.Id, out var parked))
            {
                GiveUp(next.Id, parked);
                if (Nodes.Find(parked.Asker) is { } asker)
                {
                    RunAttach(asker, parked.Attach, mayPlace: false, now);
                }
            }
        }
    }

    private void GiveUp(ulong id, ParkedAttach parked)
    {
        Unpark(id, parked);
        _givenUp[id] = parked;
        _givenUpOrder.Enqueue(id);
        if (_givenUpOrder.Count > MaxGivenUp)
        {
            _givenUp.Remove(_givenUpOrder.Dequeue());
        }
    }

    private void Unpark(ulong id, ParkedAttach parked)
    {
        _parked.Remove(id);
        _parkedByRequest.Remove((parked.Asker, parked.Attach.Id));
        Nodes.Find(parked.Ham)?.Outbox.Complete(id);
    }

    private sealed record ParkedAttach(NodeId Asker, NodeId Ham, Attach Attach);
}
