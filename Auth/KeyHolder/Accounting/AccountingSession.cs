using Masquerade.Auth.Keys;
using Masquerade.Auth.Radius;
using Masquerade.Core.Flow;

namespace Masquerade.Auth.KeyHolder;

/// <summary>
/// A user's session as accounting servers see it: one Acct-Session-Id from its start to its stop, wherever the user walks and however often it authenticates again (decision 33). A roam is told by an interim record with
/// the new Called-Station-Id. Safe for several threads.
/// </summary>
public sealed class AccountingSession
{
    private readonly Accounting _accounting;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly DateTimeOffset _began;
    private string _user;
    private SessionTerms _terms;
    private DateTimeOffset _due;
    private bool _ended;

    internal AccountingSession(Accounting accounting, TimeProvider time, SessionId session, MacAddress client, NodeId node, string user, SessionTerms terms, DateTimeOffset began, Usage used)
    {
        (_accounting, _time, Session, Client, Node, _user, _terms, _began, Used) = (accounting, time, session, client, node, user, terms, began, used);
        Defer();
    }

    /// <summary>Its name: Acct-Session-Id and Acct-Multi-Session-Id.</summary>
    public SessionId Session { get; }

    /// <summary>The client.</summary>
    public MacAddress Client { get; }

    /// <summary>The access point that the client is at.</summary>
    public NodeId Node { get; private set; }

    /// <summary>What has been used since the start, at all access points together.</summary>
    public Usage Used { get; private set; }

    /// <summary>Adds what was used since the last time; whichever access point says so, for the last word of the one before may come after the first of the next.</summary>
    public void Add(Usage more)
    {
        lock (_gate)
        {
            Used += more;
        }
    }

    /// <summary>The client is at another access point now.</summary>
    public void RoamTo(NodeId node)
    {
        lock (_gate)
        {
            if (!_ended && Node != node)
            {
                Node = node;
                Tell(AccountingStatus.Interim);
            }
        }
    }

    /// <summary>The user has authenticated again: the session goes on with what the server says now.</summary>
    public void Renew(SessionGrant grant)
    {
        ArgumentNullException.ThrowIfNull(grant);
        lock (_gate)
        {
            (_user, _terms) = (grant.User, grant.Terms);
        }
    }

    /// <summary>The server has changed what it says of the session (RFC 5176 section 2.2): what it speaks of is as it says now.</summary>
    public void Change(SessionTerms change)
    {
        lock (_gate)
        {
            if (SessionTermsReader.TryChange(_terms, change, out var terms))
            {
                _terms = terms;
            }
        }
    }

    /// <summary>Tells how far the session is, if Acct-Interim-Interval has passed since the last word.</summary>
    public void InterimIfDue()
    {
        lock (_gate)
        {
            if (!_ended && _terms.InterimInterval is not null && _time.GetUtcNow() >= _due)
            {
                Tell(AccountingStatus.Interim);
            }
        }
    }

    /// <summary>The session is over; a second time changes nothing.</summary>
    public void Stop(TerminateCause cause)
    {
        lock (_gate)
        {
            if (!_ended)
            {
                Tell(AccountingStatus.Stop, cause);
                _ended = true;
            }
        }
    }

    internal void Start()
    {
        lock (_gate)
        {
            Tell(AccountingStatus.Start);
        }
    }

    private void Tell(AccountingStatus status, TerminateCause cause = default)
    {
        var now = _time.GetUtcNow();
        _accounting.Enqueue(new AccountingRecord(status, Session, _user, Client, Node, _terms, now, now - _began, Used, cause));
        Defer();
    }

    private void Defer() => _due = _time.GetUtcNow() + (_terms.InterimInterval ?? TimeSpan.Zero);
}
