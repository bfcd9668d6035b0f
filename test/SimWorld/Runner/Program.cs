using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Masquerade.SimWorld.Scenarios;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Runner;

/// <summary>The long runs: <c>./masq sim</c>.</summary>
internal static class Program
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(5);

    private static readonly JsonSerializerOptions Indented = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static int Main(string[] args)
    {
        if (Options.Parse(args, out var error) is not { } options)
        {
            Console.Error.WriteLine($"sim: {error} makes no sense\n{Options.Usage}");
            return 2;
        }

        if (options.Help)
        {
            Console.WriteLine(Options.Usage);
            return 0;
        }

        var run = new Run(options, options.Start ?? (ulong)Random.Shared.NextInt64(1L << 40) * 1_000);
        using var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, press) =>
        {
            // The worlds that are under way end first; asked a second time it ends at once.
            press.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        };
        run.Execute(stop.Token);
        run.Report();
        return run.Failures.Count > 0 ? 1 : 0;
    }

    /// <summary>The worlds of one call.</summary>
    private sealed class Run(Options options, ulong first)
    {
        private readonly Lock _gate = new();
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private readonly SortedDictionary<string, Tally> _tallies = new(StringComparer.Ordinal);
        private TimeSpan _nextProgress = ProgressInterval;
        private ulong _done;

        public List<SimFailure> Failures { get; } = [];

        public void Execute(CancellationToken stop)
        {
            if (!options.Json)
            {
                Console.WriteLine(options.IsReplay ? $"seed {first}: {Settings.Of(options.Kind ?? Options.KindOf(first), first)}" : $"seeds {first} to {first + options.Seeds - 1}");
            }

            ulong next = 0;
            var threads = Enumerable.Range(0, Math.Min(options.Jobs, (int)Math.Min(options.Seeds, 1_024))).Select(_ => new Thread(() =>
            {
                while (!stop.IsCancellationRequested && Interlocked.Increment(ref next) is var number && number <= options.Seeds)
                {
                    Try(first + number - 1);
                }
            })).ToList();
            threads.ForEach(t => t.Start());
            threads.ForEach(t => t.Join());
        }

        public void Report()
        {
            var worlds = Failures.OrderBy(f => f.Seed).ToList();
            if (options.Json)
            {
                Console.WriteLine(JsonSerializer.Serialize(
                    new
                    {
                        First = first,
                        Asked = options.Seeds,
                        Done = _done,
                        Failed = worlds.Count,
                        Seconds = Math.Round(_clock.Elapsed.TotalSeconds, 1),
                        Kinds = _tallies,
                        Failures = worlds.Select(f => new { f.Seed, Kind = Options.NameOf(f.Kind!.Value), Reason = f.What, Replay = Replay(f), f.Files }),
                    },
                    Indented));
                return;
            }

            foreach (var (kind, tally) in _tallies)
            {
                Console.WriteLine(
                    $"{kind,-9}{tally.Worlds,8} worlds, {tally.Failed} failed: {tally.Flows} connections, {tally.Records} records set, {tally.FailOvers} fail-overs of the store, {tally.Steps} steps");
            }

            foreach (var failure in worlds)
            {
                Console.WriteLine($"FAILED {failure.Seed} {Options.NameOf(failure.Kind!.Value)}: {failure.What.Split('\n')[0]}\n  {Replay(failure)}\n  {failure.Files}.mmd");
                if (options.IsReplay)
                {
                    Console.WriteLine(failure.What);
                }
            }

            var missing = _done < options.Seeds ? $" of {options.Seeds}" : string.Empty;
            Console.WriteLine($"{_done}{missing} worlds, {worlds.Count} failed, in {_clock.Elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s");
        }

        private static string Replay(SimFailure failure) => $"./masq sim --seed {failure.Seed} --kind {Options.NameOf(failure.Kind!.Value)}";

        private void Try(ulong seed)
        {
            var kind = options.Kind ?? Options.KindOf(seed);
            SimNetwork? network = null;
            SimFailure? failure = null;
            try
            {
                network = Walk.Run(kind, seed);
            }
            catch (SimFailure e)
            {
                failure = e;
            }

            lock (_gate)
            {
                _done++;
                var tally = _tallies.GetValueOrDefault(Options.NameOf(kind)) ?? new Tally();
                _tallies[Options.NameOf(kind)] = tally with
                {
                    Worlds = tally.Worlds + 1,
                    Failed = tally.Failed + (failure is null ? 0 : 1),
                    Flows = tally.Flows + (network?.Flows.Count ?? 0),
                    Records = tally.Records + (network?.RecordsSet ?? 0),
                    FailOvers = tally.FailOvers + (network?.Redis?.FailOvers ?? 0),
                    Steps = tally.Steps + (network?.Steps ?? 0),
                };
                if (failure is not null)
                {
                    Failures.Add(failure);
                }

                Progress(failure);
            }
        }

        private void Progress(SimFailure? failure)
        {
            if (options.Json || options.Seeds == 1)
            {
                return;
            }

            if (failure is not null)
            {
                Console.WriteLine($"seed {failure.Seed} fails");
            }

            if (_clock.Elapsed >= _nextProgress)
            {
                _nextProgress = _clock.Elapsed + ProgressInterval;
                var rate = _done / _clock.Elapsed.TotalSeconds;
                Console.WriteLine($"{_done} of {options.Seeds} worlds, {Failures.Count} failed, {rate.ToString("0.0", CultureInfo.InvariantCulture)}/s");
            }
        }
    }

    private sealed record Tally
    {
        public long Worlds { get; init; }

        public long Failed { get; init; }

        public long Flows { get; init; }

        public long Records { get; init; }

        public long FailOvers { get; init; }

        public long Steps { get; init; }
    }
}
