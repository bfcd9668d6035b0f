using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Publishing;

namespace Masquerade.RoamingCoordinator.Steps;

/// <summary>
/// Published services are explicit mappings that do not end. As with addresses that have moved, what the operator has said is written down once, and a client's record is made to
/// agree with it whenever it is looked at.
/// </summary>
public static class PublishStep
{
    /// <summary>Gives a client the mappings that are published for it and takes from it those that are not (any more). Null if all is so already.</summary>
    public static Decision? Converge(ClientRecord state, PublishedServices services, NodeDirectory nodes, Instant now)
    {
        List<MappingEntry>? added = null;
        HashSet<MappingId>? published = null;
        foreach (var (service, clientEndpoint) in services.Of(state))
        {
            (published ??= []).Add(service.Mapping);
            var owner = nodes.OwnerOf(service.Mapping.Masquerade.Address);
            state.Mappings.TryGetValue(service.Mapping, out var known);
            var isThere = known is { Record.Explicit.Published: true } && known.Record.ClientEndpoint == clientEndpoint;
            if (!isThere && nodes.IsConnected(owner) && (known is null || known.Record.Explicit is { Published: true } || known.Record.ClientEndpoint == clientEndpoint))
            {
                (added ??= []).Add(Entry(state, service, clientEndpoint, owner, known, now));
            }
        }

        var gone = state.Mappings.Values.Where(e => e.Record.Explicit is { Published: true } && published?.Contains(e.Record.Mapping) != true).ToList();
        if (added is null && gone.Count == 0)
        {
            return null;
        }

        var mappings = state.Mappings.ToBuilder();
        mappings.RemoveRange(gone.Select(e => e.Record.Mapping));
        foreach (var entry in added ?? [])
        {
            mappings[entry.Record.Mapping] = entry;
        }

        var next = state with { Mappings = mappings.ToImmutable() };
        var decision = new Decision(next, null);
        Routes.PushEnded(decision, state.Client, state.Epoch, gone, except: NodeId.None);
        Routes.PushTerms(decision, next, added ?? [], now);
        if (!next.Fam.IsNone)
        {
            Pushes.Update(decision, next, (added ?? []).Select(e => Routes.For(e, next.Fam, now)), [.. gone.Select(e => e.Record.Mapping)]);
        }

        return decision;
    }

    private static MappingEntry Entry(ClientRecord state, PublishedService service, TransportEndpoint clientEndpoint, NodeId owner, MappingEntry? known, Instant now)
    {
        var record = known?.Record ?? new MappingRecord { Mapping = service.Mapping, ClientEndpoint = clientEndpoint, Ham = owner, AnchorEpoch = state.Epoch, Revision = 0 };
        record = record with
        {
            ClientEndpoint = clientEndpoint,
            Explicit = new ExplicitTerms { Nonce = default, LifetimeMilliseconds = ExplicitTerms.Forever, AgeMilliseconds = 0, Published = true },
        };
        var entry = known is null ? new MappingEntry(record, Epoch.None, []) { TermsAt = now } : known with { Record = record, TermsAt = now };
        return owner == state.Fam && entry.EndpointAt(owner).IsNone ? entry.WithFam(new FamRecord(owner, service.Mapping.Masquerade, state.Epoch)) : entry;
    }
}
