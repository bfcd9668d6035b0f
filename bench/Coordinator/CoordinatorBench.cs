using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Masquerade.Lab;

namespace Masquerade.Bench.Coordinator;

/// <summary>The benchmark of the coordinator: both stores, every lane against its floor in the same run.</summary>
internal static class CoordinatorBench
{
    private const int Good = 0;
    private const int Failed = 1;
    private const int Mistaken = 2;

    public static int Run(string[] arguments)
    {
        if (arguments.Any(a => a is "--help" or "-h" or "-?"))
        {
            Console.WriteLine(BenchOptions.Help);
            return Good;
        }

        if (BenchOptions.Read(arguments, out var mistake) is not { } options)
        {
            Console.Error.WriteLine($"masq bench coordinator: {mistake}");
            Console.Error.WriteLine(BenchOptions.Help);
            return Mistaken;
        }

        var machine = new Machine(options.Swap);
        var began = DateTimeOffset.UtcNow;
        var loadBefore = Machine.LoadAverage;
        var run = string.Create(CultureInfo.InvariantCulture, $"{began:yyyy-MM-dd HH:mm} UTC, Linux {Machine.Kernel}, {Machine.Cpu}, {machine.CoreMap}");
        var results = new List<Result>();
        void Report(Result result)
        {
            results.Add(result);
            (options.Json || options.Markdown ? Console.Error : Console.Out).WriteLine(result.Line(run));
        }

        // Whoever stops it stops what it started as well: the load notices at its next turn, and everything ends in order.
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        try
        {
            Machine.Pin(Environment.ProcessId, machine.LoadCore);
            using var floors = new Floors(machine);
            foreach (var overRedis in new[] { false, true })
            {
                if (overRedis ? !options.Redis : !options.Memory)
                {
                    continue;
                }

                using (var lanes = new Lanes(options, machine, floors, overRedis, Report))
                {
                    lanes.Run();
                }

                MemoryLane.Run(options, machine, overRedis, Report);
            }
        }
        catch (Exception e) when (e is BenchException or LabException or IOException or System.Net.Sockets.SocketException)
        {
            Console.Error.WriteLine($"masq bench coordinator: {e.Message}");
            return Failed;
        }

        var took = DateTimeOffset.UtcNow - began;
        if (options.Json)
        {
            Console.WriteLine(Encoding.UTF8.GetString(Json(options, machine, began, took, loadBefore, results)));
        }
        else if (options.Markdown)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{run}, load average {loadBefore} before; {took.TotalSeconds:0} s in all.\n\n{Result.MarkdownHead}"));
            results.ForEach(r => Console.WriteLine(r.MarkdownRow()));
        }
        else
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{took.TotalSeconds:0} s in all; load average {loadBefore} before"));
        }

        return Good;
    }

    private static void Stop(PosixSignalContext signal)
    {
        signal.Cancel = true;
        LoadSite.IsStopped = true;
    }

    private static byte[] Json(BenchOptions options, Machine machine, DateTimeOffset began, TimeSpan took, string loadBefore, List<Result> results)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("version", 1);
            json.WriteString("began", began);
            json.WriteNumber("seconds", Math.Round(took.TotalSeconds, 1));
            json.WriteString("kernel", Machine.Kernel);
            json.WriteString("cpu", Machine.Cpu);
            json.WriteString("coreMap", machine.CoreMap);
            json.WriteString("loadAverageBefore", loadBefore);
            json.WriteBoolean("quick", options.IsQuick);
            json.WriteNumber("inFlight", options.InFlight);
            json.WriteStartArray("results");
            results.ForEach(r => r.Write(json));
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }
}
