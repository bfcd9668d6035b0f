using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint;

/// <summary>How far the conversation with the coordinator is.</summary>
public enum SessionState
{
    /// <summary>There is no connection (or no coordinator at all).</summary>
    Down,

    /// <summary>Hello has been sent, Welcome has not come.</summary>
    Greeting,

    /// <summary>Welcome has come; this node lost its tables and is being given back what it anchored.</summary>
    Restoring,

    /// <summary>Messages flow.</summary>
    Up,
}

/// <summary>
/// The conversation with the coordinator. The channel may lose, repeat and reorder; requests are repeated by the outbox until their answer completes them, and pushes
/// are acknowledged here, once both engines have done what they say.
/// </summary>
public sealed partial class AccessPointNode
{
    private static readonly TimeSpan HelloInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>Heartbeats without any answer after which the session counts as lost, but not before a moment's pause of the coordinator is over.</summary>
    private const int MissedHeartbeats = 3;

    private static readonly TimeSpan LeastPatience = TimeSpan.FromSeconds(1);

    private Instant _sessionDeadline = Instant.Never;
    private Instant _lastHeard;
    private TimeSpan _heartbeat = TimeSpan.FromSeconds(1);
    private ulong _helloId;
    private ulong? _storeIncarnation;
    private ulong _welcomedBy;
    private uint _restored;
    private bool _hasGreeted;
    private bool _isRestored;
    private readonly HashSet<ulong> _adopted = [];

    /// <summary>How far the conversation with the coordinator is.</summary>
    public SessionState Session { get; private set; }

    /// <summary>The coordinator that answered last; none if none ever has.</summary>
    public NodeId Coordinator { get; private set; }

    /// <summary>A channel to the coordinator is there; the node introduces itself.</summary>
    public void OnControlConnected(Instant now)
    {
        _now = now;
        LoseSession(now);
        if (_hasGreeted && !_isRestored)
        {
            // Whoever was greeted may have died while it gave back what was anchored here, and may have written down that it has: this is another life, which has nothing yet.
            _incarnation++;
        }

        _hasGreeted = true;
        Session = SessionState.Greeting;
        _helloId = _outbox.NextId();
        SendHello(now);
    }

    /// <summary>The channel is gone. Everything that forwards goes on.</summary>
    public void OnControlDisconnected(Instant now)
    {
        _now = now;
        LoseSession(now);
    }

    /// <summary>A message from the coordinator.</summary>
    public void OnControl(ControlMessage message, Instant now)
    {
        _now = now;
        if (message is Welcome welcome)
        {
            OnWelcome(welcome, now);
        }
        else if (message is Goodbye)
        {
            LoseSession(now);
        }
        else if (Session is SessionState.Up or SessionState.Restoring)
        {
            // Before Welcome nothing is taken: what matters is repeated, and answers would belong to an earlier session.
            _lastHeard = now;
            if (message is AdoptMappings adopt)
            {
                OnAdoptMappings(adopt, now);
            }
            else if (Session == SessionState.Up)
            {
                Dispatch(message, now);
            }
        }
    }

    private void OnWelcome(Welcome welcome, Instant now)
    {
        if (Session is SessionState.Greeting or SessionState.Up && welcome.Id == _helloId)
        {
            foreach (var reserved in welcome.Reserved)
            {
                _pool.Reserve(reserved.Protocol, reserved.Masquerade);
            }
        }

        if (Session == SessionState.Up && welcome.Id == _helloId && welcome.StoreIncarnation != _storeIncarnation)
        {
            // The store has forgotten while the session went on.
            _lastHeard = now;
            _storeIncarnation = welcome.StoreIncarnation;
            if (!TryFollow(welcome.Owners, now))
            {
                return;
            }

            Fam.OnStoreLost(now);
            Ham.OnCoordinatorUp(storeChanged: true, now);
            Fam.OnCoordinatorUp(storeChanged: true, now);
            return;
        }

        if (Session != SessionState.Greeting || welcome.Id != _helloId)
        {
            return;
        }

        Session = SessionState.Restoring;
        Coordinator = welcome.Coordinator;
        _heartbeat = TimeSpan.FromMilliseconds(Math.Clamp(welcome.HeartbeatMilliseconds, 10, 600_000));
        _lastHeard = now;
        _sessionDeadline = now + _heartbeat;
        _welcomedBy = welcome.StoreIncarnation;
        _restored = welcome.Restored;
        _adopted.Clear();
        if (TryFollow(welcome.Owners, now))
        {
            HoldOwn(now);
            GoUpWhenRestored(now);
        }
    }

    /// <summary>A copy of what was taken is acknowledged and else ignored: its mappings may have ended since.</summary>
    private void OnAdoptMappings(AdoptMappings adopt, Instant now)
    {
        if (_adopted.Contains(adopt.Id) || TryAdopt(adopt, now))
        {
            _adopted.Add(adopt.Id);
            _output.SendControl(new Ack { Id = adopt.Id, Status = AckStatus.Ok });
        }

        GoUpWhenRestored(now);
    }

    private void GoUpWhenRestored(Instant now)
    {
        if (Session != SessionState.Restoring || _adopted.Count < _restored)
        {
            return;
        }

        Session = SessionState.Up;
        _isRestored = true;
        var storeChanged = _storeIncarnation != _welcomedBy;
        _storeIncarnation = _welcomedBy;
        if (storeChanged)
        {
            Fam.OnStoreLost(now);
        }

        // First what had been asked before the session was lost, in its order, then what the engines add.
        _outbox.Suspended = false;
        _outbox.Restart(now);
        _outbox.Advance(now);
        _membersAt = now;
        Ham.OnCoordinatorUp(storeChanged, now);
        Fam.OnCoordinatorUp(storeChanged, now);
        if (_neighbours is { } neighbours)
        {
            neighbours.UpSince = now;
        }
    }

    private void Dispatch(ControlMessage message, Instant now)
    {
        switch (message)
        {
            case Ack or ArriveReply or AttachReply or LookupReply or FamQueryReply:
                _outbox.Complete(message.Id);
                Fam.OnControl(message, now);
                Ham.OnControl(message, now);
                break;
            case FamChange or FamCleared or MappingsEnded or ArrivalUpdate when Fam.CanTake(message):
                // The FAM first: what it held goes out before the HAM switches and newer packets take the new way. One acknowledgement for both, once it is done.
                Fam.OnControl(message, now);
                NoteFormerFams(message as FamChange);
                NoteMovedUser(message, now);
                if (Ham.OnControl(message, now))
                {
                    _output.SendControl(new Ack { Id = message.Id, Status = AckStatus.Ok });
                }

                ReplayEarly();

                break;
            case AnchorRequest:
                Ham.OnControl(message, now);
                break;
            case EapToClient or UserSessionReply or PolicyReply:
                _outbox.Complete(message.Id);
                OnUserControl(message, now);
                break;
            case RoamingKeyReply key:
                _outbox.Complete(key.Id);
                OnRoamingKey(key, now);
                break;
            case UserSessionChange or UserDenied:
                OnUserControl(message, now);
                break;
            case Summon:
                Fam.OnControl(message, now);
                _output.SendControl(new Ack { Id = message.Id, Status = AckStatus.Ok });
                break;
            case AddressOwners owners:
                OnAddressOwners(owners, now);
                break;
            case NeighbourAt at:
                OnNeighbourAt(at);
                break;
            case NeighbourNoted noted:
                OnNeighbourNoted(noted);
                break;
            case LeaseReply lease:
                OnLeaseReply(lease);
                break;
            case ProbeNode probe:
                OnProbeNode(probe, now);
                break;
        }
    }

    private TimeSpan Patience => _heartbeat * MissedHeartbeats > LeastPatience ? _heartbeat * MissedHeartbeats : LeastPatience;

    private void AdvanceSession(Instant now)
    {
        if (now < _sessionDeadline)
        {
            return;
        }

        if (Session == SessionState.Greeting)
        {
            SendHello(now);
        }
        else if (now - _lastHeard > Patience)
        {
            // The channel has not said that it is broken, but nobody answers: start over.
            OnControlConnected(now);
        }
        else
        {
            _sessionDeadline = now + _heartbeat;
            _output.SendControl(new Heartbeat
            {
                Id = _outbox.NextId(),
                Mappings = (uint)Ham.MappingCount,
                Clients = (uint)Fam.ServedCount,
                Store = Session == SessionState.Up ? _storeIncarnation ?? 0 : 0,
                WaysRewritten = (uint)_ways.Rewritten,
                Loads = [.. HeldAddresses.Take(ControlLimits.MaxAddresses).Select(a => new AddressLoad(a, (uint)Ham.MappingCountAt(a)))],
            });
        }
    }

    private void SendHello(Instant now)
    {
        _sessionDeadline = now + HelloInterval;
        _output.SendControl(new Hello
        {
            Id = _helloId,
            Node = _model.Node,
            Incarnation = _incarnation,
            PeerEndpoint = _model.PeerEndpoint,
            Addresses = _model.Uplink.Addresses,
            Takes = Takes,
            Owners = [.. _owners.Values],
        });
    }

    private void LoseSession(Instant now)
    {
        var wasUp = Session == SessionState.Up;
        Session = SessionState.Down;
        _outbox.Suspended = true;
        _sessionDeadline = Instant.Never;
        _probes.Clear();
        if (wasUp)
        {
            Fam.OnCoordinatorDown(now);
        }
    }

    /// <summary>Messages of engines go out only while the session is up; the outbox repeats them when it is.</summary>
    private void SendWhenUp(ControlMessage message)
    {
        if (Session == SessionState.Up)
        {
            _output.SendControl(message);
        }
    }
}
