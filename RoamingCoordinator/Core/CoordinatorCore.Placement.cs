using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// New connections whose HAM policy places at another node than the asker: that node anchors the mapping, then the asker becomes its FAM. There is one
/// redirection and no second, so a chain cannot loop.
/// </summary>
public sealed partial class CoordinatorCore
{
    private void OnAttach(NodeState node, Attach attach, StepContext context, Instant now)
    {
        if (_parked.Values.Any(p => p.Asker == node.Id && p.Attach.Id == attach.Id))
        {
            return;
        }

        var placeAt = NodeId.None;
        Run(attach.Client, state => AttachStep.Attach(state, node.Id, attach, context, out placeAt), node, now);
        if (placeAt.IsNone || Nodes.Find(placeAt) is not { } ham)
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
        _parked[request.Id] = new ParkedAttach(node.Id, ham.Id, attach);
        if (!ham.Outbox.Send(request, now))
        {
            _parked.Remove(request.Id);
            Send(node, AttachStep.Refuse(attach).Answer!);
        }
    }

    private void OnAnchorReply(NodeState ham, AnchorReply reply, Instant now)
    {
        ham.Outbox.Complete(reply.Id);
        if (!_parked.Remove(reply.Id, out var parked) || parked.Ham != ham.Id)
        {
            return;
        }

        var asker = Nodes.Find(parked.Asker);
        if (reply.Status != AckStatus.Ok || Nodes.OwnerOf(reply.Masquerade.Address) != ham.Id)
        {
            if (asker is not null)
            {
                Send(asker, AttachStep.Refuse(parked.Attach).Answer!);
            }

            return;
        }

        var context = new StepContext(Nodes, _options, now, _random.NextUInt64());
        Run(
            parked.Attach.Client,
            state => AttachStep.Placed(state, parked.Asker, parked.Attach, ham.Id, reply.Masquerade, context),
            asker,
            now);
    }

    private sealed record ParkedAttach(NodeId Asker, NodeId Ham, Attach Attach);
}
