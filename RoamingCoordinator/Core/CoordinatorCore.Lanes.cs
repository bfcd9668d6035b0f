using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;

namespace Masquerade.RoamingCoordinator;

/// <summary>What is to be decided, client by client.</summary>
public sealed partial class CoordinatorCore
{
    /// <summary>What the store has made of an order.</summary>
    [Flags]
    private enum OrderFate
    {
        /// <summary>It has kept what was decided, or had nothing to keep.</summary>
        None = 0,

        /// <summary>It has not.</summary>
        Lost = 1,

        /// <summary>It did not say so, once: it may have kept it.</summary>
        Unsure = 2,
    }

    /// <summary>One decision to be made.</summary>
    private sealed class Job(MacAddress client, Func<ClientRecord?, IReadOnlySet<MappingId>?, Decision?> step)
    {
        public MacAddress Client { get; } = client;

        /// <summary>From the client's record, and the mappings that were found to be another client's, to a decision. Has no side effects and may be called again.</summary>
        public Func<ClientRecord?, IReadOnlySet<MappingId>?, Decision?> Step { get; } = step;

        /// <summary>Who gets the answer.</summary>
        public NodeState? Asker { get; init; }

        public ControlMessage? Request { get; init; }

        /// <summary>Whose word counts for the masquerade endpoints that it owns.</summary>
        public NodeId Authority { get; init; }

        /// <summary>Whether it comes straight from an agent, which will ask again if there is no answer.</summary>
        public bool IsRequest { get; init; }

        /// <summary>Whether the whole record is to be claimed in the index again.</summary>
        public bool ClaimsAll { get; init; }

        /// <summary>Addresses of which the owner is told everything, not only what this job makes right.</summary>
        public IReadOnlyList<IpAddress> Tells { get; init; } = [];

        /// <summary>Called once when all is done.</summary>
        public Action? Done { get; set; }

        /// <summary>From then on it is not tried again when the store fails: whoever ordered it is told so.</summary>
        public Instant Patience { get; init; } = Instant.Never;

        /// <summary>What the store has made of it.</summary>
        public OrderFate Fate { get; set; }

        /// <summary>Whoever ordered it is told that once, when all is done.</summary>
        public Action<OrderFate>? Settled { get; set; }

        public HashSet<MappingId>? Refused { get; set; }

        /// <summary>Whether it came while others about the client were under way; it counts as waiting until it is done.</summary>
        public bool HasWaited { get; set; }
    }

    /// <summary>
    /// The decisions about one client: those being made, in one round over one loaded record, and those that came meanwhile, which make up the next round. So a client with
    /// thousands of connections costs the store one read and one write a round, however much is said of it.
    /// </summary>
    private sealed class Lane
    {
        /// <summary>The most decisions in one round.</summary>
        private const int MaxTogether = 256;

        private readonly Queue<Job> _apart = new();

        public MacAddress Client { get; private set; }

        public List<Job> Round { get; } = [];

        /// <summary>What was decided for each of the round.</summary>
        public List<Decision?> Decisions { get; } = [];

        public Queue<Job> Waiting { get; } = new();

        public int Attempts { get; set; }

        public bool HasReadAddresses { get; set; }

        public void Begin(MacAddress client)
        {
            Client = client;
            Reset();
        }

        /// <summary>Leaves the first alone in the round; the others of it are next, one by one.</summary>
        public void Part()
        {
            for (var i = 1; i < Round.Count; i++)
            {
                _apart.Enqueue(Round[i]);
            }

            Round.RemoveRange(1, Round.Count - 1);
            Attempts = 0;
        }

        /// <summary>Those that were to be decided one by one are in one round again: the store that failed one of them fails all.</summary>
        public void Rejoin()
        {
            Round.AddRange(_apart);
            _apart.Clear();
        }

        /// <summary>The next round; false if there is nothing to decide.</summary>
        public bool Next()
        {
            Reset();
            if (_apart.TryDequeue(out var alone))
            {
                Round.Add(alone);
                return true;
            }

            while (Round.Count < MaxTogether && Waiting.TryDequeue(out var job))
            {
                Round.Add(job);
            }

            return Round.Count > 0;
        }

        public bool Holds(Job job) => Round.Exists(other => IsSame(other, job)) || _apart.Any(other => IsSame(other, job)) || Waiting.Any(other => IsSame(other, job));

        private void Reset()
        {
            Round.Clear();
            Decisions.Clear();
            Attempts = 0;
            HasReadAddresses = false;
        }

        private static bool IsSame(Job one, Job other) => one.IsRequest && one.Asker == other.Asker && one.Request!.Id == other.Request!.Id;
    }
}
