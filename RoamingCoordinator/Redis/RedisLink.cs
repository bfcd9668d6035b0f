using System.Diagnostics;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>An answer of Redis, or why there is none.</summary>
internal readonly record struct Reply<T>(T Value, StoreFailure Failure);

/// <summary>
/// The connection to a Redis or a cluster: pipelined, bounded, with a time limit, and never an exception. It mends itself: a lost server is dialled again, and a cluster whose
/// masters have changed is looked at anew.
/// </summary>
internal sealed class RedisLink : IAsyncDisposable
{
    private static readonly TimeSpan LookAnewInterval = TimeSpan.FromMilliseconds(200);

    private readonly RedisOptions _options;
    private readonly ConnectionMultiplexer _redis;
    private readonly IDatabase _database;
    private int _inFlight;
    private int _lookingAnew;
    private long _lookedAnew;

    private RedisLink(RedisOptions options, ConnectionMultiplexer redis)
    {
        _options = options;
        _redis = redis;
        _database = redis.GetDatabase();
    }

    /// <summary>Commands that wait for an answer.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    public ISubscriber Subscriber => _redis.GetSubscriber();

    public static async Task<RedisLink> ConnectAsync(RedisOptions options)
    {
        var settings = new ConfigurationOptions
        {
            AbortOnConnectFail = false,
            ConnectTimeout = 1_000,
            ConnectRetry = 1,
            KeepAlive = 5,
            SyncTimeout = Math.Max(1_000, (int)options.Timeout.TotalMilliseconds),
            Password = options.Password,
            Ssl = options.Tls,
            SslHost = options.TlsName,
            ClientName = "masq-coordinator",

            // INFO, which tells who is master, counts as administration for this client.
            AllowAdmin = true,
            ReconnectRetryPolicy = new LinearRetry(250),
        };
        foreach (var endpoint in options.Endpoints)
        {
            settings.EndPoints.Add(endpoint);
        }

        if (options.Tls && options.TlsAuthorities is not null)
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(options.TlsAuthorities);
            settings.CertificateValidation += (_, certificate, _, errors) => IsFrom(authorities, certificate, errors);
        }

        return new RedisLink(options, await ConnectionMultiplexer.ConnectAsync(settings).ConfigureAwait(false));
    }

    public Task<Reply<RedisResult>> RunAsync(string script, RedisKey[] keys, RedisValue[] values) =>
        RunAsync((database, _) => database.ScriptEvaluateAsync(script, keys, values), 0);

    /// <summary>Runs a command. Never throws.</summary>
    public async Task<Reply<T>> RunAsync<T, TArgument>(Func<IDatabase, TArgument, Task<T>> command, TArgument argument)
    {
        var reply = await TryAsync(command, argument).ConfigureAwait(false);

        // The client calls back on the thread that reads its socket: whatever came after this would hold up all other answers.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        return reply;
    }

    private async Task<Reply<T>> TryAsync<T, TArgument>(Func<IDatabase, TArgument, Task<T>> command, TArgument argument)
    {
        if (Interlocked.Increment(ref _inFlight) > _options.MaxInFlight)
        {
            Interlocked.Decrement(ref _inFlight);
            return new Reply<T>(default!, StoreFailure.Busy);
        }

        try
        {
            return new Reply<T>(await command(_database, argument).WaitAsync(_options.Timeout).ConfigureAwait(false), StoreFailure.None);
        }
        catch (Exception e)
        {
            // Whatever it is, it is the store's trouble and nobody else's.
            var failure = Classify(e);
            if (failure is StoreFailure.Unreachable or StoreFailure.ReadOnly or StoreFailure.TimedOut)
            {
                LookAnew();
            }

            return new Reply<T>(default!, failure);
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
    }

    /// <summary>What the servers that can be reached say about their replication.</summary>
    public async Task<IReadOnlyList<string>> ReplicationAsync()
    {
        var answers = new List<Task<string>>();
        foreach (var endpoint in _redis.GetEndPoints())
        {
            var server = _redis.GetServer(endpoint);
            if (server.IsConnected)
            {
                answers.Add(AskAsync(server));
            }
        }

        return await Task.WhenAll(answers).ConfigureAwait(false);
    }

    /// <summary>All keys with a prefix, of all masters.</summary>
    public Task<IReadOnlyList<string>> KeysAsync(string prefix) => Task.Run<IReadOnlyList<string>>(() =>
    {
        var found = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            foreach (var endpoint in _redis.GetEndPoints())
            {
                var server = _redis.GetServer(endpoint);
                if (server.IsConnected)
                {
                    found.UnionWith(server.Keys(pattern: prefix + "*", pageSize: 1_000).Select(k => (string)k!));
                }
            }
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException)
        {
            // What was found so far is all there is to tell.
        }

        return [.. found];
    });

    public ValueTask DisposeAsync()
    {
        _redis.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Why a command failed.</summary>
    internal static StoreFailure Classify(Exception exception) => exception switch
    {
        TimeoutException => StoreFailure.TimedOut,
        RedisServerException server => Classify(server.Message),
        RedisException or ObjectDisposedException or IOException or OperationCanceledException => StoreFailure.Unreachable,

        // What cannot be converted to what it should be.
        InvalidCastException or FormatException or OverflowException => StoreFailure.Garbage,
        AggregateException { InnerException: { } inner } => Classify(inner),
        _ => StoreFailure.Error,
    };

    private static StoreFailure Classify(string message)
    {
        bool Says(string code) => message.Contains(code, StringComparison.Ordinal);
        return Says("WRONGTYPE") ? StoreFailure.Garbage
            : Says("OOM ") ? StoreFailure.OutOfMemory
            : Says("READONLY") || Says("MISCONF") || Says("NOREPLICAS") ? StoreFailure.ReadOnly
            : Says("NOAUTH") || Says("NOPERM") || Says("WRONGPASS") ? StoreFailure.Refused
            : Says("CLUSTERDOWN") || Says("MOVED") || Says("ASK ") || Says("TRYAGAIN") || Says("LOADING") || Says("MASTERDOWN") ? StoreFailure.Unreachable
            : StoreFailure.Error;
    }

    private static bool IsFrom(X509Certificate2Collection authorities, X509Certificate? certificate, SslPolicyErrors errors)
    {
        if (certificate is null || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        using var presented = new X509Certificate2(certificate);
        return chain.Build(presented);
    }

    private async Task<string> AskAsync(IServer server)
    {
        try
        {
            return await server.InfoRawAsync("replication").WaitAsync(_options.Timeout).ConfigureAwait(false) ?? string.Empty;
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException or OperationCanceledException)
        {
            return string.Empty;
        }
    }

    /// <summary>After a fail-over commands go to the old master until the configuration is read again.</summary>
    private void LookAnew()
    {
        var now = Stopwatch.GetTimestamp();
        if (Stopwatch.GetElapsedTime(Volatile.Read(ref _lookedAnew), now) < LookAnewInterval || Interlocked.Exchange(ref _lookingAnew, 1) != 0)
        {
            return;
        }

        Volatile.Write(ref _lookedAnew, now);
        _ = LookAnewAsync();
    }

    private async Task LookAnewAsync()
    {
        try
        {
            await _redis.ConfigureAsync().WaitAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException or OperationCanceledException)
        {
            // The next failure tries again.
        }
        finally
        {
            Volatile.Write(ref _lookingAnew, 0);
        }
    }
}
