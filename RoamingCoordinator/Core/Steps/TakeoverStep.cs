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
    public static Decision? Converge(ClientRecord state, NodeDirectory nodes, IReadOnlyList<IpAddress> told)
    {
        List<MappingEntry>? moved = null;
        ImmutableDictionary<MappingId, MappingEntry>.Builder? mappings = null;
        foreach (var entry in state.Mappings.Values)
        {
            var owner = nodes.MovedTo(entry.Record.Mapping.Masquerade.Address);
            var fams = entry.Fams.RemoveAll(f => nodes.MovedTo(f.Endpoint.Address) is { IsNone: false } now && now != f.Node);
            if ((owner.IsNone || owner == entry.Record.Ham) && fams.Length == entry.Fams.Length)
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
            var records = Routes.InOrder(group).Select(e => Routes.For(e, converged.Fam)).ToList();
            var owner = new NodeId(group.Key);
            Pushes.Adopt(decision, owner, converged, records);
            if (!converged.Fam.IsNone && converged.Fam != owner)
            {
                Pushes.Update(decision, converged, records, []);
            }
        }

        return decision;
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
        if (!served && !awaited)
        {
            return null;
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
        if (served)
        {
            HamStep.PushCleared(decision, state, next, node);
        }
        else if (!next.Fam.IsNone)
        {
            Pushes.Update(decision, next, [], []);
        }

        return decision;
    }
}
