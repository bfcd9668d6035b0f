using System.Security.Cryptography;
using System.Threading.Channels;
using Masquerade.Auth.Filter;
using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Redis;
using Masquerade.RoamingCoordinator.Steps;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>The key holder, the site's keys and the policies behind the coordinator's <see cref="IUsers"/>. All but the key holder's tasks runs in the coordinator's loop.</summary>
internal sealed partial class UserDirectory : IUsers, IAsyncDisposable
{
    private readonly UsersSettings _settings;
    private readonly ChannelWriter<SessionInput> _loop;
    private readonly Action<string, string> _log;
    private readonly KeyHolder _holder;
    private readonly RadiusClient _radius;
    private readonly SiteKeys _siteKeys = new();
    private readonly PolicyDesk _desk;
    private readonly PolicyShelf _shelf;
    private readonly SharedBook? _shared;
    private readonly DeniedUsers _denied;
    private readonly SessionAccounts? _accounts;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _ticking;

    /// <exception cref="IOException">The file of users who are denied cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public UserDirectory(UsersSettings settings, string name, ChannelWriter<SessionInput> loop, Action<string, string> log, RedisUserBook? book = null)
    {
        (_settings, _loop, _log) = (settings, loop, log);
        _denied = DeniedUsers.Open(settings.DeniedFile);
        _desk = new PolicyDesk(settings.Policies, settings.PoliciesPath, loop, log);
        _shared = book is null ? null : new SharedBook(book, _denied, _desk, loop, log);
        _shelf = new PolicyShelf(_shared is null ? null : (policy, text) => _shared.KeepText(policy.Span, text));
        if (_shared is not null)
        {
            _desk.ShareBy(_shared.KeepAsync);
        }

        foreach (var (number, key) in settings.SiteKeys.Count > 0 ? settings.SiteKeys.Reverse() : [(1U, RandomNumberGenerator.GetBytes(SiteKeys.KeyLength))])
        {
            // The one that is added last seals.
            if (!_siteKeys.TryAdd(number, key))
            {
                throw new IOException($"siteKeyFile: key {number} is there twice, or is no key");
            }

            CryptographicOperations.ZeroMemory(key);
        }

        var nas = new NasSettings { Identifier = name, Ssid = settings.Network.Length == 0 ? null : settings.Network };
        _radius = Client(settings.Radius.Select((s, i) => (i, s.Authentication, s.Secret)));
        _holder = new KeyHolder(new KeyHolderSettings { Nas = nas }, _radius);
        if (settings.Radius.Any(s => s.Accounting is not null))
        {
            _accounts = new SessionAccounts(nas, Client(settings.Radius.Select((s, i) => (i, s.Accounting, s.Secret)).Where(s => s.Accounting is not null).Select(s => (s.i, s.Accounting!, s.Secret))));
        }

        _ticking = TickAsync();
    }

    /// <summary>Keys that nobody fetches any more are zeroed in time, and accounting tells how far sessions are.</summary>
    private async Task TickAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                _holder.Sweep();
                if (_accounts is not null)
                {
                    _loop.TryWrite(new StoreAnswered(_accounts.Tick));
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The coordinator stops.
        }
    }

    public IReadOnlyList<string> Denied => _denied.Names;

    /// <summary>What the key holder has counted.</summary>
    public KeyHolderCounters Counters => _holder.Counters;

    /// <summary>Reads what other coordinators have ordered. Before access points are let in.</summary>
    public Task StartAsync() => _shared?.StartAsync() ?? Task.CompletedTask;

    /// <summary>Other coordinators may have ordered something.</summary>
    public void Follow() => _shared?.Follow();

    /// <summary>The file of policies is to be read again.</summary>
    public Task ReloadAsync() => _desk.ReloadAsync();

    public void Deny(string user, bool denied, Action<UserChangeOutcome> done)
    {
        void Say(UserChangeOutcome outcome)
        {
            _log(outcome == UserChangeOutcome.Done ? "info" : "error", outcome switch
            {
                UserChangeOutcome.Done => $"user {user} {(denied ? "is denied" : "is denied no more")}",
                UserChangeOutcome.Unsure => $"user {user} may be {(denied ? "denied" : "denied no more")} or not: {(_shared is null ? "the disk" : "the store")} has not said whether it has kept it",
                _ => $"user {user} could not be {(denied ? "denied" : "allowed")}: {(_shared is null ? "the file of denied users cannot be written" : "the store cannot keep it")}, too many are denied, or it is no name",
            });
            done(outcome);
        }

        if (_shared is null)
        {
            Say(_denied.Set(user, denied) switch
            {
                Replacement.Done => UserChangeOutcome.Done,
                Replacement.Unsure => UserChangeOutcome.Unsure,
                _ => UserChangeOutcome.Failed,
            });
        }
        else if (denied && !DeniedUsers.IsName(user))
        {
            Say(UserChangeOutcome.Refused);
        }
        else
        {
            _shared.Deny(user, denied, Say);
        }
    }

    public void Exchange(EapQuestion question, Action<EapVerdict> done)
    {
        var request = new KeyHolderRequest
        {
            Node = question.Node, Client = question.Client, Exchange = question.Exchange, Eap = question.Eap.Span.ToArray(), IsKeyed = _settings.RequireKey,
        };
        _ = Task.Run(() => ExchangeAsync(request, done));
    }

    public IPolicyDesk? Policies => _desk;

    public GuestRules? Guests => _settings.Portal;

    public bool HasRole(string role) => _desk.Book.HasRole(role);

    /// <summary>Asks the servers.</summary>
    public RadiusClient Radius => _radius;

    public Octets? PolicyOf(MacAddress client, UserRecord user) => Resolve(user, []) is { IsRefused: false } choice ? _shelf.NameOf(choice.Policy) : null;

    public UserSession? For(MacAddress client, UserRecord user, NodeId node, long unixMilliseconds)
    {
        var mistakes = new List<PolicyMistake>();
        if (Resolve(user, mistakes) is not { } choice)
        {
            return null;
        }

        if (choice.IsRefused || _shelf.NameOf(choice.Policy) is not { } policy)
        {
            _log("warning", $"{user.User} is not let in: {choice.Why}{string.Concat(mistakes.Take(3).Select(m => "; " + m))}");
            return null;
        }

        if (!TryMakeKey(client, user, node, out var key))
        {
            return null;
        }

        return new UserSession
        {
            Session = user.Session,
            User = user.User,
            Key = key,
            Policy = policy,
            SecondsLeft = SecondsLeft(user, unixMilliseconds),
            IdleSeconds = user.IdleSeconds,
            IsTrusted = user.Role.Length > 0 || IsTrusted(client, user),
            Segment = user.Segment,
            IsProtected = user.IsProtected,
        };
    }

    public UserRecord? WithoutProof(MacAddress client, long unixMilliseconds)
    {
        var isTrusted = _settings.Trusted.TryGetValue(client, out var user);
        return !isTrusted && !_settings.LetsGuestsIn ? null : new UserRecord
        {
            Session = new Octets(RandomNumberGenerator.GetBytes(UserSession.IdLength)), User = user ?? "guest", Role = isTrusted ? string.Empty : "guest", Began = unixMilliseconds,
        };
    }

    public bool IsDenied(string user) => _denied.Contains(user);

    public void FindText(Octets policy, Action<Octets> done)
    {
        var text = _shelf.Find(policy);
        if (text.Length > 0 || _shared is null)
        {
            done(text);
            return;
        }

        // Another coordinator may have told the access point of it.
        _ = FindTextAsync(_shared, policy, done);
    }

    private async Task FindTextAsync(SharedBook shared, Octets policy, Action<Octets> done)
    {
        var found = await shared.FindTextAsync(policy.Span.ToArray()).ConfigureAwait(false);
        var isIt = found is { Length: > 0 and <= ControlLimits.MaxPolicy } && SHA256.HashData(found).AsSpan().SequenceEqual(policy.Span);
        try
        {
            await _loop.WriteAsync(
                new StoreAnswered(() =>
                {
                    if (isIt)
                    {
                        _shelf.Put(policy, new Octets(found));
                    }

                    done(isIt ? new Octets(found) : Octets.Empty);
                }),
                _stop.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or ChannelClosedException)
        {
            // The coordinator stops; whoever asked asks another one.
        }
    }

    public void Used(UserRecord user, NodeId node, UserSessionUsed used) => _accounts?.Used(user, node, used);

    public void Taken(UserRecord user, MacAddress client) => _accounts?.Taken(user, client);

    public void Ended(UserRecord user, MacAddress client, string reason) => _accounts?.Ended(user, client);

    /// <summary>Whether the site has given a session by itself, and no server has.</summary>
    public bool IsOfSite(MacAddress client, UserRecord user) => user.Role.Length > 0 || IsTrusted(client, user);

    /// <summary>Whether a RADIUS server means this session: all that it names must be so of it. In the loop.</summary>
    public bool IsMeant(SessionSelector selector, MacAddress client, UserRecord user) =>
        (selector.User is not { } name || string.Equals(name, user.User, StringComparison.OrdinalIgnoreCase))
        && (selector.Client is not { } mac || mac == client)
        && (selector.AccountingSession is not { } session || string.Equals(session, _accounts?.NameOf(client, user) ?? SessionId.FromBytes(user.Session.Span).ToString(), StringComparison.OrdinalIgnoreCase))
        && (selector.ChargeableUser is not { } chargeable
            || (SessionTermsReader.TryRead(user.Terms.Span, out var terms, out _) && terms.ChargeableUserIdentity is { } identity && identity.AsSpan().SequenceEqual(chargeable)));

    /// <summary>A session with other terms; null if they cannot be.</summary>
    public UserRecord? Change(UserRecord user, SessionTerms change, long unixMilliseconds)
    {
        if (!SessionTermsReader.TryRead(user.Terms.Span, out var before, out _) || !SessionTermsReader.TryChange(before, change, out var terms))
        {
            return null;
        }

        // A time that the server says now counts from now (RFC 2865 section 5.27: service that is left).
        return WithTerms(user with { Ends = change.SessionTimeout is { } time ? unixMilliseconds + (long)time.TotalMilliseconds : user.Ends }, terms);
    }

    /// <summary>Accounting goes on by what a change says. In the loop.</summary>
    public void AccountAnew(MacAddress client, UserRecord user, SessionTerms change) => _accounts?.Change(client, user, change);

    /// <summary>A user has authenticated at an access point that asks by RADIUS. Owns the grant; false refuses him.</summary>
    public async Task<bool> TakeAsync(NodeId node, SessionGrant grant, CancellationToken cancel)
    {
        using var owned = grant;
        var key = grant.Key is { } secret ? Seal(secret) : Octets.Empty;
        var roaming = grant.Roaming is { } shared ? Seal(shared) : Octets.Empty;
        var answer = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        await _loop.WriteAsync(
            new Question((core, now) =>
            {
                if (RecordOf(grant, key) is { } user)
                {
                    _accounts?.Offer(grant);
                    core.TakeUser(grant.Client, node, user with { SealedRoamingKey = roaming }, isTaken => answer.TrySetResult(isTaken), now);
                }
                else
                {
                    answer.TrySetResult(false);
                }
            }),
            cancel).ConfigureAwait(false);
        return await answer.Task.WaitAsync(cancel).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _ticking.ConfigureAwait(false);
        await _holder.DisposeAsync().ConfigureAwait(false);
        await _radius.DisposeAsync().ConfigureAwait(false);
        if (_accounts is not null)
        {
            await _accounts.DisposeAsync().ConfigureAwait(false);
        }

        _siteKeys.Dispose();
        _desk.Dispose();
        _stop.Dispose();
    }

    /// <summary>A session that somebody has authenticated for is his, whatever the MAC address is trusted for.</summary>
    private bool IsTrusted(MacAddress client, UserRecord user) =>
        user.Terms.Length == 0 && _settings.Trusted.TryGetValue(client, out var name) && string.Equals(name, user.User, StringComparison.Ordinal);

    private static RadiusClient Client(IEnumerable<(int Number, System.Net.IPEndPoint EndPoint, string Secret)> servers) => new(new RadiusClientSettings
    {
        Servers = [.. servers.Select(s => new RadiusServerSettings { Name = $"radius{s.Number + 1}", EndPoint = s.EndPoint, Secret = new RadiusSecret(s.Secret) })],
    });

    private async Task ExchangeAsync(KeyHolderRequest request, Action<EapVerdict> done)
    {
        KeyHolderAnswer answer;
        var sealedKey = Octets.Empty;
        try
        {
            answer = await _holder.ExchangeAsync(request, CancellationToken.None).ConfigureAwait(false);
            if (answer.Grant is { } grant && !_holder.TryUseKey(grant, key => sealedKey = Seal(key)))
            {
                answer = new KeyHolderAnswer(EapOutcome.Unavailable, default, KeyHolderCount.UnknownExchange);
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Whatever it is, whoever asked hears that he has to begin anew, and his place is free.
            _log("error", $"the key holder could not take a message of {request.Client} at {request.Node}: {e.GetType().Name}: {e.Message}");
            answer = new KeyHolderAnswer(EapOutcome.Unavailable, default, KeyHolderCount.NoServer);
        }

        try
        {
            await _loop.WriteAsync(new StoreAnswered(() => done(Verdict(answer, sealedKey))), _stop.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or ChannelClosedException)
        {
            // The coordinator stops; whoever asked asks another one.
        }
    }

    /// <summary>In the loop.</summary>
    private EapVerdict Verdict(KeyHolderAnswer answer, Octets sealedKey)
    {
        var eap = new Octets(answer.Eap.Span);
        if (answer is not { Outcome: EapOutcome.Accept, Grant: { } grant })
        {
            return new EapVerdict(answer.Outcome, eap);
        }

        if (RecordOf(grant, sealedKey) is not { } user)
        {
            return new EapVerdict(EapOutcome.Reject, eap);
        }

        _accounts?.Offer(grant);
        return new EapVerdict(EapOutcome.Accept, eap, user);
    }

    /// <summary>The session as it is kept; null if he cannot be let in.</summary>
    private UserRecord? RecordOf(SessionGrant grant, Octets sealedKey)
    {
        if (grant.User.Length is 0 or > ControlLimits.MaxReasonLength)
        {
            _log("warning", $"a user of {grant.User.Length} characters is not let in: at most {ControlLimits.MaxReasonLength}");
            return null;
        }

        if (grant.Terms.UserName is null && !_settings.TrustIdentity)
        {
            // The identity outside the tunnel is whatever the client likes.
            _log("warning", $"{grant.Client} is not let in: the RADIUS server has accepted it without saying who it is (User-Name in the Access-Accept; or users.trustIdentity)");
            return null;
        }

        var session = new byte[UserSession.IdLength];
        grant.Session.WriteTo(session);
        var began = grant.At.ToUnixTimeMilliseconds();
        return WithTerms(
            new UserRecord
            {
                Session = new Octets(session), User = grant.User, SealedKey = sealedKey, Began = began, Ends = grant.Terms.SessionTimeout is { } time ? began + (long)time.TotalMilliseconds : 0,
            },
            grant.Terms);
    }

    private static UserRecord WithTerms(UserRecord user, SessionTerms terms) => user with
    {
        Terms = new Octets(terms.Octets.Span),
        IdleSeconds = (uint)Math.Min(terms.IdleTimeout?.TotalSeconds ?? 0, uint.MaxValue),
        Segment = terms.Segment is { Length: <= ControlLimits.MaxReasonLength } segment ? segment : string.Empty,
    };

    private PolicyChoice? Resolve(UserRecord user, List<PolicyMistake> mistakes) =>
        _denied.Contains(user.User) || UserPolicies.QuestionAbout(user) is not { } question ? null : _desk.Book.Resolve(question, mistakes);

    private Octets Seal(SessionKey key)
    {
        Span<byte> sealedKey = stackalloc byte[SealedKey.Length];
        _siteKeys.Seal(key, RandomNumberGenerator.Fill, sealedKey);
        return new Octets(sealedKey);
    }

    private bool TryMakeKey(MacAddress client, UserRecord user, NodeId node, out Octets octets)
    {
        octets = Octets.Empty;
        if (user.SealedKey.Length == 0)
        {
            return true;
        }

        if (!_siteKeys.TryOpen(user.SealedKey.Span, SessionId.FromBytes(user.Session.Span), client, out var key))
        {
            // Sealed under a key that is not in use here any more: the client authenticates again.
            _log("warning", $"the session key of {client} cannot be opened by the keys of siteKeyFile");
            return false;
        }

        Span<byte> bytes = stackalloc byte[AccessPointKey.Length];
        using (key)
        using (var own = key.DeriveFor(node))
        {
            own.CopyTo(bytes);
        }

        octets = new Octets(bytes);
        CryptographicOperations.ZeroMemory(bytes);
        return true;
    }
}
