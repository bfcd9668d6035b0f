using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.RoamingCoordinator.Redis;
using static Masquerade.Coordinator.Tests.CoordinatorBench;

namespace Masquerade.Coordinator.Tests.Redis;

/// <summary>A Redis that is full, only reads, is gone, or has forgotten: a reason, and then everything is as before, without a restart of the coordinator.</summary>
public sealed class RedisTroubleTests
{
    [Fact]
    public async Task A_full_redis_is_named_and_recovers()
    {
        using var server = new RedisProcess();
        await using var store = await OpenAsync(server);
        Assert.Equal(StoreOutcome.Stored, Set(store).Outcome);
        server.Command("CONFIG", "SET", "maxmemory", "1");
        Assert.Equal(StoreFailure.OutOfMemory, Set(store).Failure);
        Assert.NotNull(Load(store).Found.Record);
        server.Command("CONFIG", "SET", "maxmemory", "0");
        Assert.Equal(StoreOutcome.Stored, Set(store).Outcome);
    }

    [Fact]
    public async Task A_redis_that_only_reads_is_named_and_recovers()
    {
        using var server = new RedisProcess();
        await using var store = await OpenAsync(server);
        Set(store);
        server.Command("CONFIG", "SET", "min-replicas-to-write", "1");
        Assert.Equal(StoreFailure.ReadOnly, Set(store).Failure);
        server.Command("CONFIG", "SET", "min-replicas-to-write", "0");
        Assert.Equal(StoreOutcome.Stored, Set(store).Outcome);
    }

    [Fact]
    public async Task A_redis_that_is_gone_comes_back_with_another_incarnation()
    {
        using var server = new RedisProcess();
        await using var store = await OpenAsync(server);
        Set(store);
        var incarnation = store.Incarnation;
        server.Kill();
        Assert.True(SpinWait.SpinUntil(() => Load(store).Failure is StoreFailure.Unreachable or StoreFailure.TimedOut, TimeSpan.FromSeconds(5)));
        Assert.NotEqual(StoreFailure.None, Set(store).Failure);
        server.Start();
        Assert.True(SpinWait.SpinUntil(() => Load(store).Failure == StoreFailure.None, TimeSpan.FromSeconds(20)), "it does not come back");
        Assert.Null(Load(store).Found.Record);
        Assert.True(SpinWait.SpinUntil(() => store.Incarnation != incarnation, TimeSpan.FromSeconds(5)), "agents are not asked");
        Assert.Equal(StoreOutcome.Stored, Set(store).Outcome);
    }

    [Fact]
    public async Task A_redis_that_was_emptied_has_another_incarnation()
    {
        using var server = new RedisProcess();
        await using var store = await OpenAsync(server);
        var incarnation = store.Incarnation;
        server.Command("FLUSHALL");
        Assert.True(SpinWait.SpinUntil(() => store.Incarnation != incarnation, TimeSpan.FromSeconds(5)));
    }

    /// <summary>Nobody is taken for a new client before the agents have been asked.</summary>
    [Fact]
    public async Task A_redis_that_was_emptied_does_not_say_that_it_does_not_know_a_client_before_that_is_noticed()
    {
        using var server = new RedisProcess();
        await using var store = await OpenAsync(server, o => o with { WatchInterval = TimeSpan.FromHours(1) });
        Set(store);
        var incarnation = store.Incarnation;
        Assert.Equal(StoreFailure.None, Load(store, new MacAddress(9)).Failure);
        server.Command("FLUSHALL");
        Assert.Equal(StoreFailure.Forgotten, Load(store).Failure);
        Assert.NotEqual(incarnation, store.Incarnation);
        Assert.Equal(StoreFailure.None, Load(store).Failure);
    }

    [Fact]
    public async Task A_redis_that_hangs_costs_a_time_out_and_nothing_else()
    {
        using var server = new RedisProcess();
        await using var store = await OpenAsync(server, o => o with { Timeout = TimeSpan.FromMilliseconds(300) });
        Assert.True(SpinWait.SpinUntil(() => Set(store).Outcome == StoreOutcome.Stored, TimeSpan.FromSeconds(10)));
        _ = Task.Run(() => server.Command("DEBUG", "SLEEP", "1.5"));
        Assert.True(SpinWait.SpinUntil(() => Load(store).Failure == StoreFailure.TimedOut, TimeSpan.FromSeconds(5)));
        Assert.True(SpinWait.SpinUntil(() => Load(store).Failure == StoreFailure.None, TimeSpan.FromSeconds(10)));
        Assert.True(SpinWait.SpinUntil(() => store.InFlight == 0, TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public async Task A_password_is_asked_for()
    {
        using var server = new RedisProcess("--requirepass", "open-sesame");
        await using var store = await OpenAsync(server, o => o with { Password = "open-sesame" });
        Assert.Equal(new SetResult(StoreOutcome.Stored), Set(store));
        await using var stranger = await OpenAsync(server);
        Assert.Contains(Load(stranger).Failure, new[] { StoreFailure.Refused, StoreFailure.Unreachable });
    }

    [Fact]
    public async Task It_is_spoken_to_over_tls_if_its_certificate_is_from_the_right_authority()
    {
        var folder = Directory.CreateTempSubdirectory("masq-redis-tls-").FullName;
        try
        {
            WriteCertificates(folder);
            var port = RedisProcess.FreePort();
            using var server = new RedisProcess(
                "--tls-port", port.ToString(CultureInfo.InvariantCulture), "--tls-auth-clients", "no", "--tls-cert-file", $"{folder}/redis.pem", "--tls-key-file", $"{folder}/redis.key",
                "--tls-ca-cert-file", $"{folder}/ca.pem");
            RedisOptions Over(RedisOptions o, string authority) => o with
            {
                Endpoints = [new IPEndPoint(IPAddress.Loopback, port)], Tls = true, TlsName = "redis.example", TlsAuthorities = $"{folder}/{authority}",
            };
            await using var store = await OpenAsync(server, o => Over(o, "ca.pem"));
            Assert.Equal(new SetResult(StoreOutcome.Stored), Set(store));
            await using var wary = await OpenAsync(server, o => Over(o, "other.pem"));
            Assert.NotEqual(StoreFailure.None, Load(wary).Failure);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void WriteCertificates(string folder)
    {
        var from = DateTimeOffset.UtcNow.AddDays(-1);
        foreach (var name in new[] { "other", "ca" })
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            using var authority = request.CreateSelfSigned(from, from.AddDays(9));
            File.WriteAllText(Path.Combine(folder, name + ".pem"), authority.ExportCertificatePem());
            using var serverKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var server = new CertificateRequest("CN=redis.example", serverKey, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("redis.example");
            server.CertificateExtensions.Add(names.Build());
            using var certificate = server.Create(authority, from, from.AddDays(8), [1, 2, 3]);
            File.WriteAllText(Path.Combine(folder, "redis.pem"), certificate.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, "redis.key"), serverKey.ExportPkcs8PrivateKeyPem());
        }
    }

    private static async Task<RedisClientStore> OpenAsync(RedisProcess server, Func<RedisOptions, RedisOptions>? change = null)
    {
        var options = new RedisOptions { Endpoints = [server.EndPoint], WatchInterval = TimeSpan.FromMilliseconds(50), Timeout = TimeSpan.FromSeconds(3) };
        return await RedisClientStore.ConnectAsync(change?.Invoke(options) ?? options, completion => completion(), 0);
    }

    private static LoadResult Load(IClientStore store) => Load(store, Client);

    private static LoadResult Load(IClientStore store, MacAddress client)
    {
        LoadResult result = default;
        new BlockingStore(store).Load(client, loaded => result = loaded);
        return result;
    }

    private static SetResult Set(IClientStore store)
    {
        SetResult result = default;
        new BlockingStore(store).CompareAndSet(new ClientRecord { Client = Client, Epoch = new Epoch(1) }, Load(store).Found, default, set => result = set);
        return result;
    }
}
