using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Api.Observing;

/// <summary>The latest moves of the clients that moved last. For the coordinator's loop alone.</summary>
/// <param name="length">Moves per client.</param>
/// <param name="clients">Clients.</param>
internal sealed class Trails(int length, int clients)
{
    private readonly Dictionary<MacAddress, LinkedListNode<Trail>> _byClient = [];
    private readonly LinkedList<Trail> _byAge = new();

    /// <summary>Adds a move.</summary>
    public void Add(Roam roam)
    {
        if (_byClient.TryGetValue(roam.Client, out var known))
        {
            _byAge.Remove(known);
        }
        else
        {
            if (_byClient.Count >= clients)
            {
                _byClient.Remove(_byAge.First!.Value.Client);
                _byAge.RemoveFirst();
            }

            known = new LinkedListNode<Trail>(new Trail(roam.Client));
            _byClient[roam.Client] = known;
        }

        _byAge.AddLast(known);
        var roams = known.Value.Roams;
        if (roams.Count == length)
        {
            roams.RemoveAt(0);
        }

        roams.Add(roam);
    }

    /// <summary>A client's moves, the latest first.</summary>
    public IReadOnlyList<Roam> Of(MacAddress client) => _byClient.TryGetValue(client, out var found) ? [.. Enumerable.Reverse(found.Value.Roams)] : [];

    private sealed record Trail(MacAddress Client)
    {
        public List<Roam> Roams { get; } = [];
    }
}
