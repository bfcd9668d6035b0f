using System.Net;
using Masquerade.Core.Control;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Many;

/// <summary>Two coordinators over one Redis have one set of denials and one policy document: what is ordered at one holds at the access points of the other (A-27).</summary>
#pragma warning disable CA1001 // xunit disposes it through IAsyncLifetime.
[Collection(Alone.Name)]
[Trait("Req", "A-27")]
public sealed class SharedUsersTests : IAsyncLifetime
{
    private const string Before = """{ "policies": { "staff": ["deny out tcp to any port 25", "allow out any"] }, "default": "staff" }""";
    private const string After = """{ "policies": { "staff": ["deny out tcp to any port 26", "allow out any"] }, "default": "staff" }""";

    private readonly RedisProcess _redis = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-shared-users-");
    private readonly List<UserCoordinator> _coordinators = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var coordinator in _coordinators)
        {
            await coordinator.DisposeAsync();
        }

        _redis.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Who_is_denied_at_one_is_cut_off_at_the_access_points_of_the_other_and_gets_in_nowhere()
    {
        var (north, south) = (await StartAsync("north", Before), await StartAsync("south", Before));
        using var first = await north.AgentAsync(1);
        using var second = await south.AgentAsync(2);
        await south.ServeAsync(second, Client);
        await south.ServeAsync(second, OtherClient);
        Assert.Equal(HttpStatusCode.OK, await north.OrderAsync("/v1/users/ALICE/deny"));
        Assert.Equal("ALICE", (await second.ReadAsync<UserDenied>()).User);
        await UntilDeniedAsync(south, "ALICE");
        Assert.Null(await south.SessionAsync(second, Client));
        Assert.Null(await north.SessionAsync(first, Client));
        Assert.NotNull(await south.SessionAsync(second, OtherClient));
        Assert.Equal("ALICE\n", await File.ReadAllTextAsync(south.DeniedPath));

        // It is no more, by the word of the other.
        Assert.Equal(HttpStatusCode.OK, await south.OrderAsync("/v1/users/alice/allow"));
        await UntilDeniedAsync(north);
        Assert.NotNull(await north.SessionAsync(first, Client));
    }

    [Fact]
    public async Task What_is_applied_at_one_is_told_by_the_other_to_its_access_points_and_explained_there()
    {
        var (north, south) = (await StartAsync("north", Before), await StartAsync("south", Before));
        using var first = await north.AgentAsync(1);
        using var second = await south.AgentAsync(2);
        var session = await south.ServeAsync(second, Client);
        Assert.Equal("deny out tcp to any port 25", await south.ExplainAsync("alice", "192.0.2.1:25"));
        Assert.Equal(HttpStatusCode.OK, await north.ApplyAsync(After));
        var change = await second.ReadAsync<UserSessionChange>();
        Assert.Equal(session.Session, change.Session);
        Assert.Contains("port 26", await south.TextAsync(second, change.Now!.Policy), StringComparison.Ordinal);
        Assert.Equal("deny out tcp to any port 26", await south.ExplainAsync("alice", "192.0.2.1:26"));

        // Files began it, and are not written.
        Assert.Equal((Before, Before), (await File.ReadAllTextAsync(north.PolicyPath), await File.ReadAllTextAsync(south.PolicyPath)));
    }

    [Fact]
    public async Task A_policy_that_one_has_named_the_other_has_the_text_of()
    {
        var (north, south) = (await StartAsync("north", Before), await StartAsync("south", Before));
        using var first = await north.AgentAsync(1);
        using var second = await south.AgentAsync(2);
        var session = (await north.SessionAsync(first, Client))!;
        Assert.Contains("port 25", await south.TextAsync(second, session.Policy), StringComparison.Ordinal);
        Assert.Empty(await south.TextAsync(second, new Octets(new byte[UserSession.PolicyLength])));
    }

    [Fact]
    public async Task The_store_holds_against_files_and_it_is_said()
    {
        var north = await StartAsync("north", Before, "carol\n");
        Assert.Contains("are the site's now (1 denied, policies ", north.Log, StringComparison.Ordinal);
        var south = await StartAsync("south", After, "dave\n");
        Assert.Equal(["carol"], await south.DeniedAsync());
        Assert.Equal("deny out tcp to any port 25", await south.ExplainAsync("bob", "192.0.2.1:25"));
        Assert.Matches("warning .*of the store hold, not .* of this coordinator's file", south.Log);
        Assert.Matches("warning .*1 of this coordinator's file of denied users are not denied in the store, which holds: dave", south.Log);
        Assert.Equal("dave\n", await File.ReadAllTextAsync(south.DeniedPath + ".before"));
    }

    /// <summary>Nothing that was promised is lost with a store that forgets, as long as a coordinator lives.</summary>
    [Fact]
    public async Task What_the_store_has_lost_is_put_back_and_what_it_cannot_keep_is_not_promised()
    {
        var (north, south) = (await StartAsync("north", Before), await StartAsync("south", Before));
        Assert.Equal(HttpStatusCode.OK, await north.OrderAsync("/v1/users/eve/deny"));
        Assert.Equal(HttpStatusCode.OK, await south.ApplyAsync(After));
        await UntilDeniedAsync(south, "eve");
        _redis.Command("FLUSHALL");
        Assert.Equal(HttpStatusCode.OK, await south.OrderAsync("/v1/users/mallory/deny"));
        await UntilDeniedAsync(south, "eve", "mallory");
        await UntilDeniedAsync(north, "eve", "mallory");
        var west = await StartAsync("west", Before);
        Assert.Equal(["eve", "mallory"], await west.DeniedAsync());
        Assert.Equal("deny out tcp to any port 26", await west.ExplainAsync("bob", "192.0.2.1:26"));

        _redis.Kill();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await north.OrderAsync("/v1/users/trent/deny"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await north.ApplyAsync(Before));
        Assert.Equal(["eve", "mallory"], await north.DeniedAsync());
        Assert.DoesNotContain("trent", await File.ReadAllTextAsync(north.DeniedPath), StringComparison.Ordinal);
        _redis.Start();
    }

    /// <summary>A store that is empty and can be read and not written: nothing is taken from it, and nothing is promised.</summary>
    [Fact]
    public async Task A_store_that_cannot_be_begun_takes_nothing_from_memory_or_from_the_file()
    {
        _redis.Command("CONFIG", "SET", "min-replicas-to-write", "1");
        var north = await StartAsync("north", Before, "carol\n");
        Assert.Equal(["carol"], await north.DeniedAsync());
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await north.OrderAsync("/v1/users/dave/deny"));
        Assert.Equal(["carol"], await north.DeniedAsync());
        Assert.Equal("carol\n", await File.ReadAllTextAsync(north.DeniedPath));

        _redis.Command("CONFIG", "SET", "min-replicas-to-write", "0");
        Assert.Equal(HttpStatusCode.OK, await north.OrderAsync("/v1/users/dave/deny"));
        Assert.Equal(["carol", "dave"], await north.DeniedAsync());
        Assert.Equal("carol\ndave\n", await File.ReadAllTextAsync(north.DeniedPath));
    }

    /// <summary>A fail-over went back, and others went on from there to a version that is known here otherwise.</summary>
    [Fact]
    public async Task Who_is_denied_in_one_of_two_histories_of_the_store_is_denied()
    {
        var north = await StartAsync("north", Before);
        Assert.Equal(HttpStatusCode.OK, await north.OrderAsync("/v1/users/eve/deny"));
        _redis.Command("EVAL", "local k = redis.call('KEYS', '*{users}:book')[1]; redis.call('HDEL', k, 'd:eve'); for v = 1, 9 do redis.call('HSET', k, 't' .. v, v .. ' other') end; return redis.call('HSET', k, 'version', '9', 'd:zoe', 'zoe')", "0");
        Assert.Equal(HttpStatusCode.OK, await north.OrderAsync("/v1/users/mallory/deny"));
        await UntilDeniedAsync(north, "eve", "mallory", "zoe");
    }

    private static Task UntilDeniedAsync(UserCoordinator coordinator, params string[] users) => Wait.ForAsync(
        () => coordinator.DeniedAsync().GetAwaiter().GetResult().SequenceEqual(users), () => $"in vain: {string.Join(", ", users)}; {coordinator.Log}", every: 20);

    private async Task<UserCoordinator> StartAsync(string name, string policies, string denied = "")
    {
        var coordinator = new UserCoordinator(name, _redis.EndPoint, _folder, policies, denied);
        _coordinators.Add(coordinator);
        await coordinator.StartAsync();
        return coordinator;
    }
}
