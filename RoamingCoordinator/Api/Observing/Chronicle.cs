using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Api.Metrics;

namespace Masquerade.RoamingCoordinator.Api.Observing;

/// <summary>
/// Writes down what happens: events for the stream, moves for the trails, figures for the metrics. For the coordinator's loop alone, except for the ring.
/// </summary>
internal sealed class Chronicle
{
    private readonly TimeProvider _wall;
    private readonly Dictionary<NodeId, Instant> _sessions = [];

    public Chronicle(ApiSettings settings, TimeProvider wall)
    {
        _wall = wall;
        Ring = new EventRing(settings.EventHistory);
        Trails = new Trails(settings.TrailLength, settings.TrailClients);
    }

    /// <summary>The events.</summary>
    public EventRing Ring { get; }

    /// <summary>The moves.</summary>
    public Trails Trails { get; }

    /// <summary>Messages of agents, by type.</summary>
    public Dictionary<Type, long> Received { get; } = [];

    /// <summary>Messages to agents, by type.</summary>
    public Dictionary<Type, long> Sent { get; } = [];

    /// <summary>Refusals, by kind.</summary>
    public long[] Refusals { get; } = new long[Enum.GetValues<RefusalKind>().Length];

    /// <summary>Moves, by outcome.</summary>
    public long[] Roams { get; } = new long[Enum.GetValues<RoamOutcome>().Length];

    /// <summary>Clients that came and were not known.</summary>
    public long Arrivals { get; private set; }

    /// <summary>Clients that left.</summary>
    public long Departures { get; private set; }

    /// <summary>Sessions that came up.</summary>
    public long SessionsOpened { get; private set; }

    /// <summary>Sessions that were replaced by a newer one.</summary>
    public long SessionsReplaced { get; private set; }

    /// <summary>How often the store had forgotten everything.</summary>
    public long StoresReborn { get; private set; }

    /// <summary>How often a node did not take its news and had to start over.</summary>
    public long NodesBehind { get; private set; }

    /// <summary>How often a node was taken for dead.</summary>
    public long NodesFailed { get; private set; }

    /// <summary>How often a user has authenticated.</summary>
    public long UsersAuthenticated { get; private set; }

    /// <summary>How often a RADIUS server has changed what a session may do.</summary>
    public long UsersChanged { get; private set; }

    /// <summary>How often a guest has been admitted.</summary>
    public long GuestsAdmitted { get; private set; }

    /// <summary>How often a guest has been made captive again before his time.</summary>
    public long GuestsRevoked { get; private set; }

    /// <summary>How often an address has changed its owner, by cause.</summary>
    public long[] AddressesMoved { get; } = new long[Enum.GetValues<MoveCause>().Length];

    /// <summary>From arrival to completeness, in seconds.</summary>
    public Histogram HandOvers { get; } = new("masq_roam_hand_over_seconds", "From the arrival of a client until it was complete.");

    /// <summary>From departure to completeness, or from the arrival if there was no departure, in seconds.</summary>
    public Histogram Gaps { get; } =
        new("masq_roam_gap_seconds", "From the announced departure of a client, or else from its arrival, until the arrival was complete.");

    /// <summary>Since when a node is connected, or is not any more; null if it was never seen.</summary>
    public Instant? SessionSince(NodeId node) => _sessions.TryGetValue(node, out var since) ? since : null;

    /// <summary>Takes an event of the coordinator.</summary>
    public void Report(CoordinatorEvent report, Instant now)
    {
        switch (report)
        {
            case NodeUp up:
                _sessions[up.Node] = now;
                SessionsOpened++;
                Tell(new ApUp(up.Node, up.Restarted));
                break;
            case NodeDown down:
                _sessions[down.Node] = now;
                Tell(new ApDown(down.Node, down.Reason));
                break;
            case NodeReplaced replaced:
                SessionsReplaced++;
                Tell(new ApReplaced(replaced.Node));
                break;
            case NodeBehind behind:
                NodesBehind++;
                Tell(new ApBehind(behind.Node, behind.Lost));
                break;
            case NodeFailed failed:
                NodesFailed++;
                Tell(new ApFailed(failed.Node, failed.Addresses));
                break;
            case NodeDrained drained:
                Tell(new ApDrained(drained.Node, drained.Drained));
                break;
            case AddressMoved moved:
                AddressesMoved[(int)moved.Cause]++;
                Tell(new AddressChanged(moved.Address, moved.From, moved.To, moved.Epoch, moved.Cause));
                break;
            case ClaimRefused refused:
                Refusals[(int)refused.Kind]++;
                Tell(new Refused(refused.Node, refused.Client, refused.Kind, refused.Reason));
                break;
            case UserAuthenticated user:
                UsersAuthenticated++;
                Tell(new UserIn(user.Client, user.User, user.Node));
                break;
            case UserServed served:
                Tell(new UserAt(served.Client, served.User, served.Node, served.Proof));
                break;
            case UserSessionChanged changed:
                UsersChanged++;
                Tell(new UserChanged(changed.Client, changed.User, changed.Reason));
                break;
            case GuestAdmitted guest:
                GuestsAdmitted++;
                Tell(new GuestIn(guest.Client, guest.User, guest.Role, DateTimeOffset.FromUnixTimeMilliseconds(guest.Ends)));
                break;
            case GuestRevoked guest:
                GuestsRevoked++;
                Tell(new GuestOut(guest.Client, guest.User));
                break;
            case UserSessionEnded ended:
                Tell(new UserOut(ended.Client, ended.User, ended.Reason));
                break;
            case PlacementLooped looped:
                Tell(new PlacementRefused(looped.Asker, looped.Client, looped.Count));
                break;
            case StoreReborn:
                StoresReborn++;
                Tell(new StoreForgot());
                break;
            case StoreTrouble trouble:
                Tell(new StoreFailed(trouble.Reason, trouble.Count));
                break;
        }
    }

    /// <summary>A client's record has been set.</summary>
    public void OnStored(ClientRecord? before, ClientRecord after, Instant now)
    {
        if (before is not null && before.Epoch == after.Epoch && before.Fam == after.Fam)
        {
            if (before.Pending is { } pending && after.Pending is null)
            {
                Roamed(before, after.PreviousFam, null, now, now >= pending.Deadline ? RoamOutcome.TimedOut : RoamOutcome.Complete);
            }

            return;
        }

        if (before?.Pending is not null)
        {
            Roamed(before, before.PreviousFam, null, now, RoamOutcome.Superseded);
        }

        if (after.Fam.IsNone)
        {
            if (before is { Fam.IsNone: false })
            {
                Departures++;
                Tell(new Observing.ClientLeft(after.Client, after.Epoch, before.Fam, after.Mappings.Count));
            }

            return;
        }

        var asked = after.LastArrivals.TryGetValue(after.Fam.Name!, out var arrival) && arrival.Id == after.ArriveId;
        var from = before is null ? NodeId.None : before.Fam.IsNone ? before.PreviousFam : before.Fam;
        if (!asked)
        {
            Tell(new ClientFound(after.Client, after.Epoch, after.Fam, after.Mappings.Count));
        }
        else if (from.IsNone)
        {
            Arrivals++;
            Tell(new ClientArrived(after.Client, after.Epoch, after.Fam));
        }
        else if (after.Pending is null)
        {
            Roamed(after, from, before!.Departed ? now - before.Since : null, now, RoamOutcome.Complete);
        }
    }

    /// <summary>Counts a message.</summary>
    public static void Count(Dictionary<Type, long> counts, ControlMessage message)
    {
        // One entry per type of message: bounded by the protocol.
        System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(counts, message.GetType(), out _)++;
    }

    private void Roamed(ClientRecord arrived, NodeId from, TimeSpan? absence, Instant now, RoamOutcome outcome)
    {
        var handOver = now - arrived.Since;
        var roam = new Roam(arrived.Client, arrived.Epoch, from, arrived.Fam, _wall.GetUtcNow() - handOver, absence, handOver, arrived.Mappings.Count, outcome);
        Roams[(int)outcome]++;
        if (outcome != RoamOutcome.Superseded)
        {
            HandOvers.Observe(roam.HandOver.TotalSeconds);
            Gaps.Observe(roam.Gap.TotalSeconds);
        }

        Trails.Add(roam);
        Tell(new ClientRoamed(roam));
    }

    private void Tell(SiteEvent happened) => Ring.Append(happened, _wall.GetUtcNow());
}
