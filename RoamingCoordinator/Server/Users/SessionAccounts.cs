using Masquerade.Auth.KeyHolder;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>What users use, as the RADIUS server is told: one account for a session, wherever its user walks (decision 33). In the coordinator's loop.</summary>
internal sealed class SessionAccounts : IAsyncDisposable
{
    private const int MaxAccounts = 65_536;

    /// <summary>Grants that the store is being asked about.</summary>
    private const int MaxOffers = 4_096;

    private readonly RadiusClient _radius;
    private readonly Accounting _accounting;
    private readonly Dictionary<SessionId, SessionGrant> _offered = [];
    private readonly Queue<SessionId> _offers = new();
    private readonly Dictionary<MacAddress, SessionGrant> _granted = [];
    private readonly Dictionary<MacAddress, (string User, AccountingSession Account)> _accounts = [];
    private readonly Queue<MacAddress> _order = new();

    public SessionAccounts(NasSettings nas, RadiusClient radius)
    {
        _radius = radius;
        _accounting = new Accounting(new AccountingSettings { Nas = nas }, radius);
    }

    /// <summary>A server has granted a session. Whether the user may have the client's MAC address is not decided yet; of those of which nothing more is heard the oldest goes.</summary>
    public void Offer(SessionGrant grant)
    {
        if (_offered.TryAdd(grant.Session, grant))
        {
            _offers.Enqueue(grant.Session);
            if (_offers.Count > MaxOffers)
            {
                _offered.Remove(_offers.Dequeue());
            }
        }
    }

    /// <summary>The session is kept. Nothing is told before an access point uses it. A user who authenticates again goes on with the account that there is.</summary>
    public void Taken(UserRecord user, MacAddress client)
    {
        if (!_offered.Remove(SessionId.FromBytes(user.Session.Span), out var grant))
        {
            return;
        }

        if (_accounts.TryGetValue(client, out var known) && Same(known.User, grant.User))
        {
            known.Account.Renew(grant);
        }
        else if (_granted.Count < MaxAccounts || _granted.ContainsKey(client))
        {
            _granted[client] = grant;
        }
    }

    /// <summary>An access point has said what has passed.</summary>
    public void Used(UserRecord user, NodeId node, UserSessionUsed used)
    {
        if (user.Role.Length > 0 || Find(user, node, used.Client) is not { } account)
        {
            return;
        }

        if (used.Proof != SessionProof.None && account.Node != node)
        {
            account.RoamTo(node);
        }

        account.Add(new Usage(used.OctetsFrom, used.OctetsTo, used.PacketsFrom, used.PacketsTo));
    }

    /// <summary>The name by which a session is accounted for: that of its user's first authentication; null if it is not (yet).</summary>
    public string? NameOf(MacAddress client, UserRecord user) => _accounts.TryGetValue(client, out var known) && Same(known.User, user.User) ? known.Account.Session.ToString() : null;

    /// <summary>What the server says of a user's session has changed. Where nothing has been told of it yet, it begins as it is then.</summary>
    public void Change(MacAddress client, UserRecord user, SessionTerms change)
    {
        if (_accounts.TryGetValue(client, out var known) && Same(known.User, user.User))
        {
            known.Account.Change(change);
        }
    }

    /// <summary>Tells what is due.</summary>
    public void Tick()
    {
        foreach (var (_, account) in _accounts.Values)
        {
            account.InterimIfDue();
        }
    }

    /// <summary>A session is over.</summary>
    public void Ended(UserRecord user, MacAddress client)
    {
        _granted.Remove(client);
        if (_accounts.TryGetValue(client, out var known) && Same(known.User, user.User) && _accounts.Remove(client))
        {
            known.Account.Stop(TerminateCause.AdminReset);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, account) in _accounts.Values)
        {
            account.Stop(TerminateCause.AdminReboot);
        }

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        try
        {
            await _accounting.WhenEmptyAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The server does not answer: what it was not told is lost with the process.
        }

        await _accounting.DisposeAsync().ConfigureAwait(false);
        await _radius.DisposeAsync().ConfigureAwait(false);
    }

    private static bool Same(string one, string other) => string.Equals(one, other, StringComparison.OrdinalIgnoreCase);

    private AccountingSession? Find(UserRecord user, NodeId node, MacAddress client)
    {
        if (_accounts.TryGetValue(client, out var known) && Same(known.User, user.User))
        {
            return known.Account;
        }

        known.Account?.Stop(TerminateCause.NasRequest);
        AccountingSession account;
        if (_granted.Remove(client, out var grant) && Same(grant.User, user.User))
        {
            account = _accounting.Start(grant, node);
            if (!user.Terms.Span.SequenceEqual(grant.Terms.Octets.Span) && SessionTermsReader.TryRead(user.Terms.Span, out var changed, out _))
            {
                account.Change(changed);
            }
        }
        else if (SessionTermsReader.TryRead(user.Terms.Span, out var terms, out _))
        {
            // Another coordinator, or another life of this one, has begun it; what had passed then was told then.
            account = _accounting.Resume(SessionId.FromBytes(user.Session.Span), client, node, user.User, terms, DateTimeOffset.FromUnixTimeMilliseconds(user.Began), default);
        }
        else
        {
            return null;
        }

        if (_order.Count >= MaxAccounts && _order.TryDequeue(out var oldest) && _accounts.Remove(oldest, out var displaced))
        {
            displaced.Account.Stop(TerminateCause.NasError);
        }

        if (!_accounts.ContainsKey(client))
        {
            _order.Enqueue(client);
        }

        _accounts[client] = (user.User, account);
        return account;
    }
}
