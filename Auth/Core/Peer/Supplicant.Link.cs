using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.Auth.Peer;

/// <content>
/// The links to access points. A message 1 has no proof, so it makes a candidate, of which there are few; the link in use stays until a message 3 has proved another one. Message 1 decides
/// neither which access point the client is at nor what becomes of its keys.
/// </content>
public sealed partial class Supplicant
{
    private const int MaxCandidates = 4;

    private readonly List<AccessPointLink> _candidates = new(MaxCandidates);
    private AccessPointLink? _link;
    private SupplicantKeys? _keys;
    private SupplicantKeys? _keysBefore;
    private (MacAddress AccessPoint, SessionId Session) _unknown;

    /// <summary>Takes a frame of the client: protects it and sends it.</summary>
    public void OnClient(ReadOnlySpan<byte> frame, Instant now)
    {
        if (!EthernetHeader.TryParse(frame, out var header) || frame.Length > _config.MaxFrame)
        {
            Counters.Count(SupplicantDrop.Length);
        }
        else if (header.Source != _own)
        {
            Counters.Count(SupplicantDrop.ForeignSource);
        }
        else if (_link is not { } link || State is SupplicantState.Disconnected)
        {
            Counters.Count(SupplicantDrop.NoLink);
        }
        else
        {
            var drop = link.Channel.Protect(frame, _frame, out var written);
            if (drop != ProtectionDrop.None)
            {
                Counters.Count(drop);
                return;
            }

            if (_silentSince == Instant.Never)
            {
                _silentSince = now;
                Probe(now, _config.SilenceAfter);
            }

            Counters.CountSent();
            _output.Send(_frame.AsSpan(0, written));
        }
    }

    private Instant LinkDeadline
    {
        get
        {
            var next = _link?.Channel.NextDeadline ?? Instant.Never;
            foreach (var candidate in _candidates)
            {
                next = Instant.Min(next, candidate.Handshake.NextDeadline);
            }

            return next;
        }
    }

    private void AdvanceLink(Instant now)
    {
        _link?.Channel.Advance(now);
        for (var i = _candidates.Count - 1; i >= 0; i--)
        {
            var candidate = _candidates[i];
            candidate.Handshake.Advance(now);
            if (candidate.Handshake.State == HandshakeState.Failed)
            {
                GiveUp(i, now);
            }
        }
    }

    private void TakeProtected(ReadOnlySpan<byte> frame, Instant now)
    {
        if (_link is not { } link)
        {
            Counters.Count(SupplicantDrop.NoLink);
            return;
        }

        var drop = link.Channel.Validate(frame, _frame, now, out var written);
        if (drop != ProtectionDrop.None)
        {
            Counters.Count(drop);
            return;
        }

        _silentSince = _probeAt = Instant.Never;
        Counters.CountDelivered();
        _output.Deliver(_frame.AsSpan(0, written));
    }

    private void TakeKey(MacAddress source, ReadOnlySpan<byte> pdu, Instant now)
    {
        if (HandshakeFrame.TryParse(pdu, out var frame) == HandshakeDrop.None && (frame.Information & ~Eapol.KeyInformation.Secure) == HandshakeFrame.Message1)
        {
            if (!HandshakeKde.TryReadIdentity(frame.KeyData, out var node, out var session, out _))
            {
                Counters.Count(SupplicantDrop.Eapol);
            }
            else if (KeysOf(session) is { } keys)
            {
                var toward = LinkFor(source, keys, now);
                if (toward != _link || node != toward.Node)
                {
                    // Access points of a site may have one address for all of them.
                    Begin(now, 1);
                }

                _ = Take(toward, pdu, now);
            }
            else
            {
                TellUnknown(source, session);
            }

            return;
        }

        // Message 3: of a handshake that is under way, or of the link in use.
        for (var i = 0; i < _candidates.Count; i++)
        {
            if (_candidates[i].Address == source && Take(_candidates[i], pdu, now))
            {
                return;
            }
        }

        if (_link is not { } link || link.Address != source || !Take(link, pdu, now))
        {
            Counters.Count(SupplicantDrop.NoHandshake);
        }
    }

    // After an authentication the client hears from message 1 what its session is called. One that it knows by name is the one before.
    private SupplicantKeys? KeysOf(SessionId session)
    {
        if (_keysBefore is { } before && before.Session == session)
        {
            return before;
        }

        return _keys is { } keys && (keys.Session.IsNone || keys.Session == session) ? keys : null;
    }

    private AccessPointLink LinkFor(MacAddress source, SupplicantKeys keys, Instant now)
    {
        if (_link is { } link && link.Address == source && link.Keys == keys)
        {
            return link;
        }

        foreach (var candidate in _candidates)
        {
            if (candidate.Address == source && candidate.Keys == keys)
            {
                return candidate;
            }
        }

        if (_candidates.Count == MaxCandidates)
        {
            _candidates[0].GiveUp();
            _candidates.RemoveAt(0);
        }

        // New keys with the same access point go into the same channel, which keeps the old ones for what is under way.
        var shared = _link is { } inUse && inUse.Address == source ? inUse.Channel : null;
        var channel = shared ?? new MacsecChannel(_config.Macsec);
        var made = new AccessPointLink(source, keys, new HandshakeSupplicant(keys, source, _config.Handshake, _random, channel, now), channel, shared is null);
        _candidates.Add(made);
        return made;
    }

    // Whether the frame was of this handshake.
    private bool Take(AccessPointLink link, ReadOnlySpan<byte> pdu, Instant now)
    {
        var length = link.Handshake.Receive(pdu, _eapol.AsSpan(EthernetHeader.Length), out var drop);
        if (length > 0)
        {
            SendPdu(length);
        }

        if (link.Handshake.State == HandshakeState.Failed)
        {
            Fail(link, now);
        }
        else if (link.Handshake.Rounds != link.Rounds)
        {
            link.Rounds = link.Handshake.Rounds;
            Adopt(link, now);
        }

        return drop == HandshakeDrop.None;
    }

    private void Adopt(AccessPointLink link, Instant now)
    {
        var isRenewed = _link is { } same && same.Address == link.Address && same.Node == link.Handshake.Node;
        link.Node = link.Handshake.Node;
        if (_link != link)
        {
            _ = _candidates.Remove(link);
            _link?.End(link.Channel);
            _link = link;
        }

        if (link.Keys == _keys)
        {
            _keysBefore?.Dispose();
            _keysBefore = null;
        }

        if (State is SupplicantState.Connecting or SupplicantState.Held || (State == SupplicantState.Authenticating && !_peer.IsInMethod))
        {
            // The session was enough; if the access point has asked for the identity, too, it needs it no more.
            _peer.Restart();
            State = SupplicantState.Authenticated;
            _deadline = Instant.Never;
        }

        _authenticator = State == SupplicantState.Authenticating ? _authenticator : link.Address;
        _offerUntil = _holdUntil = _probeAt = _silentSince = Instant.Never;
        IsPlain = false;
        var kind = isRenewed && _began is null ? SupplicantEventKind.KeysRenewed : SupplicantEventKind.LinkProtected;
        _output.Tell(Measured(kind, link.Address, now) with { Node = link.Handshake.Node });
        _began = null;
    }

    private void Fail(AccessPointLink link, Instant now)
    {
        if (link != _link)
        {
            GiveUp(_candidates.IndexOf(link), now);
            return;
        }

        _output.Tell(new SupplicantEvent(SupplicantEventKind.HandshakeFailed) { AccessPoint = link.Address, Handshake = link.Handshake.Failure });
        link.End(null);
        _link = null;
        Connect(now);
    }

    private void GiveUp(int index, Instant now)
    {
        var candidate = _candidates[index];
        _output.Tell(Measured(SupplicantEventKind.HandshakeFailed, candidate.Address, now) with { Handshake = candidate.Handshake.Failure });
        candidate.GiveUp();
        _candidates.RemoveAt(index);
    }

    private void GiveUpCandidates()
    {
        foreach (var candidate in _candidates)
        {
            candidate.GiveUp();
        }

        _candidates.Clear();
    }

    private void Renew(SupplicantKeys keys)
    {
        // What the link in use is over stays until another session has been proved.
        GiveUpCandidates();
        if (_keys is { } old && _link?.Keys == old)
        {
            _keysBefore?.Dispose();
            _keysBefore = old;
        }
        else
        {
            _keys?.Dispose();
        }

        _keys = keys;
        _unknown = default;
    }

    private void TellUnknown(MacAddress source, SessionId session)
    {
        Counters.Count(SupplicantDrop.UnknownSession);
        if (_unknown != (source, session))
        {
            _unknown = (source, session);
            _output.Tell(new SupplicantEvent(SupplicantEventKind.UnknownSession) { AccessPoint = source, Detail = session.ToString() });
        }
    }

    private void ForgetAll()
    {
        GiveUpCandidates();
        _link?.End(null);
        _link = null;
        _keys?.Dispose();
        _keysBefore?.Dispose();
        _keys = null;
        _keysBefore = null;
    }
}
