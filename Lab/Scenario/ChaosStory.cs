using Masquerade.Core.Flow;
using Masquerade.Lab.Net;
using Masquerade.Lab.Radio;
using Masquerade.Lab.Traffic;

namespace Masquerade.Lab.Scenario;

/// <summary>
/// c1 walks with very many connections, anchored everywhere, while coordinators, the store and access points are killed one after the other. Whatever was killed is there again before the
/// next kill.
/// </summary>
internal sealed class ChaosStory
{
    /// <summary>How long one kill takes at most, with everything that waits for it.</summary>
    public static readonly TimeSpan LongestKill = TimeSpan.FromSeconds(30);

    // A station that hears none of seven beacons, 102.4 ms apart, looks for another access point.
    private static readonly TimeSpan s_beaconLoss = TimeSpan.FromMilliseconds(717);
    private static readonly TimeSpan s_observed = TimeSpan.FromMilliseconds(3_000);
    private static readonly TimeSpan s_storeAway = TimeSpan.FromMilliseconds(1_000);
    // An empty store knows nobody until access points have announced what they have: before that, who walks is a stranger where he comes to.
    private static readonly TimeSpan s_announcePatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_returnPatience = TimeSpan.FromSeconds(15);

    // How long the loss of datagrams is excused after something died or came back. Whether the limit itself was kept is judged by the gaps, and said once.
    private static readonly long s_trouble = LabClock.Milliseconds(2 * DemoVerdict.TakeoverLimitMs);

    // What was sent that long before may have been on its way through what died.
    private static readonly long s_underWay = LabClock.Milliseconds(50);

    private readonly Stage _stage;
    private readonly ChaosOptions _options;
    private readonly MasqueradeNetwork _network;
    private readonly List<Kill> _kills = [];
    private readonly List<string> _troubles = [];
    private readonly SeededRandom? _chance;
    private int _dead = -1;

    public ChaosStory(Stage stage, ChaosOptions options)
    {
        _stage = stage;
        _options = options;
        _network = stage.Network as MasqueradeNetwork ?? throw new LabException("only the product's own programs can be killed");
        _chance = options.Seed is { } seed ? new SeededRandom(seed) : null;
    }

    /// <summary>What each kill did.</summary>
    public IReadOnlyList<KillReport> Reports => [.. _kills.Select(Report)];

    /// <summary>What did not happen although it should have.</summary>
    public IReadOnlyList<string> Troubles => _troubles;

    /// <summary>Whether, at an instant, something that had been killed was being replaced or was coming back.</summary>
    public bool IsTroubled(long at) => _kills.Exists(k => (at >= k.At - s_underWay && at <= k.At + s_trouble) || (at >= k.Restarted && at <= k.Back + s_trouble));

    /// <summary>Whether, at an instant, access points were looking for another coordinator: a roam then may take as long as the rest of their search.</summary>
    public bool IsUnled(long at) => _kills.Exists(k => k.Target == KillTarget.Coordinator && at >= k.At && at <= k.At + s_trouble);

    public void Play(CancellationToken cancel)
    {
        Gather(cancel);
        for (var i = 0; i < _options.Kills; i++)
        {
            // The roams that are left are spread over the kills that are left; one of each share comes in the middle of the kill.
            var share = (_stage.Options.Roams - _stage.Walk.Count) / (_options.Kills - i);
            for (var roam = 1; roam < share; roam++)
            {
                RoamOn();
                _stage.OpenNew();
                _stage.Stay(_stage.Options.Dwell, cancel);
            }

            KillOne(i, share > 0, cancel);
        }

        while (_stage.Walk.Count < _stage.Options.Roams)
        {
            RoamOn();
            _stage.Stay(_stage.Options.Dwell, cancel);
        }

        // TCP may still wait for its next attempt to send again.
        _stage.Stay(s_observed, cancel);
        if (_kills.Count > 0)
        {
            _kills[^1].Until = LabClock.Now;
        }
    }

    /// <summary>Opens the crowd, a part at each access point.</summary>
    private void Gather(CancellationToken cancel)
    {
        var interval = Crowd.Interval(_options.Connections);
        var left = _options.Connections;
        for (var places = LabTopology.AccessPointCount; places > 0; places--)
        {
            var share = places > 1 && _stage.Walk.Count < _stage.Options.Roams ? left / places : left;
            _stage.OpenCrowd(share, interval);
            left -= share;
            _stage.Stay(_stage.Options.Dwell, cancel);
            if (left == 0)
            {
                return;
            }

            RoamOn();
        }
    }

    private void RoamOn() => _stage.Roam(NextAlive(_stage.Radio.Where(0)));

    private int NextAlive(int accessPoint)
    {
        var next = (accessPoint + 1) % LabTopology.AccessPointCount;
        return next == _dead ? (next + 1) % LabTopology.AccessPointCount : next;
    }

    private void KillOne(int index, bool roam, CancellationToken cancel)
    {
        // As many faces for all access points together as for the two others.
        var face = _chance?.NextInt(4) ?? index % 4;
        switch (face)
        {
            case 0:
                KillCoordinator(roam, cancel);
                break;
            case 1:
                KillRedis(roam, cancel);
                break;
            default:
                KillAccessPoint(_chance?.NextInt(LabTopology.AccessPointCount) ?? (face == 2 ? BusiestElsewhere() : _stage.Radio.Where(0)), roam, cancel);
                break;
        }
    }

    /// <summary>Kills the coordinator that most agents are connected to.</summary>
    private void KillCoordinator(bool roam, CancellationToken cancel)
    {
        var agents = Enumerable.Range(0, LabTopology.AccessPointCount).Select(_network.CoordinatorOf).ToArray();
        var victim = Enumerable.Range(0, _network.CoordinatorCount).MaxBy(i => agents.Count(a => a == i));
        var theirs = Enumerable.Range(0, agents.Length).Where(k => agents[k] == victim).Select(k => $"AP{k + 1}");
        var kill = Begin(KillTarget.Coordinator, $"coordinator {MasqueradeNetwork.NameOf(victim)} of {string.Join(", ", theirs)}", () => _network.KillCoordinator(victim));
        if (roam)
        {
            // At once: its agents have not found another one yet.
            RoamOn();
        }

        _stage.OpenNew();
        _stage.Stay(s_observed, cancel);
        End(kill, () => _network.RestartCoordinator(victim, cancel), cancel);
    }

    /// <summary>Kills Redis, or where there is none the coordinator that is the store. It comes back with nothing in it.</summary>
    private void KillRedis(bool roam, CancellationToken cancel)
    {
        if (!_network.HasRedis)
        {
            KillCoordinator(roam, cancel);
            return;
        }

        var known = Enumerable.Range(0, _stage.Options.Clients).Select(RunningMappings).ToArray();
        var kill = Begin(KillTarget.Redis, "Redis", _network.KillRedis);
        _stage.OpenNew();
        _stage.Stay(s_storeAway, cancel);
        kill.Restarted = LabClock.Now;
        _stage.Blame(kill.Restarted);
        _network.RestartRedis();
        while (Enumerable.Range(0, known.Length).Any(client => _network.MappingsOf(client) < known[client]))
        {
            if (LabClock.Now - kill.Restarted > s_announcePatience.Ticks * 100)
            {
                var found = known.Select((count, client) => $"{_network.MappingsOf(client)} of {count}");
                _troubles.Add($"the store was not whole again {s_announcePatience.TotalSeconds:F0} s after Redis was back: {string.Join(" and ", found)} mappings");
                break;
            }

            _stage.Stay(TimeSpan.FromMilliseconds(20), cancel);
        }

        kill.Back = LabClock.Now;
        _stage.Observer.Back("what Redis knew", _stage.Seconds(kill.Back));
        if (roam)
        {
            RoamOn();
        }

        _stage.Stay(s_observed, cancel);
        Tell(kill);
    }

    /// <summary>As many mappings as a client's running connections have: those from one port of the client share one.</summary>
    private int RunningMappings(int client) =>
        _stage.Connections.Where(c => c.Client == client && c.Health == ConnectionHealth.Running).Select(c => (c.Protocol, c.ClientEndpoint)).Distinct().Count();

    /// <summary>Cuts an access point's power. Clients that were there come back elsewhere, as stations do that hear no beacon any more.</summary>
    private void KillAccessPoint(int victim, bool roam, CancellationToken cancel)
    {
        var guests = Enumerable.Range(0, _stage.Options.Clients).Where(c => _stage.Radio.Where(c) == victim).ToArray();
        var who = guests.Length == 0 ? string.Empty : $", with {string.Join(" and ", guests.Select(c => $"c{c + 1}"))}";
        var anchored = AnchoredAt(victim).Count();
        var kill = Begin(KillTarget.AccessPoint, $"AP{victim + 1}, which anchors {anchored} connections{who}", () => _network.PowerOff(victim), victim);
        _dead = victim;
        if (guests.Length > 0)
        {
            _stage.Stay(s_beaconLoss - TimeSpan.FromTicks((LabClock.Now - kill.At) / 100), cancel);
            foreach (var client in guests)
            {
                _ = _stage.Move(client, NextAlive(victim));
            }
        }

        _stage.Stay(s_observed, cancel);
        if (anchored > 0 && _network.Owners.AllHome(victim))
        {
            _troubles.Add($"nobody took over the addresses of AP{victim + 1} within {s_observed.TotalSeconds:F0} s");
        }

        if (roam)
        {
            RoamOn();
            _stage.OpenNew();
            _stage.Stay(_stage.Options.Dwell, cancel);
        }

        _dead = -1;
        End(
            kill,
            () =>
            {
                _network.PowerOn(victim, cancel);
                var deadline = LabClock.Now + (s_returnPatience.Ticks * 100);
                while (!_network.Owners.AllHome(victim))
                {
                    if (LabClock.Now > deadline)
                    {
                        _troubles.Add($"AP{victim + 1} did not get its addresses back within {s_returnPatience.TotalSeconds:F0} s");
                        return;
                    }

                    _stage.Stay(TimeSpan.FromMilliseconds(50), cancel);
                }
            },
            cancel);
    }

    /// <summary>The access point that anchors most of c1's connections, of those where c1 is not.</summary>
    private int BusiestElsewhere() => Enumerable.Range(0, LabTopology.AccessPointCount).Where(k => k != _stage.Radio.Where(0))
        .MaxBy(k => AnchoredAt(k).Count(c => c.Client == 0));

    private IEnumerable<LabConnection> AnchoredAt(int accessPoint)
    {
        var owners = _network.Owners;
        var now = LabClock.Now;
        return _stage.Connections.Where(c => c.SeenByServer is { } seen && owners.At(seen.Address, now) == accessPoint);
    }

    private Kill Begin(KillTarget target, string what, Action kill, int accessPoint = -1)
    {
        var concerned = (accessPoint < 0 ? _stage.Connections : AnchoredAt(accessPoint).Union(_stage.Connections.Where(c => _stage.Radio.Where(c.Client) == accessPoint)))
            .Where(c => c.Health == ConnectionHealth.Running).ToArray();
        if (_kills.Count > 0)
        {
            _kills[^1].Until = LabClock.Now;
        }

        var record = new Kill(target, what, LabClock.Now, concerned);
        _kills.Add(record);
        _stage.Blame(record.At);
        kill();
        _stage.Observer.Killed(what, _stage.Seconds(record.At));
        return record;
    }

    private void End(Kill kill, Action restart, CancellationToken cancel)
    {
        kill.Restarted = LabClock.Now;
        _stage.Blame(kill.Restarted);
        restart();
        kill.Back = LabClock.Now;
        _stage.Observer.Back(kill.What.Split(',', ' ') is ["coordinator", var name, ..] ? $"coordinator {name}" : kill.What.Split(',')[0], _stage.Seconds(kill.Back));
        _stage.Stay(TimeSpan.FromSeconds(1.5), cancel);
        Tell(kill);
    }

    private void Tell(Kill kill) => _stage.Observer.KillMeasured(Report(kill));

    private KillReport Report(Kill kill)
    {
        var until = kill.Until == 0 ? LabClock.Now : kill.Until;
        return new KillReport(kill.Target, kill.What, _stage.Seconds(kill.At), _stage.Seconds(kill.Back), Gaps(kill.Concerned, kill.At, kill.Restarted), Gaps(kill.Concerned, kill.Restarted, until));
    }

    private static IReadOnlyList<ConnectionGap> Gaps(IEnumerable<LabConnection> connections, long from, long until) =>
        [.. connections.Select(c => new ConnectionGap(c.Name, c.Protocol, c.Server.ToString(), LabClock.ToMilliseconds(c.LongestSilence(from, until)))).OrderByDescending(g => g.Ms)];

    private sealed class Kill(KillTarget target, string what, long at, IReadOnlyList<LabConnection> concerned)
    {
        public KillTarget Target { get; } = target;

        public string What { get; } = what;

        public long At { get; } = at;

        public IReadOnlyList<LabConnection> Concerned { get; } = concerned;

        public long Restarted { get; set; } = at;

        public long Back { get; set; } = at;

        public long Until { get; set; }
    }
}
