using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Looking at all users' sessions, where nobody can say beforehand which clients are concerned: for a change that names a user, and for policies that have changed. A few clients at a time, in short turns, and no faster than
/// access points take in what follows from it.
/// </summary>
public sealed partial class CoordinatorCore
{
    private const int ClientsOfWalkAtOnce = 32;
    private const int ClientsOfWalkPerTurn = 256;

    /// <summary>Walks that may be under way at once: each goes through all clients.</summary>
    private const int MaxWalks = 64;

    private readonly List<UserWalk> _walks = [];

    /// <summary>Walks through all sessions that are under way.</summary>
    public int UserWalks => _walks.Count;

    /// <summary>Finds users' sessions.</summary>
    /// <param name="isMeant">Which.</param>
    /// <param name="most">After so many it looks no further.</param>
    /// <param name="done">Is told of them; null: the store cannot tell, or too many look already.</param>
    /// <param name="now">The time.</param>
    public void FindUserSessions(Func<MacAddress, UserRecord, bool> isMeant, int most, Action<IReadOnlyList<(MacAddress Client, UserRecord User)>?> done, Instant now)
    {
        _now = now;
        var found = new List<(MacAddress, UserRecord)>();
        Walk(
            (record, next) =>
            {
                if (record.User is { } user && found.Count < most && isMeant(record.Client, user))
                {
                    found.Add((record.Client, user));
                }

                next();
                return found.Count < most;
            },
            failure => done(failure == StoreFailure.None ? found : null));
    }

    /// <summary>Goes through all clients.</summary>
    /// <param name="visit">Looks at one and calls back, then or later; false: that was enough.</param>
    /// <param name="done">Called once.</param>
    private void Walk(Func<ClientRecord, Action, bool> visit, Action<StoreFailure> done)
    {
        if (_walks.Count >= MaxWalks)
        {
            done(StoreFailure.Busy);
            return;
        }

        var walk = new UserWalk(visit, done);
        _walks.Add(walk);
        GoOn(walk);
    }

    private void GoOn(UserWalk walk)
    {
        if (walk.IsInTurn || walk.IsOver)
        {
            return;
        }

        // A store that answers at once calls back from within.
        walk.IsInTurn = true;
        var left = ClientsOfWalkPerTurn;
        while (left > 0 && !walk.HasEnough && walk.UnderWay < ClientsOfWalkAtOnce && HaveRoom())
        {
            if (walk.Page.TryDequeue(out var client))
            {
                left--;
                Visit(walk, client);
            }
            else if (walk.IsListing || walk.HasAll)
            {
                break;
            }
            else
            {
                List(walk);
            }
        }

        walk.IsInTurn = false;
        walk.NextTurn = _now + (left == 0 ? TurnInterval : SettleInterval);
        if (walk is { UnderWay: 0, IsListing: false } && (walk.HasEnough || (walk.HasAll && walk.Page.Count == 0)) && _walks.Remove(walk))
        {
            walk.IsOver = true;
            walk.Done(walk.Failure);
        }
    }

    private void List(UserWalk walk)
    {
        walk.IsListing = true;
        _store.List(NodeId.None, walk.From, page =>
        {
            walk.IsListing = false;
            Note(walk, page.Failure);
            if (page.Failure == StoreFailure.None)
            {
                foreach (var client in page.Clients)
                {
                    walk.Page.Enqueue(client);
                }

                (walk.From, walk.HasAll) = (page.Next, page.Next == 0);
            }

            GoOn(walk);
        });
    }

    private void Visit(UserWalk walk, MacAddress client)
    {
        walk.UnderWay++;
        _store.Load(client, loaded =>
        {
            Note(walk, loaded.Failure);
            if (loaded.Found.Record is { } record && !walk.HasEnough)
            {
                walk.HasEnough |= !walk.Visit(record, () => Left(walk));
            }
            else
            {
                Left(walk);
            }
        });
    }

    private void Left(UserWalk walk)
    {
        walk.UnderWay--;
        GoOn(walk);
    }

    /// <summary>What has been looked at in part is not known.</summary>
    private void Note(UserWalk walk, StoreFailure failure)
    {
        if (failure != StoreFailure.None)
        {
            CountFailure(failure);
            walk.Failure = failure;
            walk.HasEnough = true;
        }
    }

    /// <summary>Whether access points keep up; one that does not take anything holds nobody up.</summary>
    private bool HaveRoom() => Nodes.Nodes.All(n => n.Outbox.Fill <= SweptRoom || !n.IsConnected || n.IsBehind || n.Outbox.OldestSince + SweepPatience < _now);

    private void AdvanceWalks(Instant now)
    {
        foreach (var walk in _walks.Where(w => w.NextTurn <= now).ToArray())
        {
            GoOn(walk);
        }
    }

    private sealed class UserWalk(Func<ClientRecord, Action, bool> visit, Action<StoreFailure> done)
    {
        public Func<ClientRecord, Action, bool> Visit { get; } = visit;

        public Action<StoreFailure> Done { get; } = done;

        public Queue<MacAddress> Page { get; } = new();

        public ulong From { get; set; }

        public bool HasAll { get; set; }

        public bool HasEnough { get; set; }

        public bool IsListing { get; set; }

        public bool IsInTurn { get; set; }

        public bool IsOver { get; set; }

        public int UnderWay { get; set; }

        public Instant NextTurn { get; set; }

        public StoreFailure Failure { get; set; }
    }
}
