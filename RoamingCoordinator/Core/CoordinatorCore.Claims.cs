using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// One client per masquerade endpoint. The store finds the conflict when it is about to set a record; it is resolved by a second step over the other client's record. That step
/// does not wait in the other client's lane, so that two clients can never wait for each other; the versions keep it safe.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>Of what a node reports, the mappings that no other client has: these are refused one by one, not the whole report.</summary>
    private static IReadOnlyList<MappingRecord> Admitted(IReadOnlyList<MappingRecord> records, IReadOnlySet<MappingId> refused) =>
        [.. records.Where(r => !refused.Contains(r.Mapping))];

    /// <summary>Whether the request itself speaks of a mapping: that the record has it from somebody else proves nothing.</summary>
    private static bool Names(ControlMessage? request, MappingId mapping) => request switch
    {
        Announce announce => announce.Mappings.Any(r => r.Mapping == mapping),
        HandOver handOver => handOver.Mappings.Any(r => r.Mapping == mapping),
        Depart depart => depart.Mappings.Any(r => r.Mapping == mapping),
        AnchorReport report => report.Mappings.Any(r => r.Mapping == mapping),
        Attach => true,
        _ => false,
    };

    /// <summary>A record that still has what turned out to be another client's: after a loss the store may hold both. Its FAM is told.</summary>
    private static Decision Without(Decision decision, IReadOnlySet<MappingId> refused)
    {
        if (decision.Next is not { } next || !next.Mappings.Keys.Any(refused.Contains))
        {
            return decision;
        }

        var gone = next.Mappings.Keys.Where(refused.Contains).ToList();
        var less = next with { Mappings = next.Mappings.RemoveRange(gone) };
        var without = decision with { Next = less };
        if (!less.Fam.IsNone)
        {
            Pushes.Update(without, less, [], gone);
        }

        return without;
    }

    /// <summary>Settles the conflicts of a round of one, one after the other, then decides again.</summary>
    private void Settle(Lane lane, ClientRecord wanted, IReadOnlyList<EndpointClaim> claims, int index)
    {
        if (index == claims.Count)
        {
            Decide(lane);
            return;
        }

        // A mapping that its own HAM claims for one client cannot be another's any more: the port was rested and is used again.
        var (claim, job) = (claims[index], lane.Round[0]);
        var proven = wanted.Mappings.TryGetValue(claim.Mapping, out var entry) && entry.Record.Ham == job.Authority
            && Nodes.OwnerOf(claim.Mapping.Masquerade.Address) == job.Authority && Names(job.Request, claim.Mapping);
        Withdraw(lane, claim, proven, attempt: 1, () => Settle(lane, wanted, claims, index + 1));
    }

    /// <summary>
    /// Takes a claim away from a client: by proof, or because its record knows nothing of it (its coordinator died between claim and record, or the mapping has ended since).
    /// </summary>
    private void Withdraw(Lane lane, EndpointClaim claim, bool proven, int attempt, Action then) => _store.Load(claim.Client, loaded =>
    {
        if (loaded.Failure != StoreFailure.None)
        {
            CountFailure(loaded.Failure);
            GiveUp(lane);
            return;
        }

        var owner = loaded.Found.Record;
        var has = owner is not null && owner.Mappings.ContainsKey(claim.Mapping);
        if (has && !proven)
        {
            var job = lane.Round[0];
            ClaimsRefused++;
            _output.Report(new ClaimRefused(job.Asker?.Id ?? NodeId.None, job.Client, $"{claim.Mapping} belongs to {claim.Client}", RefusalKind.MappingTaken));
            (job.Refused ??= []).Add(claim.Mapping);
            then();
            return;
        }

        // Also without the mapping the record is set: whoever is about to give it this mapping must find another version.
        var decision = has ? HamStep.Disown(owner!, [claim.Mapping]) : new Decision(owner ?? new ClientRecord { Client = claim.Client }, null);
        _store.CompareAndSet(decision.Next!, loaded.Found, new SetScope(Withdrawn: [claim]), set =>
        {
            switch (set.Outcome)
            {
                case StoreOutcome.Stored:
                    Carry(decision, asker: null);
                    then();
                    break;
                case StoreOutcome.Changed when attempt < MaxAttempts:
                    Withdraw(lane, claim, proven, attempt + 1, then);
                    break;
                case StoreOutcome.Failed:
                    CountFailure(set.Failure);
                    GiveUp(lane);
                    break;
                default:
                    then();
                    break;
            }
        });
    });
}
