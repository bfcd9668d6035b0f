using System.Diagnostics;
using System.Globalization;
using Xunit.Abstractions;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>A Redis Cluster of three masters and three replicas on the loopback interface, one master of which is killed.</summary>
public sealed class RedisClusterTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Req", "A-16")]
    public async Task A_master_is_killed_and_roams_go_on()
    {
        var servers = Enumerable.Range(0, 6).Select(_ => new RedisProcess(
            "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "yes")).ToArray();
        try
        {
            Create(servers);
            using var coordinator = new CoordinatorProcess("c", servers.Take(3).Select(s => s.EndPoint));
            await coordinator.WaitAsync();
            var site = new LostWritesTests.Site(coordinator, Seed.Fresh(output));
            for (var i = 0; i < 60; i++)
            {
                await site.StepAsync();
            }

            await site.CheckAsync(servers, "before");
            Assert.True(Spread(servers) > 1, "the keys are all in one place");
            var begin = Stopwatch.GetTimestamp();
            var welcomes = site.Welcomes;
            servers[0].Kill();
            try
            {
                for (var i = 0; i < 30; i++)
                {
                    await site.StepAsync();
                }
            }
            catch (TimeoutException)
            {
                Assert.Fail($"nobody answers after the kill: {coordinator.Log}");
            }

            output.WriteLine($"30 steps after the kill of a master took {Stopwatch.GetElapsedTime(begin).TotalMilliseconds:f0} ms");
            await site.UntilToldAsync(welcomes, coordinator);
            await site.CheckAsync([.. servers.Skip(1)], "after");
            await site.DisposeAsync();
        }
        finally
        {
            foreach (var server in servers)
            {
                server.Dispose();
            }
        }
    }

    private static void Create(RedisProcess[] servers)
    {
        var info = new ProcessStartInfo("redis-cli") { UseShellExecute = false, RedirectStandardOutput = true };
        foreach (var argument in (string[])["--cluster", "create", .. servers.Select(s => s.EndPoint.ToString()), "--cluster-replicas", "1", "--cluster-yes"])
        {
            info.ArgumentList.Add(argument);
        }

        using var process = Process.Start(info)!;
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, text);
        Assert.True(
            SpinWait.SpinUntil(() => servers.All(s => s.Command("CLUSTER", "INFO").Contains("cluster_state:ok", StringComparison.Ordinal)), TimeSpan.FromSeconds(30)),
            "the cluster does not come up");

        // A replica that has never been in step with its master is not promoted.
        Assert.True(
            SpinWait.SpinUntil(() => servers.Count(s => s.Command("INFO", "replication").Contains("master_link_status:up", StringComparison.Ordinal)) == 3, TimeSpan.FromSeconds(60)),
            "the replicas do not follow");
    }

    /// <summary>How many servers hold keys.</summary>
    private static int Spread(RedisProcess[] servers) =>
        servers.Count(s => s.Command("ROLE").StartsWith("master", StringComparison.Ordinal) && int.Parse(s.Command("DBSIZE"), CultureInfo.InvariantCulture) > 0);
}
