using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Store;

/// <summary>
/// A coordinator's connection to the store: commands go to the master of their part, in their order, and are answered, or it is known that they may have been carried out or not.
/// Whoever is the master of a part is found out anew only after trouble, as the Redis client does it.
/// </summary>
internal sealed class SimStoreLink
{
    /// <summary>How long an answer may take.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LookAnewInterval = TimeSpan.FromMilliseconds(200);

    private readonly SimNetwork _network;
    private readonly SimRedis _redis;
    private readonly SimMaster[] _masters;
    private readonly bool[] _isLooking;
    private readonly bool _seesAll;
    private readonly Instant[] _lastThere;
    private readonly Instant[] _lastBack;
    private Instant _lastHeard;
    private Instant _cutUntil;
    private bool _isStalled;

    public SimStoreLink(SimNetwork network, SimRedis redis)
    {
        _network = network;
        _redis = redis;
        _masters = [.. Enumerable.Range(0, redis.Parts).Select(redis.Master)];
        _isLooking = new bool[redis.Parts];
        _seesAll = redis.Random.Chance(0.5);
        _lastThere = new Instant[redis.Parts];
        _lastBack = new Instant[redis.Parts];
    }

    public SimRedis Redis => _redis;

    public bool IsClosed { get; private set; }

    private bool IsCut => _network.Now < _cutUntil;

    /// <summary>The replication identities of the masters that can be asked.</summary>
    public IReadOnlyList<string> Identities
    {
        get
        {
            var found = new HashSet<string>(StringComparer.Ordinal);
            for (var part = 0; part < _masters.Length && !IsCut; part++)
            {
                if (_masters[part].IsUp)
                {
                    found.Add(Name(_masters[part]));
                }

                if (_redis.Master(part) is { IsUp: true } present && (_masters[part] == present || _seesAll))
                {
                    found.Add(Name(present));
                }
            }

            return [.. found.Order(StringComparer.Ordinal)];
        }
    }

    /// <summary>The store cannot be reached for a while: commands fail, or stay on the way until then.</summary>
    public void Cut(TimeSpan span, bool stall)
    {
        _cutUntil = Instant.Max(_cutUntil, _network.Now + span);
        _isStalled = stall;
    }

    public void Mend() => _cutUntil = Instant.Min(_cutUntil, _network.Now);

    /// <summary>The coordinator is gone. What it has said may still be on the way.</summary>
    public void Close()
    {
        IsClosed = true;
        _redis.Unsubscribe(this);
    }

    /// <summary>Runs a command.</summary>
    public SimTask<SimReply<T>> RunAsync<T>(StoreKey key, Func<SimMaster, T> command)
    {
        var answer = new SimTask<SimReply<T>>();
        var part = _redis.PartOf(key);
        var sent = _network.Now;
        void Fail(StoreFailure failure) => Answer(answer, new SimReply<T>(default!, failure));
        void FailLater(StoreFailure failure) => _network.At(Delay(), () => Fail(failure));
        void Limit() => _network.At(sent + Timeout, () => Fail(StoreFailure.TimedOut));

        void Arrive()
        {
            if (IsCut)
            {
                if (_isStalled)
                {
                    Limit();
                    _network.At(_cutUntil, Arrive);
                }
                else
                {
                    FailLater(StoreFailure.Unreachable);
                }

                return;
            }

            var master = _masters[part];
            if (!master.IsUp)
            {
                LookAnew(part);
                if (_redis.Random.Chance(0.3))
                {
                    Limit();
                }
                else
                {
                    FailLater(StoreFailure.Unreachable);
                }

                return;
            }

            var value = master.Execute(command, _network.Now);
            if (master == _redis.Master(part) && master.Get<object>(key) is StoredRecord record)
            {
                _redis.OnRecord?.Invoke(key, record);
            }

            var back = Instant.Max(_network.Now + Delay(), _lastBack[part]);
            _lastBack[part] = back;
            _network.At(back, () => Land(value));
        }

        void Land(T value)
        {
            if (!IsCut)
            {
                Answer(answer, new SimReply<T>(value, StoreFailure.None));
            }
            else if (_isStalled)
            {
                Limit();
                _network.At(_cutUntil, () => Land(value));
            }
            else
            {
                // It has been done, and nobody here will know.
                Fail(StoreFailure.Unreachable);
            }
        }

        if (IsCut && !_isStalled)
        {
            FailLater(StoreFailure.Unreachable);
            return answer;
        }

        var there = Instant.Max(_network.Now + Delay(), _lastThere[part]);
        _lastThere[part] = there;
        _network.At(there, Arrive);
        return answer;
    }

    /// <summary>Publishes; whether it gets there is not known.</summary>
    public void Publish(ulong channel, object frame)
    {
        if (IsCut || _redis.Random.Chance(Loss))
        {
            return;
        }

        var there = Instant.Max(_network.Now + Delay(), _lastThere[0]);
        _lastThere[0] = there;
        _network.At(there, () =>
        {
            if (!IsCut && _masters[0].IsUp)
            {
                _redis.Publish(channel, frame);
            }
        });
    }

    /// <summary>A published message on its way here.</summary>
    public void Hear(Action hear)
    {
        if (IsCut || _redis.Random.Chance(Loss))
        {
            return;
        }

        _lastHeard = Instant.Max(_network.Now + Delay(), _lastHeard);
        _network.At(_lastHeard, () =>
        {
            if (!IsCut && !IsClosed)
            {
                hear();
            }
        });
    }

    private double Loss => _network.Faulty ? _network.Settings.PeerLoss : 0;

    private static string Name(SimMaster master) => master.Identity.ToString("x16", System.Globalization.CultureInfo.InvariantCulture);

    private void Answer<T>(SimTask<SimReply<T>> answer, SimReply<T> reply)
    {
        if (!IsClosed)
        {
            answer.Complete(reply);
        }
    }

    /// <summary>Where the master is now is seen a while after the trouble.</summary>
    private void LookAnew(int part)
    {
        if (_isLooking[part])
        {
            return;
        }

        _isLooking[part] = true;
        _network.At(TimeSpan.FromMilliseconds(_redis.Random.NextInt((int)LookAnewInterval.TotalMilliseconds)), () =>
        {
            _isLooking[part] = false;
            if (_redis.Master(part).IsUp)
            {
                _masters[part] = _redis.Master(part);
            }
        });
    }

    private TimeSpan Delay()
    {
        var settings = _network.Settings;
        var jitter = _network.Faulty && settings.StoreJitter > 0 ? _redis.Random.NextInt(settings.StoreJitter) : 0;

        // Now and then a server does something else for a while.
        var pause = _network.Faulty && settings.StorePauses && _redis.Random.Chance(0.002) ? _redis.Random.NextInt(400_000) : 0;
        return TimeSpan.FromMicroseconds(settings.StoreDelay + jitter + pause);
    }
}
