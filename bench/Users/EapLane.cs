using System.Globalization;
using Masquerade.Bench.Coordinator;
using Masquerade.Lab.FreeRadius;

namespace Masquerade.Bench.Users;

/// <summary>Whole EAP authentications a second through a coordinator's key holder, against what the same FreeRADIUS does when the same clients ask it themselves.</summary>
internal static class EapLane
{
    private const string User = "bench";

    public static Result Run(UsersOptions options, Machine machine)
    {
        var password = Guid.NewGuid().ToString("n");
        string[] onItsCore = Machine.On(machine.ServerCore);
        using var radius = new FreeRadiusProcess(new FreeRadiusOptions { Prefix = onItsCore, Method = "ttls", Resumes = false, RsaKey = true, Users = [new FreeRadiusUser(User, password)] });

        // FreeRADIUS has its core for itself, for its limit is the floor.
        using var coordinator = new CoordinatorUnderTest(machine, overRedis: false, radius, machine.LoadCore);
        using var load = new EapLoad(radius, User, password, options.InFlight);
        using var direct = new RadiusPath(radius.AuthEndPoint, radius.Secret);
        using var through = new CoordinatorPath(new LoadSite(coordinator.EndPoint, nodes: 4));
        List<double> values = [], floors = [], busy = [], busyAlone = [];
        _ = load.Run(direct, options.Seconds);
        _ = load.Run(through, options.Seconds * 2);
        for (var pair = 0; pair < options.Pairs; pair++)
        {
            var before = Measure(direct, busyAlone);
            values.Add(Measure(through, busy));
            floors.Add((before + Measure(direct, busyAlone)) / 2);
        }

        return new Result("users", $"EAP-TTLS with MS-CHAP-V2, {options.InFlight} at a time, whole TLS handshakes", "authentications/s", [.. values], "FreeRADIUS alone", [.. floors])
        {
            Checks = load.Good,
            Cpu = string.Create(CultureInfo.InvariantCulture, $"FreeRADIUS {Statistics.Median(busy):0} %, alone {Statistics.Median(busyAlone):0} % of its core"),
            Note = string.Create(CultureInfo.InvariantCulture, $"{load.Rounds / (double)Math.Max(1, load.Good):0.0} rounds each; clients, which do as much TLS as the server, and the coordinator share the other core"),
        };

        double Measure(IEapPath path, List<double> cpu)
        {
            var (used, began) = (Machine.CpuSeconds(radius.ProcessId), System.Diagnostics.Stopwatch.GetTimestamp());
            var rate = load.Run(path, options.Seconds);
            cpu.Add((Machine.CpuSeconds(radius.ProcessId) - used) / System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalSeconds * 100);
            return rate;
        }
    }
}
