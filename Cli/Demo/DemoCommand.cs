using System.CommandLine;
using System.Net.Sockets;
using Masquerade.Lab;
using Masquerade.Lab.Scenario;
using Masquerade.Lab.Users;
using Spectre.Console;

namespace Masquerade.Cli.Demo;

/// <summary><c>masq demo</c>: a client with live traffic walks across access points, and the verdict says what became of it.</summary>
internal static class DemoCommand
{
    private const int ExitNotOk = 1;
    private const int ExitLab = 2;
    private const int ExitCancelled = 130;
    private const int UsualRoams = 12;
    private const int AuthRoams = 6;
    private const double UsualRate = 40;
    private const double ChaosRate = 8;

    public static Command Create()
    {
        var auth = new Option<bool>("--auth") { Description = "Two employees and a guest walk, with a FreeRADIUS behind: one with masq client on a protected link, one with wpa_supplicant. One is denied in the middle." };
        var roams = new Option<int?>("--roams") { Description = $"How many times the client changes its access point; {UsualRoams} if not given, {AuthRoams} with --auth." };
        var warmUp = new Option<int>("--warm-up") { Description = "How many roams, not judged, come before the walk; 3 are one visit to each access point.", DefaultValueFactory = _ => new DemoOptions().WarmUpRoams };
        var clients = new Option<int>("--clients") { Description = "How many clients, 1 to 9; the first walks, the others stay and watch for cross-talk.", DefaultValueFactory = _ => 2 };
        var noEvents = new Option<bool>("--no-events") { Description = "Access points hear nothing about associations: they must notice the client by its first frame." };
        var compare = new Option<bool>("--compare") { Description = "First walk through ordinary kernel NAT at each access point, to see what happens today." };
        var kernelNat = new Option<bool>("--kernel-nat") { Description = "Walk through ordinary kernel NAT only, without the product; the verdict is then expected not to be ok." };
        var redis = new Option<bool>("--redis") { Description = "Two coordinators over a Redis, which the demonstration starts by itself, instead of one with everything in its memory." };
        var chaos = new Option<bool>("--chaos") { Description = "Implies --redis. Kills a coordinator, Redis, the access point that anchors most connections and the one where the client is, with many connections in use." };
        var connections = new Option<int>("--connections") { Description = "With --chaos: how many slow connections the client has besides the usual ones.", DefaultValueFactory = _ => 30 };
        var kills = new Option<int>("--kills") { Description = "With --chaos: how many kills.", DefaultValueFactory = _ => 4 };
        var seed = new Option<ulong?>("--seed") { Description = "With --chaos: draw what is killed, from this seed, instead of taking turns." };
        var memory = new Option<bool>("--memory") { Description = "With --chaos: one coordinator with everything in its memory.", Hidden = true };
        var ideal = new Option<bool>("--calibrate") { Description = "Walk through home access points that are told the future, without the product: shows the error of the instruments." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object at the end on standard output; progress goes to standard error." };
        var rate = new Option<double?>("--rate") { Description = $"Rate of the bulk download and of the bulk upload, Mbit/s each; {UsualRate} if not given, {ChaosRate} with --chaos." };
        var pps = new Option<int>("--udp-rate") { Description = "Datagrams per second in each direction, by which gaps are measured; over IPv6 beside IPv4 a tenth of it.", DefaultValueFactory = _ => 1000 };
        var dwell = new Option<int>("--dwell") { Description = "How long the client stays at an access point, ms.", DefaultValueFactory = _ => 1600 };
        var switchTime = new Option<int>("--switch") { Description = "How long the client's link is dead while it changes, ms.", DefaultValueFactory = _ => 20 };
        var noOffload = new Option<bool>("--no-offload") { Description = "Hosts finish checksums and cut TCP segments themselves instead of leaving it to a device." };
        var ipv4 = new Option<bool>("--ipv4") { Description = "All traffic of the clients over IPv4; otherwise they talk over both families at once." };
        var ipv6 = new Option<bool>("--ipv6") { Description = "All traffic of the clients over IPv6." };
        var logs = new Option<string?>("--logs") { Description = "Directory in which the logs of agents and coordinator are kept." };
        roams.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is < 0 or > 200)
            {
                result.AddError("--roams must be from 0 to 200.");
            }
        });
        AtLeast(warmUp, 0, 200);
        AtLeast(clients, 1, 9);
        AtLeast(connections, 0, 5_000);
        AtLeast(kills, 1, 100);
        AtLeast(pps, 1, 10_000);
        AtLeast(dwell, 500, 60_000);
        AtLeast(switchTime, 0, 5_000);
        rate.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is not (null or (> 0 and <= 10_000)))
            {
                result.AddError("--rate must be above 0 and at most 10000.");
            }
        });
        var command = new Command("demo", "Walk a client with live TCP, UDP and ping traffic across three access points in different subnets, in network namespaces of this machine. Needs root.")
        {
            auth, roams, warmUp, clients, noEvents, redis, chaos, connections, kills, seed, memory, compare, kernelNat, ideal, json, rate, pps, dwell, switchTime, noOffload, ipv4, ipv6, logs,
        };
        command.Validators.Add(result =>
        {
            // The walk with users has its own clients and its own story.
            var others = new Option[] { noEvents, compare, kernelNat, ideal, redis, chaos, connections, kills, seed, memory, warmUp, clients, rate, pps }.Where(o => result.GetResult(o) is { Implicit: false }).Select(o => o.Name).ToArray();
            if (result.GetValue(auth) && others.Length > 0)
            {
                result.AddError($"--auth does not go with {string.Join(", ", others)}.");
            }

            if (result.GetValue(auth) && result.GetValue(roams) is < 2)
            {
                result.AddError("--auth needs at least 2 --roams: somebody is denied in the middle.");
            }
        });
        command.SetAction((parse, cancel) => Task.Run(
            () => Run(
                new DemoOptions
                {
                    Roams = parse.GetValue(roams) ?? (parse.GetValue(auth) ? AuthRoams : UsualRoams),
                    WarmUpRoams = parse.GetValue(kernelNat) ? 0 : parse.GetValue(warmUp),
                    Clients = parse.GetValue(clients),
                    Events = !parse.GetValue(noEvents),
                    Rate = parse.GetValue(rate) ?? (parse.GetValue(chaos) ? ChaosRate : UsualRate),
                    DatagramRate = parse.GetValue(pps),
                    Dwell = TimeSpan.FromMilliseconds(parse.GetValue(dwell)),
                    SwitchTime = TimeSpan.FromMilliseconds(parse.GetValue(switchTime)),
                    Offload = !parse.GetValue(noOffload),
                    Families = Families(parse.GetValue(ipv4), parse.GetValue(ipv6)),
                    Network = parse.GetValue(kernelNat) ? NetworkKind.KernelNat : parse.GetValue(ideal) ? NetworkKind.Ideal : NetworkKind.Masquerade,
                    Redis = parse.GetValue(redis) || (parse.GetValue(chaos) && !parse.GetValue(memory)),
                    Chaos = parse.GetValue(chaos)
                        ? new ChaosOptions { Connections = parse.GetValue(connections), Kills = parse.GetValue(kills), Seed = parse.GetValue(seed) }
                        : null,
                    LogDirectory = parse.GetValue(logs),
                },
                parse.GetValue(auth),
                parse.GetValue(compare),
                parse.GetValue(json),
                cancel),
            CancellationToken.None));
        return command;
    }

    private static void AtLeast(Option<int> option, int lowest, int highest) =>
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && (value < lowest || value > highest))
            {
                result.AddError($"{option.Name} must be from {lowest} to {highest}.");
            }
        });

    private static AddressFamily[] Families(bool ipv4, bool ipv6) => (ipv4, ipv6) switch
    {
        (true, false) => [AddressFamily.InterNetwork],
        (false, true) => [AddressFamily.InterNetworkV6],
        _ => [AddressFamily.InterNetwork, AddressFamily.InterNetworkV6],
    };

    private static int Run(DemoOptions options, bool auth, bool compare, bool json, CancellationToken cancel)
    {
        // With --json standard output belongs to the object alone.
        var console = json ? AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error), Ansi = AnsiSupport.No, Interactive = InteractionSupport.No }) : AnsiConsole.Console;
        var live = !json && !Console.IsOutputRedirected && console.Profile.Capabilities.Interactive;
        var plain = json ? Console.Error : Console.Out;
        try
        {
            if (auth)
            {
                return WalkWithUsers(options, plain, json, cancel);
            }

            DemoResult? today = null;
            if (compare)
            {
                // Eight roams show all that kernel NAT does to connections; the whole comparison should stay a matter of a minute.
                today = Walk(options with { Network = NetworkKind.KernelNat, Chaos = null, WarmUpRoams = 0, Roams = Math.Min(options.Roams, 8) }, "Today: ordinary kernel NAT at each access point", console, live, plain, cancel);
            }

            var ours = Walk(options, options.Network switch
            {
                NetworkKind.KernelNat => "Ordinary kernel NAT at each access point",
                NetworkKind.Ideal => "Calibration: access points that are told the future",
                _ when options.Redis => "Masquerade at each access point, two coordinators over a Redis",
                _ => "Masquerade at each access point",
            }, console, live, plain, cancel);
            DemoReport.Print(console, live, plain, options, ours, today);
            if (json)
            {
                DemoJson.Write(Console.Out, options, ours, today);
            }

            return ours.Verdict is "ok" ? 0 : ExitNotOk;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("masq demo: interrupted; everything has been removed.");
            return ExitCancelled;
        }
        catch (LabException e)
        {
            Console.Error.WriteLine($"masq demo: {e.Message}");
            if (json)
            {
                DemoJson.WriteFailure(Console.Out, e.Message);
            }

            return ExitLab;
        }
    }

    private static int WalkWithUsers(DemoOptions options, TextWriter plain, bool json, CancellationToken cancel)
    {
        plain.WriteLine("== Masquerade with users: two employees and a guest, FreeRADIUS behind ==");
        var result = AuthStory.Run(options, new PlainView(plain), cancel);
        AuthReport.Print(plain, result);
        if (json)
        {
            AuthReport.Write(Console.Out, result);
        }

        return result.Verdict is "ok" ? 0 : ExitNotOk;
    }

    private static DemoResult Walk(DemoOptions options, string title, IAnsiConsole console, bool live, TextWriter plain, CancellationToken cancel)
    {
        if (live)
        {
            return LiveView.Follow(console, title, options, observer => DemoScenario.Run(options, observer, cancel));
        }

        plain.WriteLine($"== {title} ==");
        return DemoScenario.Run(options, new PlainView(plain), cancel);
    }
}
