using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Masquerade.Bench;
using Masquerade.Bench.Coordinator;
using Masquerade.Bench.Filter;
using Masquerade.Bench.Forwarder;
using Masquerade.Bench.Network;
using Masquerade.Bench.Users;

if (args is ["coordinator", ..])
{
    return CoordinatorBench.Run(args[1..]);
}

if (args is ["filter", ..])
{
    return FilterBench.Run(args[1..]);
}

if (args is ["forwarder", ..])
{
    return ForwarderBench.Run(args[1..]);
}

if (args is ["network", ..])
{
    return NetworkBench.Run(args[1..]);
}

if (args is ["users", ..])
{
    return UsersBench.Run(args[1..]);
}

if (args is [Floors.EchoCommand])
{
    return EchoServer.Serve();
}

// In process: the engines are set up once per size, and a million mappings take longer to make than to measure. --quick measures for function, not for speed.
var quick = args.Contains("--quick", StringComparer.Ordinal);
var job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(quick ? 1 : 3).WithIterationCount(quick ? 2 : 10).WithInvocationCount(quick ? 16 : 256).WithUnrollFactor(1);
var config = ManualConfig.Create(DefaultConfig.Instance)
    .AddJob(job)
    .AddDiagnoser(MemoryDiagnoser.Default)
    .HideColumns(Column.Job, Column.Toolchain, Column.InvocationCount, Column.IterationCount, Column.UnrollFactor, Column.WarmupCount)
    .WithOptions(ConfigOptions.DisableOptimizationsValidator);
var summaries = BenchmarkSwitcher.FromTypes([typeof(PacketPath)]).Run([.. args.Where(a => !a.Equals("--quick", StringComparison.Ordinal)), .. args.Contains("--filter", StringComparer.Ordinal) ? Array.Empty<string>() : ["--filter", "*"]], config);
return summaries.Any(s => s.HasCriticalValidationErrors || s.Reports.Any(r => !r.Success)) ? 1 : 0;
