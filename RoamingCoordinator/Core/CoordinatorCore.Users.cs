using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Steps;
using Masquerade.RoamingCoordinator.Users;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Users: what supplicants say goes to the key holder, and what comes of it is kept with the client; access points are told what is theirs to know. Who users are and what they may is
/// <see cref="IUsers"/>' business.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>Answers that are kept for the case that they get lost: a key holder is not asked the same twice.</summary>
    private const int MaxEapAnswers = 4_096;

    private readonly HashSet<(NodeId Node, ulong Id)> _exchanging = [];
    private readonly Dictionary<NodeId, int> _exchangingAt = [];
    private readonly Dictionary<(NodeId Node, ulong Id), EapToClient> _eapAnswers = [];
    private readonly Queue<(NodeId Node, ulong Id)> _eapAnswerOrder = new();
    private readonly HashSet<(NodeId Node, Octets Session, ulong Id)> _reports = [];
    private readonly Queue<(NodeId Node, Octets Session, ulong Id)> _reportOrder = new();

    /// <summary>EAP messages that were not passed on because too many were under way.</summary>
    public long EapRefused { get; private set; }

    /// <summary>Users who are denied, in order; null: this coordinator knows of no users.</summary>
    public IReadOnlyList<string>? DeniedUsers => _options.Users?.Denied;

    /// <summary>The time in Unix milliseconds, by which sessions end.</summary>
    private long UnixNow => (long)(_options.EpochClock ?? 0) + (_now.Nanoseconds / 1_000_000);

    /// <summary>Ends the session of a client, wherever it is (RFC 5176 section 2.1).</summary>
    /// <param name="client">The client.</param>
    /// <param name="isMeant">Which session is meant.</param>
    /// <param name="reason">Why, for logs.</param>
    /// <param name="now">The time.</param>
    public void EndUserSession(MacAddress client, Func<UserRecord, bool> isMeant, string reason, Instant now)
    {
        EndUserSession(client, isMeant, reason, _ => { }, now);
    }

    /// <summary>A user is denied, at once and everywhere, or is denied no more.</summary>
    /// <param name="user">The user.</param>
    /// <param name="denied">Whether he is.</param>
    /// <param name="done">Is told when it is kept, or is not; null: this coordinator knows of no users.</param>
    /// <param name="now">The time.</param>
    public void Deny(string user, bool denied, Action<UserChangeOutcome?> done, Instant now)
    {
        _now = now;
        if (_options.Users is not { } users)
        {
            done(null);
            return;
        }

        users.Deny(user, denied, outcome =>
        {
            if (outcome == UserChangeOutcome.Done && denied)
            {
                EndSessionsOf(user, Nodes.Nodes);
            }

            done(outcome);
        });
    }

    /// <summary>Another coordinator has denied a user: the nodes that are connected here, or nowhere, end his sessions.</summary>
    public void EndSessionsHere(string user, Instant now)
    {
        _now = now;
        EndSessionsOf(user, Nodes.Nodes.Where(IsNobodyElses));
    }

    private static bool IsNobodyElses(NodeState node) => node.IsHere || !node.IsConnected;

    /// <summary>Nodes end all sessions of a user at once.</summary>
    private void EndSessionsOf(string user, IEnumerable<NodeState> nodes)
    {
        foreach (var node in nodes.ToArray())
        {
            Push(node.Id, new UserDenied { Id = 0, User = user });
        }
    }

    private void OnUserRequest(NodeState node, ControlMessage message)
    {
        if (_options.Users is not { } users)
        {
            Refuse(node, message, "this coordinator knows of no users");
            return;
        }

        switch (message)
        {
            case EapFromClient eap:
                OnEap(node, eap, users);
                break;
            case UserSessionQuery query:
                Ask(node, query, query.Client, (state, _) => UserStep.Query(state, node.Id, query, users, UnixNow));
                break;
            case UserSessionUsed used:
                Ask(node, used, used.Client, (state, _) => UserStep.Used(state, node.Id, used, users, UnixNow));
                break;
            case RoamingKeyQuery query:
                Ask(node, query, query.Client, (state, _) => RoamingKeyStep.Decide(state, node.Id, query, users, UnixNow));
                break;
            case PolicyQuery query:
                users.FindText(query.Policy, text => Send(node, new PolicyReply { Id = query.Id, Policy = query.Policy, Text = text }));
                break;
        }
    }

    private void OnEap(NodeState node, EapFromClient asked, IUsers users)
    {
        var key = (node.Id, asked.Id);
        if (_eapAnswers.TryGetValue(key, out var answered) && answered.Client == asked.Client && answered.Exchange == asked.Exchange)
        {
            Send(node, Allowed(answered));
            return;
        }

        if (asked.Client.IsNone || asked.Client.IsGroup)
        {
            Refuse(node, asked, "a client needs a MAC address of its own");
            return;
        }

        if (_exchanging.Contains(key))
        {
            // The same message again; its answer is on its way.
            return;
        }

        var atNode = _exchangingAt.GetValueOrDefault(node.Id);
        if (_exchanging.Count >= _options.MaxEapExchanges || atNode >= _options.MaxEapExchanges / 8)
        {
            EapRefused++;
            return;
        }

        _exchanging.Add(key);
        _exchangingAt[node.Id] = atNode + 1;
        users.Exchange(new EapQuestion(node.Id, asked.Client, asked.Exchange, asked.Eap), verdict => OnEapVerdict(node, asked, verdict, users));
    }

    private void OnEapVerdict(NodeState node, EapFromClient asked, EapVerdict verdict, IUsers users)
    {
        _exchanging.Remove((node.Id, asked.Id));
        var left = _exchangingAt.GetValueOrDefault(node.Id) - 1;
        if (left > 0)
        {
            _exchangingAt[node.Id] = left;
        }
        else
        {
            _exchangingAt.Remove(node.Id);
        }

        if (verdict.Outcome == EapOutcome.Accept && verdict.User is not null)
        {
            Ask(node, asked, asked.Client, (state, _) => UserStep.Accept(state, node.Id, asked, verdict, users, UnixNow));
            return;
        }

        var outcome = verdict.Outcome == EapOutcome.Accept ? EapOutcome.Unavailable : verdict.Outcome;
        Say(node, UserStep.Answer(asked, outcome, verdict.Eap, null));
    }

    /// <summary>An answer as it may be given now: who is denied gets no session by one that was made before.</summary>
    private ControlMessage Allowed(ControlMessage answer) => answer switch
    {
        EapToClient { Session: { } session } eap when _options.Users!.IsDenied(session.User) => eap with
        {
            Outcome = EapOutcome.Reject, Session = null, Eap = UserStep.FailureFor(eap.Eap),
        },
        UserSessionReply { Session: { } session } reply when _options.Users!.IsDenied(session.User) => reply with { Session = null },
        RoamingKeyReply { Key.Length: > 0 } key when _options.Users!.IsDenied(key.User) => new RoamingKeyReply { Id = key.Id, Client = key.Client, Outcome = RoamingKeyOutcome.Unknown },
        _ => answer,
    };

    /// <summary>What a node may have missed while it was away: it ends what it still has of users who are denied.</summary>
    private void TellDenied(NodeState node)
    {
        foreach (var user in _options.Users?.Denied ?? [])
        {
            Push(node.Id, new UserDenied { Id = 0, User = user });
        }
    }

    private void Say(NodeState node, EapToClient answer)
    {
        KeepAnswer(node.Id, answer);
        Send(node, answer);
    }

    private void KeepAnswer(NodeId node, EapToClient answer)
    {
        if (_eapAnswers.TryAdd((node, answer.Id), answer))
        {
            _eapAnswerOrder.Enqueue((node, answer.Id));
            if (_eapAnswerOrder.Count > MaxEapAnswers)
            {
                _eapAnswers.Remove(_eapAnswerOrder.Dequeue());
            }
        }
    }

    /// <summary>A report may come twice; what it says has passed only once.</summary>
    private bool IsNews(UserSessionUse use)
    {
        var name = (use.Node, use.Used.Session, use.Used.Id);
        if (!_reports.Add(name))
        {
            return false;
        }

        _reportOrder.Enqueue(name);
        if (_reportOrder.Count > MaxEapAnswers)
        {
            _reports.Remove(_reportOrder.Dequeue());
        }

        return true;
    }

    /// <summary>What is for the key holder and for nobody else to hear; false: it is to be reported.</summary>
    private bool TryTellUsers(CoordinatorEvent happened)
    {
        switch (happened)
        {
            case UserSessionUse use:
                if (IsNews(use))
                {
                    _options.Users?.Used(use.User, use.Node, use.Used);
                }

                return true;
            case UserSessionTaken taken:
                _options.Users?.Taken(taken.User, taken.Client);
                return true;
            case UserSessionOver over:
                _options.Users?.Ended(over.User, over.Client, over.Reason);
                return true;
            default:
                return false;
        }
    }
}
