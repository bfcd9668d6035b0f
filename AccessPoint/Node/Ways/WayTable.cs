using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Ways;

/// <summary>The ways of a node: by whom its clients' packets could go, and to whom its mappings' packets go. Fixed bounds; what does not fit goes as it is.</summary>
internal sealed class WayTable(OutboundWay mode, TimeSpan interval, SeededRandom random)
{
    /// <summary>The most ways that are remembered.</summary>
    public const int MaxWays = 1_024;

    private readonly Dictionary<(bool ToServers, IpAddress Peer, IpAddress Own), Way> _ways = new(new KeyComparer((uint)random.NextUInt64()));
    private Way? _last;

    /// <summary>Whether packets may go in another way at all.</summary>
    public bool IsOn => mode != OutboundWay.Direct;

    /// <summary>Every way.</summary>
    public IEnumerable<Way> All => _ways.Values;

    /// <summary>When <see cref="TryAsk"/> may have something to do.</summary>
    public Instant NextDeadline { get; private set; } = Instant.Never;

    /// <summary>On how many ways packets are rewritten.</summary>
    public int Rewritten { get; private set; }

    /// <summary>The way of a packet; null if there is no room to remember it.</summary>
    public Way? Use(bool toServers, IpAddress peer, IpAddress own, IpAddress sample, Instant now)
    {
        var way = _last;
        if (way is null || way.ToServers != toServers || way.Peer != peer || way.Own != own)
        {
            if (!_ways.TryGetValue((toServers, peer, own), out way))
            {
                if (_ways.Count >= MaxWays && !ForgetUnused(now))
                {
                    return null;
                }

                _ways[(toServers, peer, own)] = way = new Way(toServers, peer, own, interval, random);
            }

            _last = way;
        }

        way.Use(sample, now);
        NextDeadline = Instant.Min(NextDeadline, way.Next);
        return way;
    }

    /// <summary>A way that has been used before, or null.</summary>
    public Way? Find(bool toServers, IpAddress peer, IpAddress own) => _ways.GetValueOrDefault((toServers, peer, own));

    /// <summary>The next way whose questions are due. False if there is none.</summary>
    public bool TryAsk(Instant now, out Way way, out (WayQuestion Question, ulong Token) first, out (WayQuestion Question, ulong Token) second, List<Way> changed)
    {
        (way, first, second) = (null!, default, default);
        if (now < NextDeadline)
        {
            return false;
        }

        var next = Instant.Never;
        foreach (var candidate in _ways.Values)
        {
            if (candidate.Next > now)
            {
                next = Instant.Min(next, candidate.Next);
                continue;
            }

            var before = candidate.State;
            var asks = candidate.TryAsk(now, mode == OutboundWay.ByHam, out first, out second, out var isNews);
            if (isNews)
            {
                changed.Add(candidate);
                Rewritten += candidate.State == WayState.Rewritten ? 1 : before == WayState.Rewritten ? -1 : 0;
            }

            if (asks)
            {
                way = candidate;
                return true;
            }

            next = Instant.Min(next, candidate.Next);
        }

        NextDeadline = next;
        return false;
    }

    public void OnProbed(ulong token, ulong cookie, Instant now)
    {
        foreach (var way in _ways.Values)
        {
            if (way.OnProbed(token, cookie, now))
            {
                NextDeadline = Instant.Min(NextDeadline, way.Next);
                return;
            }
        }
    }

    public void OnControlHeard(ulong token, IpAddress by, Instant now)
    {
        foreach (var way in _ways.Values)
        {
            if (way.OnControlHeard(token, by, now))
            {
                NextDeadline = Instant.Min(NextDeadline, way.Next);
                return;
            }
        }
    }

    /// <summary>A node that did not know the cookie has given a new one. True if there is a way that showed that one.</summary>
    public bool OnNewCookie(IpAddress peer, ulong old, ulong cookie)
    {
        var isNews = false;
        foreach (var way in _ways.Values)
        {
            if (way.Peer == peer && way.HasCookie && way.Cookie == old)
            {
                way.Cookie = cookie;
                isNews = true;
            }
        }

        return isNews;
    }

    /// <summary>An address is not this node's any more: nothing is known of the ways from there.</summary>
    public void Forget(IpAddress own)
    {
        _last = null;
        foreach (var (key, way) in _ways)
        {
            if (way.Own == own)
            {
                Remove(key, way);
            }
        }
    }

    public void Clear()
    {
        _last = null;
        _ways.Clear();
        (NextDeadline, Rewritten) = (Instant.Never, 0);
    }

    private bool ForgetUnused(Instant now)
    {
        foreach (var (key, way) in _ways)
        {
            if (now - way.LastUsed > interval + interval)
            {
                Remove(key, way);
                return true;
            }
        }

        return false;
    }

    private void Remove((bool ToServers, IpAddress Peer, IpAddress Own) key, Way way)
    {
        _ways.Remove(key);
        Rewritten -= way.State == WayState.Rewritten ? 1 : 0;
    }

    private sealed class KeyComparer(uint seed) : IEqualityComparer<(bool ToServers, IpAddress Peer, IpAddress Own)>
    {
        public bool Equals((bool ToServers, IpAddress Peer, IpAddress Own) x, (bool ToServers, IpAddress Peer, IpAddress Own) y) => x == y;

        public int GetHashCode((bool ToServers, IpAddress Peer, IpAddress Own) key) => (int)FlowHash.Of(
            new FlowTuple(new TransportEndpoint(key.Peer, key.ToServers ? (ushort)1 : (ushort)0), new TransportEndpoint(key.Own, 0), TransportProtocol.Udp), seed);
    }
}
