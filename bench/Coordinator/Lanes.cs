using System.Diagnostics;
using System.Globalization;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.Bench.Coordinator;

/// <summary>The lanes over one store: what the coordinator does, each measurement with its floor right before and right after.</summary>
internal sealed class Lanes : IDisposable
{
    /// <summary>Connections of one client in the lanes of set-ups: how many a phone has, more or less.</summary>
    private const int ConnectionsPerClient = 10;

    /// <summary>Connections in one announcement, where an access point reports those of some milliseconds at once.</summary>
    private const int Batch = 16;

    private readonly BenchOptions _options;
    private readonly Floors _floors;
    private readonly CoordinatorUnderTest _coordinator;
    private readonly LoadSite _site;
    private readonly Walkers _walkers;
    private readonly Action<Result> _report;
    private readonly string _store;
    private readonly int _recordBytes;
    private Usage _usage = new();

    public Lanes(BenchOptions options, Machine machine, Floors floors, bool overRedis, Action<Result> report)
    {
        (_options, _floors, _report, _store) = (options, floors, report, overRedis ? "Redis" : "memory");
        _coordinator = new CoordinatorUnderTest(machine, overRedis);
        try
        {
            _site = new LoadSite(_coordinator.EndPoint, options.Nodes);
            _walkers = new Walkers(_site);

            // A record of the size that floors are to write, and everything called once before anything is timed.
            var typical = _walkers.Arrive(options.Nodes, i => i, options.InFlight);
            _walkers.ForAll(typical.Length, options.InFlight, (i, done) => _walkers.Announce(typical[i], ConnectionsPerClient / 2, done));
            _recordBytes = !overRedis ? 0 : int.Parse(
                _coordinator.Redis!.Command("STRLEN", string.Create(CultureInfo.InvariantCulture, $"masq:c:{{{typical[0].Mac.Value:x12}}}")), CultureInfo.InvariantCulture);
            if (overRedis && _recordBytes == 0)
            {
                throw new BenchException("a client's record is not where it should be in Redis");
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private bool IsOverRedis => _coordinator.Redis is not null;

    public void Run()
    {
        IdleSetUp();
        SaturatedSetUp("set-ups per second, one request each (Attach)", 1, "0.5 x floor");
        SaturatedSetUp(string.Create(CultureInfo.InvariantCulture, $"set-ups per second, {Batch} in an announcement"), Batch, "0.5 x floor");
        IdleHandoff();
        SaturatedHandoff();
        Pushes();
        Arrivals();
    }

    public void Dispose()
    {
        _site?.Dispose();
        _coordinator.Dispose();
    }

    private void IdleSetUp()
    {
        var floor = (Name: IsOverRedis ? "bare UDP + bare Redis round trip" : "bare UDP round trip", Measure: (Func<double>)(() => _floors.UdpRoundTrip(_options.Samples) + RedisRoundTrip()));
        var tcp = new List<double>();
        double SetUp()
        {
            tcp.Add(_floors.TcpRoundTrip(_options.Samples));
            var clients = _walkers.Arrive(_options.Samples / ConnectionsPerClient, i => i % _site.Nodes, _options.InFlight);
            var times = new List<double>();
            Busy(() => _walkers.ForAll(_options.Samples, 1, (i, done) =>
            {
                var began = Stopwatch.GetTimestamp();
                _walkers.Attach(clients[i % clients.Length], () =>
                {
                    times.Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
                    done();
                });
            }));
            _walkers.Forget(clients);
            return Statistics.Median(times);
        }

        var result = Paired("set-up, one under way, median", "µs", SetUp, floor.Name, floor.Measure);
        _report(result with
        {
            Goal = "<= 1.8 x floor", IsMet = result.Ratio <= 1.8, Note = string.Create(CultureInfo.InvariantCulture, $"bare TCP round trip {Result.Number(Statistics.Median(tcp))} µs"),
        });
    }

    private double RedisRoundTrip() => _coordinator.Redis is { } redis ? Floors.RedisRoundTrip(redis, _recordBytes, _options.Samples) : 0;

    private void SaturatedSetUp(string lane, int batch, string goal)
    {
        var rate = 2_000.0;
        double SetUp()
        {
            var requests = (int)Math.Max(_options.InFlight, rate * _options.Seconds / batch);
            var clients = _walkers.Arrive(Math.Max(_options.InFlight, requests * batch / ConnectionsPerClient), i => i % _site.Nodes, _options.InFlight);
            var seconds = Busy(() => _walkers.ForAll(requests, _options.InFlight, (i, done) =>
            {
                var client = clients[i % clients.Length];
                if (batch == 1)
                {
                    _walkers.Attach(client, done);
                }
                else
                {
                    _walkers.Announce(client, batch, done);
                }
            }));
            _walkers.ForAll(16, 16, (i, done) => _walkers.LookUp(clients[i], done));
            _walkers.Forget(clients);
            return rate = requests * batch / seconds;
        }

        // Each takes one read, one claim and one set; what many in one announcement save is the coordinator's merit.
        var rates = new List<RedisRates>();
        var result = Paired(lane, "/s", SetUp, FloorName(1), () => Floor(1, 1, 1, 1, rates));
        _report(result with { Goal = IsOverRedis ? ">= " + goal : string.Empty, IsMet = IsOverRedis ? result.Ratio >= 0.5 : null, Note = NoteOf(rates) });
    }

    private void IdleHandoff()
    {
        var roamer = Roam(1, [0], 1)[0];
        var times = new List<double>();
        double Handoff()
        {
            var own = new List<double>();
            Busy(() => _walkers.ForAll(_options.Samples, 1, (_, done) => roamer.Walk(_walkers, move =>
            {
                own.Add(move.InformedMicroseconds);
                done();
            })));
            times.AddRange(own);
            return Statistics.Median(own);
        }

        var result = Paired("handoff of a client with 1 mapping, until HAM and new FAM know, one under way, median", "µs", Handoff, "bare UDP round trip", () => _floors.UdpRoundTrip(_options.Samples));
        _report(result with
        {
            Goal = "<= 10 x floor; p50 <= 1 ms, p99 <= 3 ms, the coordinator's part",
            IsMet = result.Ratio <= 10 && result.Value <= 1_000 && Statistics.Quantile(times, 0.99) <= 3_000,
            Note = string.Create(CultureInfo.InvariantCulture, $"p99 {Result.Number(Statistics.Quantile(times, 0.99))} µs of {times.Count}"),
        });
    }

    private void SaturatedHandoff()
    {
        var rate = 2_000.0;
        var roamers = Roam(_options.InFlight, [0], 1);
        var idle = new Queue<Roamer>(roamers);
        double Handoff()
        {
            var count = (int)Math.Max(_options.InFlight, rate * _options.Seconds);
            var seconds = Busy(() => WalkAll(idle, count, _options.InFlight));
            return rate = count / seconds;
        }

        // Arrival and hand-over: each one read and one set. Both, two changes of the way and the update are asked or told, and answered.
        const int RoundTrips = 5;
        var rates = new List<RedisRates>();
        var result = Paired("handoffs per second, hand-over and pushes acknowledged", "/s", Handoff, FloorName(RoundTrips), () => Floor(2, 0, 2, RoundTrips, rates));
        _report(result with
        {
            Goal = IsOverRedis ? ">= 0.5 x floor; >= 90,000 /s" : ">= 90,000 /s", IsMet = result.Value >= 90_000 && (result.Ratio >= 0.5 || !IsOverRedis), Note = NoteOf(rates),
        });
        _walkers.Forget(roamers.Select(r => r.Client));
    }

    private void Pushes()
    {
        // A client with a mapping at each access point but two, and it roams between those.
        var homes = Enumerable.Range(0, _options.Nodes - 2).ToArray();
        var count = _options.InFlight / 4;
        var roamers = Roam(count, homes, 1);
        var idle = new Queue<Roamer>(roamers);
        var rate = 200.0;
        double Push()
        {
            var moves = (int)Math.Max(count, rate * _options.Seconds);
            var before = _site.Pushes;
            var seconds = Busy(() => WalkAll(idle, moves, count));
            rate = moves / seconds;
            return (_site.Pushes - before) / seconds;
        }

        var result = Paired(
            string.Create(CultureInfo.InvariantCulture, $"pushes per second, {homes.Length + 2} for each move, acknowledged"), "/s", Push, "bare TCP frames there and back", BareFrames);
        _report(result);
        _walkers.Forget(roamers.Select(r => r.Client));
    }

    private void Arrivals()
    {
        int[] sizes = [1, 100, 10_000];
        var roamers = sizes.Select(s => Roam(1, [0], s)[0]).ToArray();
        var rounds = _options.IsQuick ? 2 : 15;
        var informed = sizes.Select(_ => new double[rounds]).ToArray();
        var replied = sizes.Select(_ => new double[rounds]).ToArray();
        var ended = sizes.Select(_ => new double[rounds]).ToArray();
        var begun = (_site.Repeated, _walkers.Checks);
        for (var round = -1; round < rounds; round++)
        {
            for (var s = 0; s < sizes.Length; s++)
            {
                // Of small ones many, so that one late wake-up does not decide; the first round is not taken.
                var repeats = sizes[s] >= 10_000 ? 1 : 20;
                var moves = new List<(Move Move, double Ended)>();
                _walkers.ForAll(repeats, 1, (_, done) => roamers[s].Walk(_walkers, move =>
                {
                    moves.Add((move, Stopwatch.GetElapsedTime(move.Began).TotalMicroseconds));
                    done();
                }));
                if (round >= 0)
                {
                    informed[s][round] = Statistics.Median(moves.Select(m => m.Move.InformedMicroseconds));
                    replied[s][round] = Statistics.Median(moves.Select(m => m.Move.RepliedMicroseconds));
                    ended[s][round] = Statistics.Median(moves.Select(m => m.Ended));
                }
            }
        }

        for (var s = 0; s < sizes.Length; s++)
        {
            _report(new Result(
                _store, string.Create(CultureInfo.InvariantCulture, $"arrival with {sizes[s]:#,0} mapping{(sizes[s] == 1 ? string.Empty : "s")}, until the HAM has been told of all"), "µs", informed[s], "arrival with 1 mapping", informed[0])
            {
                Goal = sizes[s] == 10_000 ? "<= 1.2 x floor" : string.Empty,
                IsMet = sizes[s] == 10_000 ? Statistics.Median(informed[s].Zip(informed[0], (a, b) => a / b)) <= 1.2 : null,
                Repeated = _site.Repeated - begun.Repeated,
                Checks = _walkers.Checks - begun.Checks,
                Note = string.Create(
                    CultureInfo.InvariantCulture,
                    $"answer after {Result.Number(Statistics.Median(replied[s]))} µs, handed over after {Result.Number(Statistics.Median(ended[s]))} µs{(sizes[s] > ControlLimits.MaxOffers ? $"; {ControlLimits.MaxOffers:#,0} of the mappings have an endpoint at the new FAM by then, {ControlLimits.MaxMappingsPerMessage:#,0} are in the answer" : string.Empty)}"),
            });
        }
    }

    private string FloorName(int roundTrips) => IsOverRedis ? "redis-benchmark, same commands"
        : roundTrips == 1 ? "bare TCP frames there and back" : string.Create(CultureInfo.InvariantCulture, $"bare TCP frames there and back, {roundTrips} for each");

    private double Floor(double gets, double claims, double sets, int roundTrips, List<RedisRates> taken)
    {
        if (_coordinator.Redis is not { } redis)
        {
            return BareFrames() / roundTrips;
        }

        var rates = _floors.Redis(redis, _recordBytes, _options.InFlight, _options.FloorCommands);
        Floors.Clear(redis);
        taken.Add(rates);
        return rates.Mix(gets, claims, sets);
    }

    private double BareFrames() => _floors.TcpFrames(_options.Nodes, _options.InFlight / _options.Nodes, _options.IsQuick ? 20_000 : 200_000);

    private string NoteOf(List<RedisRates> rates) => rates.Count == 0 ? string.Empty : string.Create(
        CultureInfo.InvariantCulture,
        $"redis-benchmark -c 16 -P {_options.InFlight / 16}: get {Result.Number(Statistics.Median(rates.Select(r => r.Get)))}, claim.lua {Result.Number(Statistics.Median(rates.Select(r => r.Claim)))}, set.lua of {_recordBytes} octets {Result.Number(Statistics.Median(rates.Select(r => r.Set)))} /s");

    /// <summary>
    /// Over a shared store a new FAM hears of its arrival's end once more when the time for a hand-over is up. Nobody listens during a floor, so these are waited for.
    /// </summary>
    private void TakeLateNews()
    {
        if (IsOverRedis)
        {
            _site.Rest(TimeSpan.FromMilliseconds(300));
        }
    }

    /// <summary>Pairs of floor and measurement; the first measurement is thrown away.</summary>
    private Result Paired(string lane, string unit, Func<double> measure, string floorName, Func<double> floor)
    {
        measure();
        TakeLateNews();
        _usage = new Usage();
        var (repeated, checks) = (_site.Repeated, _walkers.Checks);
        var values = new double[_options.Pairs];
        var floors = new double[_options.Pairs];
        var before = floor();
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = measure();
            TakeLateNews();
            var after = floor();
            floors[i] = (before + after) / 2;
            before = after;
        }

        return new Result(_store, lane, unit, values, floorName, floors) { Repeated = _site.Repeated - repeated, Checks = _walkers.Checks - checks, Cpu = _usage.ToString() };
    }

    /// <summary>Does something and notes who was how busy. Returns the seconds it took.</summary>
    private double Busy(Action action)
    {
        double[] Cpu() =>
        [
            Machine.CpuSeconds(Environment.ProcessId), Machine.CpuSeconds(_coordinator.ProcessId), IsOverRedis ? Machine.CpuSeconds(_coordinator.RedisProcess) : 0,
        ];
        var before = Cpu();
        var began = Stopwatch.GetTimestamp();
        action();
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        _usage.Add(seconds, [.. Cpu().Zip(before, (a, b) => a - b)]);
        return seconds;
    }

    private void WalkAll(Queue<Roamer> idle, int count, int inFlight) => _walkers.ForAll(count, inFlight, (_, done) =>
    {
        var roamer = idle.Dequeue();
        roamer.Walk(_walkers, _ =>
        {
            idle.Enqueue(roamer);
            done();
        });
    });

    /// <summary>Clients with so many mappings at each of some nodes, and two other nodes between which they roam.</summary>
    private Roamer[] Roam(int count, int[] homes, int mappingsEach)
    {
        int At(int client, int node) => (client + node) % _site.Nodes;
        var clients = _walkers.Arrive(count, i => At(i, homes[0]), _options.InFlight);
        foreach (var home in homes)
        {
            _walkers.ForAll(count, _options.InFlight, (i, done) =>
            {
                if (clients[i].At == At(i, home))
                {
                    _walkers.Announce(clients[i], mappingsEach, done);
                }
                else
                {
                    var offers = Offers(At(i, home), clients[i].Mappings.Count);
                    _walkers.Walk(clients[i], At(i, home), offers, _ => _walkers.Announce(clients[i], mappingsEach, done));
                }
            });
        }

        TransportEndpoint[] Offers(int node, int mappings) => [.. Enumerable.Range(0, Math.Min(mappings, ControlLimits.MaxOffers)).Select(_ => _walkers.Allocate(node))];
        var mappings = homes.Length * mappingsEach;
        return
        [
            .. clients.Select((c, i) =>
            {
                int[] ends = [At(i, homes[^1] + 1), At(i, homes[^1] + 2)];
                return new Roamer(c, ends, [Offers(ends[0], mappings), Offers(ends[1], mappings)]);
            }),
        ];
    }

    /// <summary>A client that roams to and fro.</summary>
    private sealed class Roamer(PlayedClient client, int[] ends, TransportEndpoint[][] offers)
    {
        private int _next;

        public PlayedClient Client { get; } = client;

        public void Walk(Walkers walkers, Action<Move> done)
        {
            var to = _next;
            _next = 1 - _next;
            walkers.Walk(Client, ends[to], offers[to], done);
        }
    }

    /// <summary>Processor time of load, coordinator and Redis.</summary>
    private sealed class Usage
    {
        private readonly double[] _cpu = new double[3];
        private double _seconds;

        public void Add(double seconds, double[] cpu)
        {
            _seconds += seconds;
            for (var i = 0; i < cpu.Length; i++)
            {
                _cpu[i] += cpu[i];
            }
        }

        public override string ToString() => _seconds <= 0 ? string.Empty : string.Create(
            CultureInfo.InvariantCulture,
            $"CPU: load {_cpu[0] / _seconds:p0}, coordinator {_cpu[1] / _seconds:p0}{(_cpu[2] > 0 ? string.Create(CultureInfo.InvariantCulture, $", Redis {_cpu[2] / _seconds:p0}") : string.Empty)}");
    }
}
