using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Neighbours;

/// <summary>Where the client with an address is, if it is not here: the coordinator's latest word, or the question for it.</summary>
internal sealed class Whereabout(IpAddress address)
{
    public IpAddress Address { get; } = address;

    public MacAddress Client { get; set; }

    public Epoch Epoch { get; set; }

    public IReadOnlyList<TransportEndpoint> Peers { get; set; } = [];

    public ulong Key { get; set; }

    /// <summary>Where it was before, and until when that node may still have packets from there on their way.</summary>
    public IReadOnlyList<TransportEndpoint> Former { get; set; } = [];

    public Instant FormerUntil { get; set; }

    /// <summary>The question that is under way; 0 if none is.</summary>
    public ulong Question { get; set; }

    /// <summary>The client on whose behalf it was asked for first.</summary>
    public MacAddress Asker { get; set; }

    /// <summary>Until then the answer counts that nobody has the address.</summary>
    public Instant UnknownUntil { get; set; }

    /// <summary>Before that it is not asked for again because somebody says, or it seems, that it is not there.</summary>
    public Instant DoubtAgain { get; set; }

    /// <summary>When it is asked for anew if it is used.</summary>
    public Instant AskAgain { get; set; }

    /// <summary>Its node has said that it is not there; until then an answer that nobody knows of it is believed.</summary>
    public Instant GoneUntil { get; set; }

    public Instant LastUsed { get; set; }

    public bool IsKnown => Peers.Count > 0;

    /// <summary>Where its node takes packets of a family; none if it does not.</summary>
    public TransportEndpoint PeerOf(bool isIPv4)
    {
        for (var i = 0; i < Peers.Count; i++)
        {
            if (Peers[i].Address.IsIPv4 == isIPv4)
            {
                return Peers[i];
            }
        }

        return TransportEndpoint.None;
    }

    /// <summary>Whether a node speaks for the client, or did a moment ago.</summary>
    public bool IsAt(IpAddress node, Instant now) => Holds(Peers, node) || (now < FormerUntil && Holds(Former, node));

    public static bool Holds(IReadOnlyList<TransportEndpoint> peers, IpAddress node)
    {
        for (var i = 0; i < peers.Count; i++)
        {
            if (peers[i].Address == node)
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>
/// Where clients are that are not here. Fixed bounds, for clients choose what is asked for: on the whole, for what is being asked, and for what one client asks. What is not used is forgotten.
/// </summary>
internal sealed class Whereabouts(int most, uint seed)
{
    /// <summary>The most addresses that are asked for at once, and the most of them of one client: fewer when there are many, so that whoever scans leaves room for everybody else.</summary>
    public const int MaxUnknown = 1_024;
    public const int MaxUnknownPerClient = 32;
    private const int ManyUnknown = 256;
    private const int MaxUnknownOfMany = 4;

    private static readonly TimeSpan s_idle = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_unknownIdle = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_sweepInterval = TimeSpan.FromSeconds(1);

    private readonly Dictionary<IpAddress, Whereabout> _places = new(new AddressComparer(seed));

    // How many addresses are asked for on behalf of each client that asks.
    private readonly Dictionary<MacAddress, int> _asked = [];
    private int _unknown;
    private Instant _sweepAt = Instant.Never;

    public int Count => _places.Count;

    public Instant NextDeadline => _sweepAt;

    public IEnumerable<Whereabout> All => _places.Values;

    public Whereabout? Find(IpAddress address) => _places.GetValueOrDefault(address);

    /// <summary>What is remembered of an address, made if it is not yet; null if there is no room.</summary>
    public Whereabout? Use(IpAddress address, MacAddress asker, Instant now)
    {
        if (!_places.TryGetValue(address, out var place))
        {
            if (_places.Count >= most || _unknown >= MaxUnknown || _asked.GetValueOrDefault(asker) >= (_unknown < ManyUnknown ? MaxUnknownPerClient : MaxUnknownOfMany))
            {
                return null;
            }

            _places[address] = place = new Whereabout(address) { Asker = asker };
            CountAsked(place, 1);
            _sweepAt = Instant.Min(_sweepAt, now + s_sweepInterval);
        }

        place.LastUsed = now;
        return place;
    }

    /// <summary>The coordinator's word on an address. What is older than what is known of the same client is ignored.</summary>
    /// <param name="at">The word.</param>
    /// <param name="forwardTime">How long a node that a client has left may still send for it.</param>
    /// <param name="now">The time.</param>
    public void Learn(NeighbourAt at, TimeSpan forwardTime, Instant now)
    {
        if (!_places.TryGetValue(at.Address, out var place))
        {
            return;
        }

        place.Question = place.Question == at.Id ? 0 : place.Question;
        if (at.Peers.Count == 0 || at.Client.IsNone)
        {
            // A coordinator that has just begun knows less than this node. Whoever is not there any more is not where it was either, and that node says so.
            if (place.IsKnown && now < place.GoneUntil)
            {
                place.Peers = [];
                CountAsked(place, 1);
            }

            place.UnknownUntil = place.IsKnown ? now : now + s_unknownIdle;
            place.AskAgain = now + s_unknownIdle;
            return;
        }

        if (place.IsKnown && place.Client == at.Client && at.Epoch < place.Epoch)
        {
            return;
        }

        if (place.IsKnown && at.Epoch != place.Epoch)
        {
            (place.Former, place.FormerUntil) = (place.Peers, now + forwardTime);
        }

        if (!place.IsKnown)
        {
            CountAsked(place, -1);
        }

        (place.Client, place.Epoch, place.Peers, place.Key) = (at.Client, at.Epoch, at.Peers, at.Key);
        (place.UnknownUntil, place.AskAgain) = (Instant.Zero, now + TimeSpan.FromSeconds(30));
    }

    /// <summary>Forgets what has not been used; questions that have come to nothing are given to <paramref name="forgotten"/>.</summary>
    public void Advance(Instant now, Action<ulong> forgotten)
    {
        if (now < _sweepAt)
        {
            return;
        }

        foreach (var (address, place) in _places)
        {
            if (now - place.LastUsed > (place.IsKnown ? s_idle : s_unknownIdle))
            {
                Remove(address, place, forgotten);
            }
        }

        _sweepAt = _places.Count == 0 ? Instant.Never : now + s_sweepInterval;
    }

    public void Clear()
    {
        _places.Clear();
        _asked.Clear();
        (_unknown, _sweepAt) = (0, Instant.Never);
    }

    private void Remove(IpAddress address, Whereabout place, Action<ulong> forgotten)
    {
        _places.Remove(address);
        if (!place.IsKnown)
        {
            CountAsked(place, -1);
        }

        if (place.Question != 0)
        {
            forgotten(place.Question);
        }
    }

    private void CountAsked(Whereabout place, int change)
    {
        _unknown += change;
        var asked = _asked.GetValueOrDefault(place.Asker) + change;
        if (asked == 0)
        {
            _asked.Remove(place.Asker);
        }
        else
        {
            _asked[place.Asker] = asked;
        }
    }

    private sealed class AddressComparer(uint seed) : IEqualityComparer<IpAddress>
    {
        public bool Equals(IpAddress x, IpAddress y) => x == y;

        public int GetHashCode(IpAddress address) => (int)FlowHash.Of(TransportProtocol.Udp, new TransportEndpoint(address, 0), seed);
    }
}
