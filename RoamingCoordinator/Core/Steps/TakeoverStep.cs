using System.Collections.Immutable;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>
/// Masquerade addresses change hands. Who owns an address is written down once, in the <see cref="NodeDirectory"/>; that a mapping's HAM is the owner of its address
/// is made so in a client's record whenever the record is looked at.
/// </summary>
public static class TakeoverStep
{
    /// <summary>
    /// Makes the owner of each mapping's address its HAM, and tells the owner of the mapping and the client's FAM of the owner. Null if all is so already.
    /// </summary>
    /// <param name="state">The client.</param>
    /// <param name="nodes">Who owns which address.</param>
    /// <param name="told">Addresses of which everything is told, whether or not it is so already.</param>
    /// <param name="now">The time.</param>
    public static Decision? Converge(ClientRecord state, NodeDirectory nodes, IReadOnlyList<IpAddress> told, Instant now)
    {
        List<MappingEntry>? moved = null;
        ImmutableDictionary<MappingId, MappingEntry>.Builder? mappings = null;
        foreach (var entry in state.Mappings.Values)
        {
            var owner = nodes.MovedTo(entry.Record.Mapping.Masquerade.Address);
            var fams = AtTheirOwn(entry, owner.IsNone ? entry.Record.Ham : owner, nodes);
            if ((owner.IsNone || owner == entry.Record.Ham) && fams == entry.Fams)
            {
                if (told.Contains(entry.Record.Mapping.Masquerade.Address))
                {
                    (moved ??= []).Add(entry);
                }

                continue;
            }

            var next = entry with { Fams = fams };
            if (!owner.IsNone && owner != entry.Record.Ham)
            {
                // A FAM that is the HAM as well serves at the masquerade endpoint itself.
                next = next with
                {
                    Record = entry.Record with { Ham = owner },
                    Fams = owner == state.Fam ? [.. fams.Select(f => f.Node == owner ? f with { Endpoint = entry.Record.Mapping.Masquerade } : f)] : fams,
                };
                (moved ??= []).Add(next);
            }

            (mappings ??= state.Mappings.ToBuilder())[entry.Record.Mapping] = next;
        }

        if (mappings is null && moved is null)
        {
            return null;
        }

        var converged = mappings is null ? state : state with { Mappings = mappings.ToImmutable(), AddressesAsOf = nodes.AddressesAsOf };
        var decision = new Decision(mappings is null ? null : converged, null);
        foreach (var group in (moved ?? []).GroupBy(e => e.Record.Ham.Name, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            var records = Routes.InOrder(group).Select(e => Routes.For(e, converged.Fam, now)).ToList();
            var owner = new NodeId(group.Key);
            Pushes.Adopt(decision, owner, converged, records);
            if (!converged.Fam.IsNone && converged.Fam != owner)
            {
                Pushes.Update(decision, converged, records, []);
            }
        }

        return decision;
    }

    /// <summary>
    /// A FAM has nothing at an address that is another node's now, and says where it goes on. One that is the HAM as well has come back to it: it serves at the masquerade endpoint, and
    /// had the other one only for what was on its way.
    /// </summary>
    private static ImmutableArray<FamRecord> AtTheirOwn(MappingEntry entry, NodeId ham, NodeDirectory nodes)
    {
        bool IsGone(FamRecord fam) => nodes.MovedTo(fam.Endpoint.Address) is { IsNone: false } now && now != fam.Node;
        return !entry.Fams.Any(IsGone)
            ? entry.Fams
            : [.. entry.Fams.Where(f => !IsGone(f) || f.Node == ham).Select(f => IsGone(f) ? f with { Endpoint = entry.Record.Mapping.Masquerade } : f)];
    }

    /// <summary>A node has failed: whom it served it serves no more, and nobody waits for its last word. Null if the client is not concerned.</summary>
    /// <param name="state">The client, its mappings already at their new HAMs.</param>
    /// <param name="node">The node.</param>
    /// <param name="at">When it failed: what it does since, in another life, is another thing.</param>
    /// <param name="context">What else a step may look at.</param>
    public static Decision? NodeFailed(ClientRecord state, NodeId node, Instant at, StepContext context)
    {
        var served = state.Fam == node && state.Since <= at;
        var awaited = state.Pending?.Awaited.Any(a => a.Node == node) ?? false;
        var left = state.IsFurther(node) && !context.Nodes.IsConnected(node) ? FurtherStep.Left(state, node, isThere: false, context) : null;
        state = left?.Next ?? state;
        if (!served && !awaited)
        {
            return left;
        }

        var next = state with { Pending = state.Pending?.Without(node) };
        if (served)
        {
            next = next with
            {
                Mappings = state.Mappings.SetItems(state.Mappings.Select(m => KeyValuePair.Create(m.Key, m.Value.WithoutFam(node)))),
                Fam = NodeId.None,
                PreviousFam = node,
                Pending = null,
                Answered = false,
                Since = context.Now,
            };
        }

        var decision = new Decision(next, null);
        if (left is not null)
        {
            decision = decision.After(left);
        }

        if (served)
        {
            HamStep.PushCleared(decision, state, next, node);
            FurtherStep.PushSummon(decision, state, context);
        }
        else if (!next.Fam.IsNone)
        {
            Pushes.Update(decision, next, [], []);
        }

        return decision;
    }
}
