using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Masquerade.Bench.Coordinator;
using Masquerade.Client;
using Masquerade.Lab;

namespace Masquerade.Bench.Users;

/// <summary>The benchmark of users: how many get in, and how fast they walk.</summary>
internal static class UsersBench
{
    private const int Good = 0;
    private const int Failed = 1;
    private const int Mistaken = 2;

    public static int Run(string[] arguments)
    {
        if (arguments.Any(a => a is "--help" or "-h" or "-?"))
        {
            Console.WriteLine(UsersOptions.Help);
            return Good;
        }

        if (UsersOptions.Read(arguments, out var mistake) is not { } options)
        {
            Console.Error.WriteLine($"masq bench users: {mistake}");
            Console.Error.WriteLine(UsersOptions.Help);
            return Mistaken;
        }

        var machine = new Machine(swap: false);
        var (began, load) = (DateTimeOffset.UtcNow, Machine.LoadAverage);
        var run = string.Create(CultureInfo.InvariantCulture, $"{began:yyyy-MM-dd HH:mm} UTC, Linux {Machine.Kernel}, {Machine.Cpu}, load average {load} before");
        var results = new List<Result>();
        using var stop = new CancellationTokenSource();
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        try
        {
            if (options.Reattach)
            {
                Report(ReattachLane.Run(options, stop.Token));
            }

            if (options.Eap)
            {
                Machine.Pin(Environment.ProcessId, machine.LoadCore);
                Report(EapLane.Run(options, machine));
            }
        }
        catch (Exception e) when (e is BenchException or LabException or ClientException or IOException or System.Net.Sockets.SocketException or OperationCanceledException)
        {
            Console.Error.WriteLine($"masq bench users: {e.Message}");
            return Failed;
        }

        if (options.Json)
        {
            Console.WriteLine(Encoding.UTF8.GetString(Json(options, began, load, results)));
        }
        else if (options.Markdown)
        {
            Console.WriteLine($"{run}.\n\n{Result.MarkdownHead}");
            results.ForEach(r => Console.WriteLine(r.MarkdownRow()));
        }

        return Good;

        void Report(Result result)
        {
            results.Add(result);
            (options.Json || options.Markdown ? Console.Error : Console.Out).WriteLine(result.Line(run));
        }

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            LoadSite.IsStopped = true;
            stop.Cancel();
        }
    }

    private static byte[] Json(UsersOptions options, DateTimeOffset began, string load, List<Result> results)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("version", 1);
            json.WriteString("began", began);
            json.WriteString("kernel", Machine.Kernel);
            json.WriteString("cpu", Machine.Cpu);
            json.WriteString("loadAverageBefore", load);
            json.WriteBoolean("quick", options.IsQuick);
            json.WriteStartArray("results");
            results.ForEach(r => r.Write(json));
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }
}
